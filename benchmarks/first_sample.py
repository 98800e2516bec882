"""How long a new run takes to its first sample, in a process of its own.

  python benchmarks/first_sample.py
  python benchmarks/first_sample.py --config=configs/wc_distill.py --runs=5

The clock starts before Python does. Each run has a workdir of its own; what is
compiled is cached from the first run on.
"""

import argparse
from collections.abc import Sequence
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

_RUN = """
import sys, time
sys.path.insert(0, 'launch')
import main
from wcse_jax.stages import shards

def commit(stage, rows, *others):
  next(iter(rows))
  print('seconds', time.time() - float(sys.argv.pop()), flush=True)
  raise KeyboardInterrupt

shards.commit = commit
sys.exit(main.main(sys.argv[:-1]))
"""
_ROOT = pathlib.Path(__file__).resolve().parents[1]


def seconds(config: str) -> float:
  """Returns how long one run takes to its first sample.

  Raises:
    RuntimeError: The run failed before it.
  """
  with tempfile.TemporaryDirectory() as workdir:
    command = [
      *(sys.executable, '-c', _RUN, f'--config={config}'),
      f'--workdir={workdir}',
    ]
    start = str(time.time())
    done = subprocess.run(
      [*command, start], cwd=_ROOT, capture_output=True, text=True
    )
  for line in done.stdout.splitlines():
    if line.startswith('seconds '):
      return float(line.split()[1])
  raise RuntimeError(done.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints what each run took, and the median."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('--config', default='configs/wc_distill.py')
  parser.add_argument('--runs', type=int, default=3)
  given = parser.parse_args(arguments)
  taken = []
  for _ in range(given.runs):
    taken.append(seconds(given.config))
    print(f'{taken[-1]:.1f} s to the first sample', flush=True)
  print(f'median {statistics.median(taken):.1f} s')


if __name__ == '__main__':
  main()
