r"""HumanEval: Python functions to write from their header and docstring.

Chen et al. 2021, arXiv 2107.03374; the stop strings are those of section 2.1
(https://github.com/openai/human-eval/tree/
6d43fb980f9fee3c892a914eda09951f772ad10d).
The prompt is the function's header alone, without examples ('zero-shot').
"""

from collections.abc import Iterable, Iterator
import pathlib
from typing import Any

from wcse_jax import tasks
from wcse_jax.answers import code
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import source_files

FILE = 'HumanEval.jsonl.gz'
URL = (
  'https://raw.githubusercontent.com/openai/human-eval/'
  f'6d43fb980f9fee3c892a914eda09951f772ad10d/data/{FILE}'
)
SHA256 = 'b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef'

TASK = tasks.TaskInfo(
  name='humaneval',
  prefix='',
  prompt_format='{question}',
  stop_strings=('\nclass', '\ndef', '\n#', '\nif', '\nprint'),
)


def problems(
  data_dir: str = '', download: source_files.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of each split, from the official files.

  Args:
    data_dir: The folder with the files, see `source_files.Source`.
    download: How files are fetched where no folder has them; None fetches none.

  Raises:
    TaskError: A file is missing or altered, or cannot be fetched.
  """
  source = source_files.Source(TASK.name, data_dir, download)
  return {'test': split_problems(read(source.path(URL)))}


def grade(gold: str, text: str, question: str) -> Grade:
  """Code that continues the prompt, or restates it, and passes its tests."""
  del question
  return Grade(*code.grade(gold, text, len(TASK.cut(text))), None)


def read(path: pathlib.Path) -> list[dict[str, Any]]:
  """The rows of the official file, if its sha256 is right.

  Raises:
    TaskError: The file is missing or altered.
  """
  remedy = f'get data/{FILE} from github.com/openai/human-eval'
  return source_files.rows(path, SHA256, remedy)


def gold(row: dict[str, Any]) -> code.Gold:
  """What decides: the official check of the function of the prompt.

  Helpers that the prompt defines are the tests' own; only the function that
  is asked for is taken from the program.
  """
  name = row['entry_point']
  tests = f'{row["test"]}\ncheck({name})\n'
  return code.Gold(row['prompt'], [name], tests)


def split_problems(rows: list[dict[str, Any]]) -> Iterator[Problem]:
  """The problems of the test split, in the file's order."""
  for i, row in enumerate(rows):
    yield Problem(
      problem_id=f'humaneval/test/{i:05d}',
      split='test',
      question=row['prompt'],
      prompt=row['prompt'],
      solution=row['canonical_solution'],
      gold=gold(row).dumps(),
      level=0,
    )
