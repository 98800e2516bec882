r"""HumanEval: Python functions to write from their header and docstring.

Chen et al. 2021, arXiv 2107.03374 (https://github.com/openai/human-eval/tree/
6d43fb980f9fee3c892a914eda09951f772ad10d).
The prompt is the function's header alone, without examples ('zero-shot').

A text that continues the function ends where section 2.1 of the paper has
sampling stop. Sampling itself stops later, as a text that restates the function
begins with what ends the other.
"""

from collections.abc import Iterator, Sequence
import re
from typing import Any

from wcse_jax import records, tasks
from wcse_jax.answers import code, sandbox
from wcse_jax.records import Grade, Problem
from wcse_jax.tasks import datasets

FILE = 'HumanEval.jsonl.gz'

TASK = tasks.TaskInfo(
  name='humaneval',
  prefix='',
  prompt_format='{question}',
  stop_strings=('\nif __name__', '\nprint(', '\nassert '),
  grader_version=3,
  answer_is_solution=True,
)

# What ends a text that continues the function, and one that restates it.
_ENDS = ('\nclass', '\ndef', '\n#', '\nif', '\nprint')
_ENDS_OF_RESTATED = ('\nif', '\nprint', '\nassert')


@datasets.problems_of(TASK.name)
def problems(source: datasets.Source) -> datasets.Splits:
  """The problems of each split, from the official files."""
  return {'test': split_problems(source.rows(FILE))}


def grade(gold: str, text: str, question: str) -> Grade:
  """Code that continues the prompt, or restates it, and passes its tests."""
  del question
  return code.grade(gold, text, end)


def end(text: str, names: Sequence[str]) -> int:
  r"""Where a text ends.

  >>> text = '  return x\n\ndef g(x):\n  return 2'
  >>> text[:end(text, ['f'])]
  '  return x\n'
  >>> text = '\ndef f(x):\n  return g(x)\n\ndef g(x):\n  return 2\nprint(f(1))'
  >>> text[end(text, ['f']):]
  '\nprint(f(1))'

  Args:
    text: What continues or restates a function.
    names: The function's.
  """
  if code.is_indented(text):
    return len(records.cut(text, _ENDS))
  if '```' in text:  # fences say it
    return len(text)
  restated = '|'.join(map(re.escape, names))
  start = re.search(rf'^ *def +(?:{restated})\b', text, re.MULTILINE)
  if not start:
    return len(TASK.cut(text))
  return start.end() + len(records.cut(text[start.end() :], _ENDS_OF_RESTATED))


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
