"""Runs a command on the stage: $JACKFIELD_URL is the gateway, $JACKFIELD_KEY opens it, $JACKFIELD_KINDS lists the kinds
of providers behind it. Ends as the command does, or badly when a provider was sent what its API does not take.
"""

import os
import subprocess
import sys

from .gateway import CLIENT_KEY, stage
from .kinds import KINDS

with stage() as running:
    told = {"JACKFIELD_URL": running.url, "JACKFIELD_KEY": CLIENT_KEY, "JACKFIELD_KINDS": ",".join(KINDS)}
    code = subprocess.run(sys.argv[1:], env={**os.environ, **told}, check=False).returncode
    for complaint in running.complaints():
        print(complaint, file=sys.stderr)
        code = code or 1
sys.exit(code)
