#!/usr/bin/env bash
# The official SDK for Node.js on the stage: installs the pinned package and runs `node --test`. Needs $JACKFIELD_BIN.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${JACKFIELD_BIN:?set it to the jackfield binary, for example target/debug/jackfield}"
JACKFIELD_BIN=$(realpath "$JACKFIELD_BIN")
export JACKFIELD_BIN
command -v npm >/dev/null || {
  printf 'tests/sdk/node: needs Node.js 20 or later with npm\n' >&2
  exit 1
}
pins=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c1-16)
packages=${XDG_CACHE_HOME:-$HOME/.cache}/jackfield/sdk-node-$pins
# Installed under a temporary name and renamed when whole: an interrupted installation leaves nothing.
if [ ! -d "$packages" ]; then
  rm -rf "$packages.new" && mkdir -p "$packages.new"
  cp "$here/package.json" "$here/package-lock.json" "$packages.new"
  (cd "$packages.new" && npm ci --no-audit --no-fund --loglevel error)
  mv "$packages.new" "$packages"
fi
# A module finds its packages beside itself or above.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$packages/node_modules" "$work/node_modules"
cp "$here"/*.test.mjs "$work"
cd "$here/.."
stage/python.sh -m stage node --test "$work"/*.test.mjs
