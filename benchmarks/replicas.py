"""How much faster a run is with a process for each core, in alternating turns.

  python benchmarks/replicas.py                # nano, smaller: 50 minutes or so
  python benchmarks/replicas.py --turns=2 --config=configs/wc_distill.py:nano

Each run has a workdir of its own, and what is compiled is cached before. It
prints the wall time of every turn, the ratio, and the most memory that a run's
processes held together (PSS, Linux alone).
"""

import argparse
from collections.abc import Sequence
import contextlib
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import psutil

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Every stage long enough for its rate to count, and none longer.
_SMALLER = (
  '--config.task.num_train=600',
  '--config.task.num_test=1500',
  '--config.evaluate.num_sampled=100',
  '--config.finetune.steps_low=30',
  '--config.finetune.steps_high=90',
)


def run(config: str, replicas: str, flags: Sequence[str]) -> tuple[float, int]:
  """Returns the seconds and the bytes that a run takes.

  Raises:
    RuntimeError: It failed.
  """
  with tempfile.TemporaryDirectory() as workdir:
    command = [
      *(sys.executable, 'launch/main.py', f'--config={config}', *flags),
      *(f'--replicas={replicas}', f'--workdir={workdir}'),
    ]
    start, most = time.monotonic(), 0
    with tempfile.TemporaryFile('w+') as log:
      process = subprocess.Popen(
        command, cwd=_ROOT, stdout=log, stderr=subprocess.STDOUT
      )
      while process.poll() is None:
        most = max(most, _held(process.pid))
        time.sleep(0.5)
      if process.returncode:
        log.seek(0)
        raise RuntimeError(log.read()[-3000:])
  return time.monotonic() - start, most


def _held(pid: int) -> int:
  """The bytes that a process and its descendants hold."""
  held = 0
  with contextlib.suppress(psutil.Error):  # it has ended
    process = psutil.Process(pid)
    for each in (process, *process.children(recursive=True)):
      with contextlib.suppress(psutil.Error):
        held += getattr(each.memory_full_info(), 'pss', 0)
  return held


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints what each turn took, and the ratio."""
  parser = argparse.ArgumentParser(description=main.__doc__)
  parser.add_argument('--config', default='')
  parser.add_argument('--turns', type=int, default=2)
  given = parser.parse_args(arguments)
  config = given.config or 'configs/wc_distill.py:nano'
  flags = () if given.config else _SMALLER
  run(config, 'auto', [*flags, '--stages=prepare,plan'])  # warms the disk
  seconds: dict[str, list[float]] = {'1': [], 'auto': []}
  for turn in range(given.turns + 1):  # the first compiles, and does not count
    for replicas, taken in seconds.items():
      passed, most = run(config, replicas, flags)
      said = f'{passed:.1f} s, {most / 2**30:.2f} GiB'
      print(f'turn {turn}, --replicas={replicas}: {said}', flush=True)
      taken.extend([passed] if turn else [])
  one, auto = map(statistics.median, seconds.values())
  print(f'auto takes {auto / one:.2f} of one process')


if __name__ == '__main__':
  main()
