#!/usr/bin/env bash
# Makes .venv: Python 3.12 with what requirements.lock pins, and this project.
# Usage: launch/setup.sh [EXTRA]   EXTRA: of setup.py, e.g. tpu, or tpu,bench
# An extra stays: a later call without it brings what the lock now says of it.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
  echo "error: $*" >&2
  exit 1
}

known=$(sed -n "/extras_require/,/}/s/^ *'\([^']*\)': *\[.*/\1/p" setup.py)
[ $# -le 1 ] || die "'$*': write several extras with commas"
asked=${1:-}
for extra in ${asked//,/ }; do
  grep -qxF "$extra" <<< "$known" ||
    die "no extra is called '$extra'; setup.py has: ${known//$'\n'/, }"
done

case "$(uname -s) $(uname -m)" in
  'Linux x86_64' | 'Linux aarch64' | 'Darwin arm64') ;;
  *) die "$(uname -sm): tensorflow-text has no build for it; use Linux (or" \
    "WSL) on x86-64 or arm64, or a Mac with Apple silicon" ;;
esac

is_312() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2> /dev/null
}

# uv, which brings a Python 3.12 where there is none: on PATH, or by any pip
# into a folder of its own (no ensurepip is needed, and no system's Python is
# touched).
uv=$(command -v uv || true)
for own in .venv/bin/uv build/uv/bin/uv; do
  [ "$uv" ] || [ ! -x $own ] || uv=$own
done
if [ ! "$uv" ]; then
  for python in .venv/bin/python python3.12 python3; do
    "$python" -m pip --version > /dev/null 2>&1 || continue
    "$python" -m pip install -q --target build/uv uv && uv=build/uv/bin/uv
    break
  done
fi

if [ -e .venv ]; then
  is_312 .venv/bin/python || die '.venv has no Python 3.12: run: make clean'
elif [ "$uv" ]; then
  echo 'making .venv (4 GB) with uv'
  "$uv" venv -q --python 3.12 .venv ||
    die 'uv found no Python 3.12 and could not get one: install it'
else
  python=
  for candidate in python3.12 python3; do
    if is_312 "$candidate" && "$candidate" -c 'import ensurepip'; then
      python=$candidate
      break
    fi
  done
  [ "$python" ] || die 'install uv, or pip for any Python 3, or Python 3.12 with' \
    'venv (on Ubuntu: sudo apt-get install -y python3-pip)'
  echo "making .venv (4 GB) with $python"
  "$python" -m venv .venv
fi

extras=$(echo "$asked" | cat - .venv/.extras 2> /dev/null | tr , '\n' |
  sort -u | grep -xF "$known" | paste -sd, -) || true
echo "installing requirements.lock${extras:+ and [$extras]}"
if [ "$uv" ]; then
  # Without bytecode each process would compile what it imports, where the
  # environment says PYTHONDONTWRITEBYTECODE.
  export UV_COMPILE_BYTECODE=1
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
if [ "$extras" ]; then
  "${install[@]}" -c requirements.lock ${override[@]+"${override[@]}"} \
    -e ".[$extras]"
fi
# JAX without its accelerator's package computes on the CPU.
case ",$extras," in *,tpu,*)
  .venv/bin/python -c 'import libtpu' ||
    die 'libtpu did not install: the TPU would stay idle (x86-64 alone has it)' ;;
esac
case ",$extras," in *,cuda,*)
  .venv/bin/python -c 'import jax_cuda12_plugin' ||
    die "JAX's CUDA plugin did not install: the GPU would stay idle (Linux" \
      'alone has it)' ;;
esac
echo "$extras" > .venv/.extras
