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

from wcse_jax.records import Problem
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, math
from wcse_jax.tasks.math import grade, quick

__all__ = ['TASK', 'family', 'grade', 'problems', 'quick', 'read']

TASK = dataclasses.replace(math.TASK, name='functional_math')


def problems(
  data_dir: str = '', download: datasets.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of all snapshots that are there, as the test split.

  Args:
    data_dir: The folder with the files, see `datasets.Source`.
    download: How files are fetched where no folder has them; None fetches none.

  Raises:
    TaskError: A file is missing or altered, or cannot be fetched.
  """
  source = datasets.Source(TASK.name, data_dir, download)
  return {'test': split_problems(read(source))}


def read(source: datasets.Source) -> dict[str, list[dict[str, str]]]:
  """The rows of each snapshot that is there, by its name, e.g. 'Oct-2023'.

  Raises:
    TaskError: None is there, or one is altered.
  """
  dataset = datasets.DATASETS[TASK.name]
  snapshots = {
    name.removesuffix('.jsonl'): source.rows(name)
    for name in dataset.sha256
    if source.path(name).exists()
  }
  if not snapshots:
    raise TaskError(
      f'{source.folder()}: there is neither {" nor ".join(dataset.sha256)};'
      f' {dataset.remedy}'
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
    yield math.problem(
      TASK, f'{rank:05d}.{name}@{snapshot}', split='test', row=row
    )


def family(problem_id: str) -> str:
  """What the variants of a problem share: their cluster."""
  return problem_id.partition('@')[0]
