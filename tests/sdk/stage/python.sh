#!/usr/bin/env bash
# Runs Python with the stage and its pinned packages: `stage/python.sh -m pytest`, `stage/python.sh -m stage COMMAND…`.
# The packages are kept in a venv under $XDG_CACHE_HOME/jackfield, by their pins.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pins=$(sha256sum "$here/requirements.txt" | cut -c1-16)
venv=${JACKFIELD_SDK_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/jackfield/sdk-python-$pins}
# The marker is written last, so an interrupted installation is made again.
if [ ! -e "$venv/.complete" ]; then
  python3 -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  touch "$venv/.complete"
fi
PYTHONPATH=$(dirname "$here") exec "$venv/bin/python" "$@"
