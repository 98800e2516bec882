r"""MBPP's sanitized problems: 427 that people went over.

Austin et al. 2021, arXiv 2108.07732, section 2.1. Three are the examples of the
prompt; 324 are for training, 100 for validation, as the paper (arXiv
2408.16737) is thought to have them [u: not verified]. Which are which is by the
sha256 of a problem's number. For tests there are those problems of MBPP's own
test split that are none of the 427.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import hashlib
from typing import Any

from wcse_jax import data_files
from wcse_jax.records import Problem
from wcse_jax.tasks import datasets, mbpp
from wcse_jax.tasks.mbpp import grade

__all__ = ['TASK', 'grade', 'problems']

FILE = 'sanitized-mbpp.json'
EXAMPLES = (2, 3, 4)
NUM_VALIDATION = 100

TASK = dataclasses.replace(
  mbpp.TASK, name='mbpp_sanitized', prefix=data_files.text(__file__)
)


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from the official files."""
  splits = split(source.document(FILE), source.rows(mbpp.FILE))
  return {name: split_problems(rows, name) for name, rows in splits.items()}


def as_in_mbpp(row: Mapping[str, Any]) -> dict[str, Any]:
  """A sanitized row with the fields of MBPP's other file."""
  setup = '\n'.join(row['test_imports'])
  return {**row, 'text': row['prompt'], 'test_setup_code': setup}


def split(
  sanitized: list[dict[str, Any]], whole: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
  """The rows of each split, with the fields of MBPP.

  Args:
    sanitized: All rows of the sanitized file.
    whole: All rows of MBPP's.
  """
  rows = {row['task_id']: as_in_mbpp(row) for row in sanitized}
  digest = lambda number: hashlib.sha256(str(number).encode()).digest()
  order = sorted(rows.keys() - {*EXAMPLES}, key=digest)
  return {
    'train': [rows[number] for number in order[NUM_VALIDATION:]],
    'validation': [rows[number] for number in order[:NUM_VALIDATION]],
    'test': [
      row
      for row in whole
      if row['task_id'] in mbpp.SPLITS['test'] and row['task_id'] not in rows
    ],
  }


def split_problems(rows: list[dict[str, Any]], split: str) -> Iterator[Problem]:
  """The problems of a split's rows."""
  for row in rows:
    yield mbpp.problem(TASK, split, row)
