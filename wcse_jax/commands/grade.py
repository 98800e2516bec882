r"""Says whether solutions are right, by the grader of a task.

  wcse grade --task=math --gold=1/2 'Half of it is \boxed{0.5}.'
  wcse grade --task=gsm8k --file=solutions.jsonl

A file has a JSON object a line with 'gold', 'text' and, for graders that check
the reasoning, 'question'; what is printed are its lines with the verdict, the
answer as extracted, the rule that decided, and whether the reasoning is sound
(null where that is not checked). The exit code is 1 if any is not correct.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import sys
from typing import Any

from wcse_jax import data_files, tasks
from wcse_jax.errors import Error

_FIELDS = 'gold', 'text', 'question'


def main(argv: Sequence[str]) -> int:
  """Grades what the command line says.

  Args:
    argv: The program, and the arguments.

  Returns:
    The exit code: 0, 1 (not all are right) or 2 (bad input).
  """
  parser = argparse.ArgumentParser(
    'wcse grade',
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  known = ', '.join(tasks.TASKS)
  parser.add_argument(
    '--task', required=True, help=f'{known}, or the module of an own task'
  )
  parser.add_argument('--gold', help='the right answer')
  parser.add_argument('--question', default='', help='what was asked')
  parser.add_argument('--file', type=pathlib.Path, help='JSON lines')
  parser.add_argument('text', nargs='?', help='the solution; - reads stdin')
  said = parser.parse_args(argv[1:])
  try:
    rows = _rows(said)
    from wcse_jax import verify  # late: bad input is told at once

    grades = verify.grade_many(
      said.task,
      golds=[row['gold'] for row in rows],
      texts=[row['text'] for row in rows],
      questions=[row.get('question', '') for row in rows],
      workers=min(2, len(rows)),
    )
  except (Error, OSError, ValueError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  for row, grade in zip(rows, grades, strict=True):
    print(json.dumps({**(row if said.file else {}), **grade._asdict()}))
  return int(any(grade.verdict != 'correct' for grade in grades))


def _rows(said: argparse.Namespace) -> list[dict[str, Any]]:
  """What is to be graded.

  Raises:
    ValueError: It is given twice or not at all, or a line is no solution.
  """
  if bool(said.file) == (said.text is not None):
    raise ValueError('give a solution with --gold, or --file, and not both')
  if said.file:
    return _read(said.file)
  if said.gold is None:
    raise ValueError('--gold: give the right answer')
  text = sys.stdin.read() if said.text == '-' else said.text
  return [{'gold': said.gold, 'text': text, 'question': said.question}]


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
  rows = []
  for number, line in data_files.lines(path):
    try:
      row = data_files.json_object(line)
    except ValueError as e:
      raise ValueError(f'{path}:{number}: {e}') from e
    for name in _FIELDS:
      wrong = not isinstance(row.get(name, ''), str)
      if wrong or (name not in row and name != 'question'):
        raise ValueError(
          f'{path}:{number}: it has no text {name!r}; a line is an object with'
          " the texts 'gold' and 'text', and may have 'question'"
        )
    rows.append(row)
  if not rows:
    raise ValueError(f'{path}: it is empty')
  return rows
