"""Kills a small run at random moments: does it end with the same results?

  python benchmarks/kills.py
  python benchmarks/kills.py --remote --kills=50

A run is started, killed as on a lost machine, and started again; after some
kills it may end. What it committed is then compared, to the bit, with what a
run committed that nobody disturbed. With --remote the workdir is an object
store's, which a folder stands for, and every start is on a machine that has no
copy of it. Exits with 1 if anything differs; a start that fails is an error.
"""

import argparse
from collections.abc import Sequence
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

import golden
import golden_compare
import golden_experiments
from golden_experiments import ExperimentError, Place
import golden_workdir

ROOT = pathlib.Path(__file__).resolve().parents[1]
_PATIENCE_S = 2.0  # with the lease of a dead run, instead of two minutes
# Of what the mirror does in a run, only its waiting is shortened.
_MAIN = f"""
import sys
from wcse_jax.store import lease
lease.Lease.acquire.__defaults__ = ({_PATIENCE_S},)
sys.path.insert(0, sys.argv[1])
import main
sys.exit(main.main(sys.argv[1:]))
"""


def start(place: Place, run: str, machine: int, remote: bool):
  """Starts a run, or goes on with it.

  Args:
    place: The code, and the folder of all runs.
    run: The run's name.
    machine: A number; each has a disk of its own, if `remote`.
    remote: Whether the workdir is an object store's.
  """
  script, *flags = place.command(run, **golden_experiments.STUDENTS)
  if not remote:
    return place.start([script, *flags])
  bucket = f'file://{place.folder}/buckets/{run}'
  flags = [flag.replace(f'--workdir={run}', f'--workdir={bucket}')
           for flag in flags]  # fmt: skip
  disk = place.folder / 'machines' / f'{run}-{machine}'
  disk.mkdir(parents=True)
  (place.folder / 'xla').mkdir(exist_ok=True)
  (disk / 'xla').symlink_to(place.folder / 'xla')  # saves time, tells nothing
  launch = str(place.code / 'launch')
  return place.start(['-c', _MAIN, launch, *flags], WCSE_CACHE_DIR=str(disk))


def read(place: Place, run: str, remote: bool) -> dict[str, Any]:
  """Returns what a finished run committed; pages show times."""
  workdir = place.folder / run
  if remote:
    from wcse_jax.store import mirror

    mirror.Mirror(f'file://{place.folder}/buckets/{run}', workdir).pull()
  found = golden_workdir.read(workdir, ordered=False)
  return {k: v for k, v in found.items() if not golden.PAGES.fullmatch(k)}


def disturbed(
  place: Place,
  run: str,
  kills: int,
  longest_s: float,
  remote: bool,
  rng: random.Random,
) -> int:
  """Runs to the end, but for some kills; returns how many there were."""
  killed = 0
  while True:
    process = start(place, run, killed, remote)
    try:
      at = rng.uniform(0, longest_s) if killed < kills else None
      status = process.wait(timeout=at)
    except subprocess.TimeoutExpired:
      place.kill(process)
      killed += 1
      print(f'{run}: killed after {at:.1f} s', flush=True)
      continue
    except BaseException:
      place.kill(process)
      raise
    if status:
      log = (place.folder / 'log.txt').read_text(errors='replace')
      raise ExperimentError(
        f'{run} failed after {killed} kills:\n{log[-3000:]}'
      )
    return killed


def main(arguments: Sequence[str] | None = None) -> int:
  """Returns the exit status: 0 if nothing differs, else 1."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add('--kills', type=int, default=40, help='in all')
  add('--each', type=int, default=8, help='at most so many of a run')
  add('--remote', action='store_true', help='on an object store')
  add('--seed', type=int, default=0, help='of the moments')
  given = parser.parse_args(arguments)
  rng, kills, runs, differing = random.Random(given.seed), 0, 0, 0
  with tempfile.TemporaryDirectory() as folder:
    place = Place(ROOT, pathlib.Path(folder))
    begun = time.monotonic()
    disturbed(place, 'undisturbed', 0, 0, given.remote, rng)
    longest_s = time.monotonic() - begun
    expected = read(place, 'undisturbed', given.remote)
    print(f'undisturbed: {longest_s:.0f} s, {len(expected)} things', flush=True)
    while kills < given.kills:
      runs += 1  # one may end before its first kill
      run, most = f'run-{runs}', min(given.each, given.kills - kills)
      kills += disturbed(place, run, most, longest_s, given.remote, rng)
      found = list(
        golden_compare.differences(
          expected, read(place, run, given.remote), run, golden_compare.KILLED
        )
      )
      print(*found, f'{run}: {len(found)} differ', sep='\n', flush=True)
      differing += len(found)
  print(f'{kills} kills, {differing} differences')
  return int(differing > 0)


if __name__ == '__main__':
  sys.exit(main())
