#!/usr/bin/env bash
# The official Python SDK against the real binary: installs the pinned packages into a cached venv
# and runs pytest. Needs $JACKFIELD_BIN, the built `jackfield`; further arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${JACKFIELD_BIN:?set it to the jackfield binary, for example target/debug/jackfield}"
JACKFIELD_BIN=$(realpath "$JACKFIELD_BIN")
export JACKFIELD_BIN
pins=$(sha256sum "$here/requirements.txt" | cut -c1-16)
venv=${JACKFIELD_SDK_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/jackfield/sdk-python-$pins}
# The marker is written last, so an interrupted installation is made again.
if [ ! -e "$venv/.complete" ]; then
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  touch "$venv/.complete"
fi
cd "$here"
exec "$venv/bin/python" -m pytest -p no:cacheprovider "$@" .
