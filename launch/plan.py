"""Tells what a config takes on TPU slices; see `wcse plan --help`."""

import sys

try:
  from wcse_jax.commands import plan
except ImportError as error:
  sys.exit(
    f'error: {error}, in {sys.executable}\n'
    'Use the environment that make has made: source .venv/bin/activate'
  )

if __name__ == '__main__':
  sys.exit(plan.main(sys.argv))
