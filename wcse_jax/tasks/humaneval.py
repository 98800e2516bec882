r"""HumanEval: Python functions to write from their header and docstring.

Chen et al. 2021, arXiv 2107.03374; the stop strings are those of section 2.1
(https://github.com/openai/human-eval/tree/
6d43fb980f9fee3c892a914eda09951f772ad10d).
The prompt is the function's header alone, without examples ('zero-shot').
"""

from collections.abc import Iterable, Iterator
from typing import Any

from wcse_jax import tasks
from wcse_jax.answers import code, sandbox
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets

FILE = 'HumanEval.jsonl.gz'

TASK = tasks.TaskInfo(
  name='humaneval',
  prefix='',
  prompt_format='{question}',
  stop_strings=('\nclass', '\ndef', '\n#', '\nif', '\nprint'),
)


def problems(
  data_dir: str = '', download: datasets.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of each split, from the official files.

  Args:
    data_dir: The folder with the files, see `datasets.Source`.
    download: How files are fetched where no folder has them; None fetches none.

  Raises:
    TaskError: A file is missing or altered, or cannot be fetched.
  """
  source = datasets.Source(TASK.name, data_dir, download)
  return {'test': split_problems(source.rows(FILE))}


def grade(gold: str, text: str, question: str) -> Grade:
  """Code that continues the prompt, or restates it, and passes its tests."""
  del question
  return code.grade(gold, text, len(TASK.cut(text)))


def gold(row: dict[str, Any]) -> sandbox.Tests:
  """What decides: the official check of the function of the prompt.

  Helpers that the prompt defines are the tests' own; only the function that
  is asked for is taken from the program.
  """
  name = row['entry_point']
  tests = f'{row["test"]}\ncheck({name})\n'
  return sandbox.Tests(row['prompt'], [name], tests)


def split_problems(rows: list[dict[str, Any]]) -> Iterator[Problem]:
  """The problems of the test split, in the file's order."""
  for i, row in enumerate(rows):
    yield TASK.problem(
      f'{i:05d}',
      'test',
      question=row['prompt'],
      solution=row['canonical_solution'],
      gold=gold(row).dumps(),
    )
