#!/usr/bin/env bash
# Makes .venv: Python 3.12 with what requirements.lock pins, and this project.
# Usage: launch/setup.sh [EXTRA]   EXTRA: an extra of setup.py, e.g. tpu
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-}

die() {
  echo "error: $*" >&2
  exit 1
}

case "$(uname -s) $(uname -m)" in
  'Linux x86_64' | 'Linux aarch64' | 'Darwin arm64') ;;
  *) die "$(uname -sm): tensorflow-text has no build for it; use Linux (or" \
    "WSL) on x86-64 or arm64, or a Mac with Apple silicon" ;;
esac

is_312() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2> /dev/null
}

uv=$(command -v uv || true)
if [ -e .venv ]; then
  is_312 .venv/bin/python || die '.venv has no Python 3.12: run `make clean`'
elif [ "$uv" ]; then
  echo 'making .venv (4 GB) with uv'
  "$uv" venv -q --python 3.12 .venv
else
  python=
  for candidate in python3.12 python3; do
    if is_312 "$candidate" && "$candidate" -c 'import ensurepip'; then
      python=$candidate
      break
    fi
  done
  [ "$python" ] || die 'install uv, or Python 3.12 with its venv and pip'
  echo "making .venv (4 GB) with $python"
  "$python" -m venv .venv
fi
if [ ! "$uv" ] && .venv/bin/python -m pip install -q uv; then
  uv=.venv/bin/uv
fi

echo 'installing requirements.lock'
if [ "$uv" ]; then
  install=("$uv" pip install -q --python .venv/bin/python)
  "$uv" pip sync -q --python .venv/bin/python requirements.lock
  override=(--override requirements.override)
else
  install=(.venv/bin/python -m pip install -q)
  # uv, which made the lock, ignores upper bounds on Python; pip must be told.
  "${install[@]}" --no-deps --ignore-requires-python -r requirements.lock
  override=()
fi
"${install[@]}" --no-deps --no-build-isolation -e .
if [ "$extra" ]; then
  "${install[@]}" -c requirements.lock ${override[@]+"${override[@]}"} \
    -e ".[$extra]"
fi
