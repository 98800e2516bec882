r"""Small experiments with two versions of the code: is every result the same?

  python benchmarks/golden.py --base=COMMIT
  python benchmarks/golden.py --base=COMMIT --full --only=students,killed
  python benchmarks/golden.py --base=COMMIT --ignore='*results.json*run.new'

Runs the experiments with the code of COMMIT and with the working tree's, on
this machine, and compares to the bit what they committed: rows, checkpoints,
losses, answers, plans, fingerprints, results. Pages show times, so they are
made anew: the working tree renders COMMIT's results, and its own. What COMMIT
left is kept, and is not run again. Exits with 1 if anything differs.
"""

import argparse
from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import fcntl
import hashlib
from importlib import metadata
import inspect
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
from typing import Any

import golden_compare
import golden_experiments
import golden_long
import golden_workdir

EXPERIMENTS = golden_experiments.QUICK | golden_long.LONG
ROOT = pathlib.Path(__file__).resolve().parents[1]
# What pages and figures show is compared by `pages`.
PAGES = re.compile(r'.*report/(index\.html|RESULTS\.md|figures/.*)')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
  """What came of one experiment.

  Attributes:
    name: Of the experiment.
    things: How many files, tables and checkpoints were compared.
    differing: Of these, how many differ.
    seconds: That the base took, and the working tree.
  """

  name: str
  things: int
  differing: int
  seconds: tuple[float, float]


def main(arguments: Sequence[str] | None = None) -> int:
  """Returns the exit status: 0 if nothing differs, else 1."""
  given = _parse(arguments)
  commit = _git('rev-parse', '--verify', f'{given.base}^{{commit}}')
  results = ROOT / 'build' / 'golden'
  now, base = results / 'now', given.cache / commit
  with _locked(results):
    shutil.rmtree(now, ignore_errors=True)
    _copy_working_tree(now / 'code')
    outcomes = [
      _outcome(name, base, commit, now, given.ignore)
      for name in given.only or _names(given.full)
    ]
  print(table(outcomes, given.ignore))
  return int(any(outcome.differing for outcome in outcomes))


def _outcome(
  name: str,
  base: pathlib.Path,
  commit: str,
  now: pathlib.Path,
  ignored: Sequence[str],
) -> Outcome:
  """Runs an experiment with both, compares, and prints what differs."""
  experiment = EXPERIMENTS[name]
  try:
    before, took = _base(base, commit, experiment.like or name)
    start = time.monotonic()
    after = _place(now, name)
    experiment.run(after)
    seconds = time.monotonic() - start
    found = list(compare(before, after, experiment, ignored))
  except golden_experiments.ExperimentError as error:
    print(f'{name}: {error}', flush=True)
    return Outcome(name=name, things=0, differing=1, seconds=(0, 0))
  differing = [of for _, of in found if of]
  for first, *more in differing:
    and_more = f' (and {len(more):,} more)' if more else ''
    print(f'{name}/{first}{and_more}', flush=True)
  return Outcome(
    name=name,
    things=len(found),
    differing=len(differing),
    seconds=(took, seconds),
  )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  names = lambda text: [_known(name) for name in text.split(',')]
  add = parser.add_argument
  add('--base', required=True, metavar='COMMIT', help='what is compared with')
  add('--full', action='store_true', help='the long experiments, too')
  add('--only', type=names, help=f'of {", ".join(EXPERIMENTS)}')
  add('--ignore', action='append', default=[], metavar='PATTERN',
      help='paths that may differ, with * for anything')  # fmt: skip
  add('--cache', type=pathlib.Path, default=ROOT / 'build' / 'golden',
      help='folder of the results of bases; default: build/golden')  # fmt: skip
  given = parser.parse_args(arguments)
  given.cache = given.cache.resolve()
  return given


def _known(name: str) -> str:
  if name not in EXPERIMENTS:
    known = ', '.join(EXPERIMENTS)
    raise argparse.ArgumentTypeError(f'{name!r}: known are {known}')
  return name


def _names(full: bool) -> list[str]:
  return [*golden_experiments.QUICK, *(golden_long.LONG if full else ())]


def compare(
  before: golden_experiments.Place,
  after: golden_experiments.Place,
  experiment: golden_experiments.Experiment,
  ignored: Sequence[str] = (),
) -> Iterator[tuple[str, list[golden_compare.Difference]]]:
  """Yields everything compared, by its path, with its differences.

  An experiment that is like another, undisturbed one, or races, may have other
  parts, and may have spent more.
  """
  same = not (experiment.like or experiment.racing)
  patterns = [*ignored, *(() if same else golden_compare.KILLED)]
  was, is_now = (
    {
      name: 'shown by pages' if PAGES.fullmatch(name) else value
      for name, value in golden_workdir.read(place.folder, ordered=same).items()
    }
    for place in (before, after)
  )
  yield from _things(was, is_now, patterns)
  are, made = _pages(before, after, of_base=same)
  yield from _things(are, made, patterns)


