"""Tells from a pilot how to split a budget; see `wcse split --help`."""

import sys

try:
  from wcse_jax.commands import split
except ImportError as error:
  sys.exit(
    f'error: {error}, in {sys.executable}\n'
    'Use the environment that make has made: source .venv/bin/activate'
  )

if __name__ == '__main__':
  sys.exit(split.main(sys.argv))
