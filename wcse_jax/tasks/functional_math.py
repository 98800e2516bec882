r"""Functional MATH: problems of MATH with other numbers in them.

Srivastava et al. 2024, arXiv 2402.19450; github.com/ConsequentAI/fneval. A
snapshot draws new numbers for each of 1,745 problems, and a problem counts as
solved only if it is solved in every given snapshot. So the variants of one
problem are a family: the unit of the score, and the cluster of its interval.
Prompt and grader are those of MATH. There is only a test split.

The public form of a snapshot is Oct-2023.tar.gz, with a file of JSON for each
problem; Oct-2023.jsonl, a row for each, will do as well. Both are in any order,
so the checksum is that of the problems. The paper's score is over all
snapshots, of which three are public. Where the checksum of one is not known
here (`UNKNOWN`), it must have the problems of the others, by their ids.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import hashlib
import json
import pathlib
import tarfile

from wcse_jax.records import Problem
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, math
from wcse_jax.tasks.math import grade, quick

__all__ = ['TASK', 'family', 'grade', 'problems', 'quick', 'read']

TASK = dataclasses.replace(math.TASK, name='functional_math')

# The checksums of the snapshots' problems, see `math.content_sha256`.
SHA256 = datasets.DATASETS[TASK.name].sha256
# Of whose checksum nothing is known.
UNKNOWN = ('Nov-2023',)
NUM_FAMILIES = 1_745

_REMEDY = datasets.DATASETS[TASK.name].remedy


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of all snapshots that are there, as the test split."""
  return {'test': split_problems(read(source))}


def read(source: datasets.Source) -> dict[str, list[dict[str, str]]]:
  """The rows of each snapshot that is there, by its name, e.g. 'Oct-2023'.

  Raises:
    TaskError: None is there, or one is altered.
  """
  folder = source.folder()
  paths = {
    name: path
    for name in (*SHA256, *UNKNOWN)
    for path in (folder / f'{name}.jsonl', folder / f'{name}.tar.gz')
    if path.exists()
  }
  if not paths:
    known = ', '.join((*SHA256, *UNKNOWN))
    raise TaskError(
      f'{folder}: there is none of {known}, as .tar.gz or .jsonl; {_REMEDY}'
    )
  snapshots = {name: read_file(path) for name, path in paths.items()}
  families = {
    row['id']
    for name, rows in snapshots.items()
    if name in SHA256
    for row in rows
  }
  for name, rows in snapshots.items():
    ids = {row['id'] for row in rows}
    found, official = math.content_sha256(rows), SHA256.get(name)
    if official and found != official:
      reason = (
        f'the sha256 of its {len(rows)} problems is {found}, not {official}'
      )
    elif len(ids) != len(rows) or len(ids) != NUM_FAMILIES:
      reason = f'it has {len(ids)} problems, not {NUM_FAMILIES}'
    elif families and ids != families:
      reason = 'its problems are others than those of the other snapshots'
    else:
      continue
    raise TaskError(f'{paths[name]}: {reason}: it was altered; {_REMEDY}')
  return snapshots


def read_file(path: pathlib.Path) -> list[dict[str, str]]:
  """The rows of a snapshot, by their ids.

  Args:
    path: JSON lines, or a tar with a file for each problem, whose id is that
      file's folder and name if it says none.

  Raises:
    TaskError: The file cannot be read.
  """
  try:
    if path.suffix == '.jsonl':
      rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    else:
      rows = [*_from_tar(path)]
    return sorted(rows, key=lambda row: row['id'])
  except math.UNREADABLE as error:
    reason = ' '.join(f'{type(error).__name__}: {error}'.split())
    raise TaskError(f'{path}: {reason}; {_REMEDY}') from error


def _from_tar(path: pathlib.Path) -> Iterator[dict[str, str]]:
  with tarfile.open(path) as archive:
    for member in archive:
      name = pathlib.PurePosixPath(member.name)
      hidden = name.name.startswith('.')  # macOS's tar adds such files
      if member.isfile() and name.suffix == '.json' and not hidden:
        file = archive.extractfile(member)
        row = json.load(file) if file else {}
        yield {'id': f'{name.parent.name}/{name.stem}', **row}


def split_problems(
  snapshots: Mapping[str, list[dict[str, str]]],
) -> Iterator[Problem]:
  """All variants of all problems.

  Families come in the order of their hashes, all variants of one together.
  """
  variants = [
    (hashlib.sha256(row['id'].encode()).hexdigest(), snapshot, row)
    for snapshot, rows in snapshots.items()
    for row in rows
  ]
  variants.sort(key=lambda variant: variant[:2])
  ranks: dict[str, int] = {}
  for key, snapshot, row in variants:
    rank = ranks.setdefault(key, len(ranks))
    name = row['id'].replace('/', '-')
    yield math.problem(
      TASK, f'{rank:05d}.{name}@{snapshot}', split='test', row=row
    )


def family(problem_id: str) -> str:
  """What the variants of a problem share: their cluster."""
  return problem_id.partition('@')[0]
