"""GSM8K: grade-school word problems. The answer is a rational number.

Cobbe et al. 2021, arXiv 2110.14168. The prompt is the chain-of-thought prompt
for arithmetic of Wei et al. 2022, arXiv 2201.11903, table 20.
"""

from collections.abc import Iterator
import re

from wcse_jax import data_files, tasks
from wcse_jax.answers import mathematics, numbers
from wcse_jax.answers.prose import Unreadable
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets, numeric

FILES = ('train.jsonl', 'test.jsonl')
NUM_VALIDATION = 500  # the last of the official train file

TASK = tasks.TaskInfo(
  name='gsm8k',
  prefix=data_files.text(__file__),
  prompt_format='Q: {question}\nA:',
  stop_strings=('\n\nQ:', '\nQ:'),
  grader_version=4,
)


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from the official files."""
  train, test = map(source.rows, FILES)
  official = {'train': train, 'validation': train, 'test': test}
  return {
    split: split_problems(rows, split) for split, rows in official.items()
  }


def grade(gold: str, text: str, question: str) -> Grade:
  """The same rational number; `sound` tells whether its equations hold.

  It is 'unknown' where words beside the number make it another, or are not
  known, and where the answer is taken back.
  """
  text = TASK.cut(text)
  if len(text) > mathematics.MAX_TEXT:
    return Grade('unknown', '', 'size', None)
  try:
    answer = numbers.extract(text, 'gsm8k', question)
  except Unreadable:
    return Grade('unknown', '', 'prose', None)
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


def split_problems(rows: list[dict[str, str]], split: str) -> Iterator[Problem]:
  """The problems of a split.

  Args:
    rows: All rows of the official file that the split is taken from.
    split: 'train' and 'validation' share the official train file, whose last
      500 problems are the validation split.
  """
  for i, row in enumerate(rows):
    held_out = i >= len(rows) - NUM_VALIDATION
    if split == 'test' or held_out == (split == 'validation'):
      yield TASK.problem(
        f'{i:05d}',
        split,
        question=row['question'],
        solution=reference_solution(row['answer']),
        gold=gold(row['answer']),
      )
