r"""Functional MATH as text: problems of MATH with other numbers in them.

Srivastava et al. 2024, arXiv 2402.19450; github.com/ConsequentAI/fneval. A
snapshot draws new numbers for each of 1,745 problems, and a problem counts as
solved only if it is solved in every given snapshot. So the variants of one
problem are a family: the unit of the score, and the cluster of its interval.
The prompt is that of MATH. There is only a test split.
"""

from collections.abc import Iterator, Mapping
import hashlib
import json
import pathlib

from wcse_jax.runtime import children as child
from wcse_jax.tasks import math as math_problems
from wcse_jax.tasks import source_files

SHA256 = {
  'Oct-2023.jsonl': (
    '3a04bea691ef5b8475d0634a2fd1bce73a8ae9f79ae9c7c9e01ed8b217b5a5bc'
  ),
  'Dec-2023.jsonl': (
    '4c951f0077059423441eca0530fdbff68d9c7ff083a2ac8ff5ef9d44416f06e0'
  ),
}


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
      lines = source_files.read(path, sha256, remedy).splitlines()
      snapshots[path.stem] = [json.loads(line) for line in lines]
  if not snapshots:
    raise child.TaskError(
      f'{folder}: there is neither {" nor ".join(SHA256)}; {remedy}'
    )
  return snapshots


def problems(
  snapshots: Mapping[str, list[dict[str, str]]],
) -> Iterator[dict[str, str | int]]:
  """All variants, as dicts with the fields of `records.Problem`.

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
    yield {
      'problem_id': f'functional_math/test/{rank:05d}.{name}@{snapshot}',
      'split': 'test',
      'question': row['problem'],
      'prompt': math_problems.PROMPT_FORMAT.format(question=row['problem']),
      'solution': math_problems.reference_solution(row['solution']),
      'gold': math_problems.gold(row['solution']),
      'level': math_problems.level(row['level']),
    }


def family(problem_id: str) -> str:
  """What the variants of a problem share: their cluster."""
  return problem_id.partition('@')[0]
