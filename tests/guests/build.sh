#!/usr/bin/env bash
# Builds the guests that prove the contract in every language, each with its real toolchain:
#
#   tests/guests/build.sh [c|c-llm|js|python|python-sdk|python-seed|python-llm|python-window|
#                          rust|rust-bench|rust-llm|rust-window …]      all of them when none is named
#
# Components go to $JACKFIELD_GUESTS (default: $XDG_CACHE_HOME/jackfield/guests), toolchains to
# $XDG_CACHE_HOME/jackfield, pinned by package-lock.json, requirements.txt and the Cargo.locks. What is
# built already from the same inputs is left alone. All but the raw guests `js` and `python` need $JACKFIELD_BIN, the
# built `jackfield`. Nothing is installed on the system, except Debian's Rust for WebAssembly by root in CI.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/jackfield
out=${JACKFIELD_GUESTS:-$cache/guests}
mkdir -p "$cache" "$out"
out=$(cd "$out" && pwd)

missing() {
  printf 'tests/guests/build.sh: %s\n' "$1" >&2
  exit 1
}

# The digest of files and folders: of the names below the repository and of the bytes, without what tools
# leave behind.
digest() {
  (cd "$root" && find "$@" \( -name node_modules -o -name target -o -name __pycache__ \) -prune -o -type f -print0 |
    LC_ALL=C sort -zu | xargs -0 sha256sum | sha256sum | cut -c1-64)
}

# Installed under a temporary name and renamed when whole: an interrupted installation leaves nothing.
toolchain_js() {
  tools=$cache/guest-js-$(digest tests/guests/js/package.json tests/guests/js/package-lock.json | cut -c1-16)
  [ -d "$tools" ] && return
  command -v npm >/dev/null || missing "the JavaScript guest needs Node.js 18 or later with npm (apt-get install -y nodejs npm)"
  rm -rf "$tools.new" && mkdir "$tools.new"
  cp "$here/js/package.json" "$here/js/package-lock.json" "$tools.new"
  (cd "$tools.new" && npm ci --no-audit --no-fund --loglevel error) >&2
  mv "$tools.new" "$tools"
}

# A virtual environment knows its own path, so that it cannot be renamed; a marker says that it is whole.
toolchain_python() { toolchain_pip python "guests in Python"; }

# Zig is a package of Python's.
toolchain_c() { toolchain_pip c "guests in C"; }

toolchain_pip() {
  tools=$cache/guest-$1-$(digest "tests/guests/$1/requirements.txt" | cut -c1-16)
  [ -e "$tools/.complete" ] && return
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing "$2 need Python 3 with venv (apt-get install -y python3-venv)"
  python3 -m venv --clear "$tools"
  "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/$1/requirements.txt"
  touch "$tools/.complete"
}