def _things(before: Any, after: Any, patterns: Sequence[str]) -> Iterator:
  sides = before, after
  for name in sorted({*before, *after}):
    was, is_now = (side.get(name, golden_compare.MISSING) for side in sides)
    yield name, list(golden_compare.differences(was, is_now, name, patterns))


def _pages(
  before: golden_experiments.Place,
  after: golden_experiments.Place,
  of_base: bool,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Pages as they are, and as the working tree makes them of the same results.

  Its own pages must be those of its own results; and its pages of the base's
  results, which have the base's times, must be the base's pages.
  """
  are, made = {}, {}
  places = {'own': after, **({'of the base': before} if of_base else {})}
  for which, place in places.items():
    for page in sorted(place.folder.rglob('report/index.html')):
      workdir = page.parents[1]
      name = f'pages {which}/{workdir.relative_to(place.folder)}'
      out = after.code.parent / 'pages' / after.folder.name / name
      after.report(str(out), workdir)
      for side, folder in ((are, page.parent), (made, out)):
        for file, value in golden_workdir.read(folder).items():
          if file != 'label.html':
            side[f'{name}/{file}'] = value
  return are, made


def table(outcomes: Sequence[Outcome], ignored: Sequence[str]) -> str:
  """Returns the summary."""
  lines = [
    f'{"experiment":12} compared differ  base s   now s',
    *(
      f'{o.name:12} {o.things:8,} {o.differing:6,} {o.seconds[0]:7.0f}'
      f' {o.seconds[1]:7.0f}'
      for o in outcomes
    ),
    *(f'ignored: {pattern}' for pattern in ignored),
  ]
  return '\n'.join(lines)


def _base(
  base: pathlib.Path, commit: str, name: str
) -> tuple[golden_experiments.Place, float]:
  """Returns where the base's results are, and the seconds that they took.

  They are made unless they were finished by the same experiment, with the same
  compiler: a run that was interrupted starts anew.
  """
  run = EXPERIMENTS[name].run
  identity = {
    'code': _digest(pathlib.Path(inspect.getsourcefile(run) or '')),
    'jax': metadata.version('jax'),
  }
  with _locked(base):
    if not (base / 'code').exists():
      export(commit, base / 'code')
    done = base / name / '.done.json'
    if done.exists():
      said = json.loads(done.read_text())
      if said['identity'] == identity:
        return _place(base, name, clear=False), said['seconds']
    place = _place(base, name)
    start = time.monotonic()
    run(place)
    seconds = time.monotonic() - start
    done.write_text(json.dumps({'identity': identity, 'seconds': seconds}))
  return place, seconds


def _place(
  side: pathlib.Path, name: str, clear: bool = True
) -> golden_experiments.Place:
  """Where an experiment runs; checks that the side's own code does."""
  place = golden_experiments.Place(side / 'code', side / name)
  if clear:
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    place.check()
  return place


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
  """Lets nobody else run a base meanwhile."""
  folder.mkdir(parents=True, exist_ok=True)
  with open(folder / 'lock', 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


def export(commit: str, folder: pathlib.Path) -> None:
  """Writes the files of a commit to a new folder."""
  beside = folder.with_name('code.partial')
  shutil.rmtree(beside, ignore_errors=True)
  archive = subprocess.run(
    ['git', 'archive', commit], cwd=ROOT, capture_output=True, check=True
  ).stdout
  with tarfile.open(fileobj=io.BytesIO(archive)) as files:
    files.extractall(beside, filter='data')
  beside.rename(folder)


def _copy_working_tree(folder: pathlib.Path) -> None:
  """Copies what git tracks or would, so that edits do not meet a run."""
  listed = _git('ls-files', '-co', '--exclude-standard', '-z').split('\0')
  for name in filter(None, listed):
    source = ROOT / name
    if source.is_file():
      (folder / name).parent.mkdir(parents=True, exist_ok=True)
      shutil.copy2(source, folder / name)


def _git(*arguments: str) -> str:
  return subprocess.run(
    ['git', *arguments], cwd=ROOT, capture_output=True, text=True, check=True
  ).stdout.strip()


def _digest(path: pathlib.Path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == '__main__':
  sys.exit(main())
