"""Runs an experiment, from its config to its report; see `wcse run --help`."""

import sys

try:
  from wcse_jax.commands import run
except ImportError as error:
  sys.exit(
    f'error: {error}, in {sys.executable}\n'
    'Use the environment that make has made: source .venv/bin/activate'
  )

if __name__ == '__main__':
  sys.exit(run.main(sys.argv))