# `plugin build` finds the compiler and says what is missing; CI is spared the round trip.
toolchain_rust() {
  local target=wasm32-unknown-unknown libs source
  libs=$(rustc --print target-libdir --target "$target" 2>/dev/null || true)
  source=$([ ! -x /usr/bin/rustc ] || /usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std
  compgen -G "$libs/libstd-*" >/dev/null || [ -d "$source" ] && return
  local packages=(rustc-web cargo-web rust-web-src)
  if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"
  else
    missing "the Rust guests need the target $target: rustup target add $target, or Debian's compiler: apt-get install -y ${packages[*]}"
  fi
}

# For tests/kits/run: has a toolchain installed, and says where.
if [ "${1:-}" = --tools ]; then
  exec 9>"$cache/guests.lock"
  ! command -v flock >/dev/null || flock 9
  tools=
  "toolchain_$2" >&2
  printf '%s\n' "$tools"
  exit
fi

# Both interpreters' tools look for the contract below the folder they run in.
build_js() {
  toolchain_js
  cp "$here"/js/*.js .
  cp -r "$root/wit" wit
  "$tools/node_modules/.bin/componentize-qjs" --wit wit --world router --js router.js --sync --stub-wasi --output guest.wasm
}

build_python() {
  toolchain_python
  cp "$here"/python/*.py .
  cp -r "$root/wit" wit
  "$tools/bin/componentize-py" --wit-path wit --world router componentize --stub-wasi my_router --output guest.wasm
}

# With the SDK, as an author builds.
build_python-sdk() { python_build python-sdk; }
build_python-seed() { python_build python-seed; }
build_python-llm() { python_build python-llm; }
build_python-window() { python_build python-window; }

python_build() {
  toolchain_python
  "$JACKFIELD_BIN" plugin build "$here/$1" --tools "$tools" --out guest.wasm
}

build_c() { c_build "$here/c"; }
build_c-llm() { c_build "$here/c-llm"; }

c_build() {
  toolchain_c
  "$JACKFIELD_BIN" plugin build "$1" --out guest.wasm --tools "$tools"
}

build_rust() { plugin_build "$root/plugins/urgent-router"; }
build_rust-bench() { plugin_build "$here/rust-bench"; }
build_rust-llm() { plugin_build "$here/rust-llm"; }
build_rust-window() { plugin_build "$here/rust-window"; }

plugin_build() {
  toolchain_rust
  "$JACKFIELD_BIN" plugin build "$1" --out guest.wasm --target-dir "$cache/guest-target"
}

# What each guest is made from, below the repository; this script is the recipe.
inputs() {
  case $1 in
    c | c-llm) built_inputs "tests/guests/$1" plugin-sdk/c ;;
    js) digest wit tests/guests/js tests/guests/build.sh ;;
    python) digest wit tests/guests/python tests/guests/build.sh ;;
    python-*) python_inputs "tests/guests/$1" ;;
    rust) rust_inputs plugins/urgent-router ;;
    rust-bench) rust_inputs tests/guests/rust-bench ;;
    rust-llm) rust_inputs tests/guests/rust-llm ;;
    rust-window) rust_inputs tests/guests/rust-window ;;
    *) missing "there is no guest \`$1\`: c, c-llm, js, python, python-sdk, python-seed, python-llm, python-window, rust, rust-bench, rust-llm, rust-window" ;;
  esac
}

python_inputs() { built_inputs "$1" plugin-sdk/python tests/guests/python/requirements.txt; }
rust_inputs() { built_inputs "$1" plugin-sdk/rust Cargo.toml; }

built_inputs() {
  [ -x "${JACKFIELD_BIN:-}" ] || missing "the guests of an SDK need \$JACKFIELD_BIN, the built jackfield (for example target/release/jackfield)"
  [ -d "$root/$1" ] || missing "there is no guest in $1"
  printf '%s %s\n' "$(digest wit "$@" tests/guests/build.sh)" "$(sha256sum <"$JACKFIELD_BIN" | cut -c1-64)"
}

# One run at a time, where the system can: the toolchains are shared.
exec 9>"$cache/guests.lock"
! command -v flock >/dev/null || flock 9

[ -z "${JACKFIELD_BIN:-}" ] || JACKFIELD_BIN=$(realpath "$JACKFIELD_BIN")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- c c-llm js python python-sdk python-seed python-llm python-window rust rust-bench rust-llm rust-window
for guest in "$@"; do
  made_from=$(inputs "$guest")
  if [ -e "$out/$guest.wasm" ] && [ "$(cat "$out/$guest.inputs" 2>/dev/null)" = "$made_from" ]; then
    printf '%s: up to date\n' "$guest"
    continue
  fi
  rm -f "$out/$guest.inputs"
  mkdir "$work/$guest"
  (cd "$work/$guest" && "build_$guest")
  # The whole component or the old one: somebody may be loading it.
  cp "$work/$guest/guest.wasm" "$out/.$guest.new"
  mv "$out/.$guest.new" "$out/$guest.wasm"
  printf '%s\n' "$made_from" >"$out/$guest.inputs"
  printf '%s: %s bytes, %s\n' "$guest" "$(wc -c <"$out/$guest.wasm")" "$out/$guest.wasm"
done
