"""GSM8K: grade-school word problems. The answer is a rational number.

Cobbe et al. 2021, arXiv 2110.14168. The prompt is the chain-of-thought prompt
for arithmetic of Wei et al. 2022, arXiv 2201.11903, table 20.
"""

from collections.abc import Iterable, Iterator
import pathlib
import re

from wcse_jax import tasks
from wcse_jax.answers import mathematics, numbers
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import numeric, source_files

NUM_VALIDATION = 500  # the last of the official train file

URL = (
  'https://raw.githubusercontent.com/openai/grade-school-math/'
  '3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/'
)
SHA256 = {
  'train.jsonl': (
    '17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465'
  ),
  'test.jsonl': (
    '3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14'
  ),
}

PROMPT_FORMAT = 'Q: {question}\nA:'

TASK = tasks.TaskInfo(
  name='gsm8k',
  prefix=pathlib.Path(__file__).with_suffix('.txt').read_text('utf-8'),
  prompt_format=PROMPT_FORMAT,
  stop_strings=('\n\nQ:', '\nQ:'),
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
  train, test = (read(source.path(URL + name), name) for name in SHA256)
  official = {'train': train, 'validation': train, 'test': test}
  return {
    split: split_problems(rows, split) for split, rows in official.items()
  }


def grade(gold: str, text: str, question: str) -> Grade:
  """The same rational number; `sound` tells whether its equations hold."""
  del question
  text = TASK.cut(text)
  if len(text) > mathematics.MAX_TEXT:
    return Grade('unknown', '', 'size', None)
  answer = numbers.extract(text, 'gsm8k')
  return numeric.with_equations(numeric.grade(gold, answer, 'numeric'), text)


quick = grade


def gold(answer: str) -> str:
  """The final answer of an official answer: what follows '####'."""
  return answer.rpartition('####')[2].strip()


def reference_solution(answer: str) -> str:
  """An official answer as a model should write it after the prompt.

  The calculator's annotations (<<48/2=24>>) go, and '#### 72' becomes 'The
  answer is 72.', so that a student learns the format of the prompt.
  """
  steps = re.sub('<<[^>]*>>', '', answer.rpartition('####')[0])
  return f' {steps.strip()}\nThe answer is {gold(answer)}.'


def read(path: pathlib.Path, name: str) -> list[dict[str, str]]:
  """The rows of an official file, if its sha256 is right.

  Args:
    path: The file.
    name: What it is: 'train.jsonl' or 'test.jsonl'.

  Raises:
    TaskError: The file is missing or altered.
  """
  remedy = (
    'get the official file from github.com/openai/grade-school-math, folder '
    'grade_school_math/data'
  )
  return source_files.rows(path, SHA256[name], remedy)


def split_problems(rows: list[dict[str, str]], split: str) -> Iterator[Problem]:
  """The problems of a split.

  Args:
    rows: All rows of the official file that the split is taken from.
    split: 'train' and 'validation' share the official train file, whose last
      500 problems are the validation split.
  """
  for i, row in enumerate(rows):
    held_out = i >= len(rows) - NUM_VALIDATION
    if split != 'test' and held_out != (split == 'validation'):
      continue
    yield Problem(
      problem_id=f'gsm8k/{split}/{i:05d}',
      split=split,
      question=row['question'],
      prompt=PROMPT_FORMAT.format(question=row['question']),
      solution=reference_solution(row['answer']),
      gold=gold(row['answer']),
      level=0,
    )
