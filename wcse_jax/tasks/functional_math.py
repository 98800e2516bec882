r"""Functional MATH: problems of MATH with other numbers in them.

Srivastava et al. 2024, arXiv 2402.19450; github.com/ConsequentAI/fneval. A
snapshot draws new numbers for each of 1,745 problems, and a problem counts as
solved only if it is solved in every given snapshot. So the variants of one
problem are a family: the unit of the score, and the cluster of its interval.
Prompt and grader are those of MATH. There is only a test split.
"""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import hashlib
import pathlib

from wcse_jax.records import Problem
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import math, source_files
from wcse_jax.tasks.math import grade, quick

__all__ = ['TASK', 'family', 'grade', 'problems', 'quick', 'read']

SHA256 = {
  'Oct-2023.jsonl': (
    '3a04bea691ef5b8475d0634a2fd1bce73a8ae9f79ae9c7c9e01ed8b217b5a5bc'
  ),
  'Dec-2023.jsonl': (
    '4c951f0077059423441eca0530fdbff68d9c7ff083a2ac8ff5ef9d44416f06e0'
  ),
}


TASK = dataclasses.replace(math.TASK, name='functional_math')


def problems(
  data_dir: str = '', download: source_files.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of all snapshots that are there, as the test split.

  Args:
    data_dir: The folder with the files, see `source_files.Source`.
    download: How files are fetched where no folder has them; None fetches none.

  Raises:
    TaskError: A file is missing or altered, or cannot be fetched.
  """
  source = source_files.Source(TASK.name, data_dir, download)
  return {'test': split_problems(read(source.folder()))}


def read(folder: pathlib.Path) -> dict[str, list[dict[str, str]]]:
  """The rows of each snapshot that is there, by its name, e.g. 'Oct-2023'.

  Raises:
    TaskError: None is there, or one is altered.
  """
  remedy = 'get the snapshots from github.com/ConsequentAI/fneval'
  snapshots = {}
  for name, sha256 in SHA256.items():
    path = folder / name
    if path.exists():
      snapshots[path.stem] = source_files.rows(path, sha256, remedy)
  if not snapshots:
    raise TaskError(
      f'{folder}: there is neither {" nor ".join(SHA256)}; {remedy}'
    )
  return snapshots


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
    yield Problem(
      problem_id=f'functional_math/test/{rank:05d}.{name}@{snapshot}',
      split='test',
      question=row['problem'],
      prompt=math.PROMPT_FORMAT.format(question=row['problem']),
      solution=math.reference_solution(row['solution']),
      gold=math.gold(row['solution']),
      level=math.level(row['level']),
    )


def family(problem_id: str) -> str:
  """What the variants of a problem share: their cluster."""
  return problem_id.partition('@')[0]
