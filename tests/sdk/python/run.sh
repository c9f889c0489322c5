#!/usr/bin/env bash
# The official Python SDKs against the real binary, with pytest. Needs $JACKFIELD_BIN, the built `jackfield`; further
# arguments go to pytest.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${JACKFIELD_BIN:?set it to the jackfield binary, for example target/debug/jackfield}"
JACKFIELD_BIN=$(realpath "$JACKFIELD_BIN")
export JACKFIELD_BIN
cd "$here"
exec ../stage/python.sh -m pytest -p no:cacheprovider "$@"
