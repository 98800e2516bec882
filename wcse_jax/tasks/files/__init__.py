"""Problems of a file that anyone has: JSON lines, and the name of a grader.

A line is an object with the texts 'question' and 'answer' (or 'problem' and
'gold'); for `code`, with 'tests', a list of assertions, instead of an answer.
It may have more: 'solution', which people wrote; 'id'; 'level', 1 being the
easiest; and, then all of them, 'split': train, validation or test.

Each module is a task: the grader, and how it reads what decides.
"""

from collections.abc import Callable, Mapping
import hashlib
import pathlib
from typing import Any

from wcse_jax import data_files, records, tasks
from wcse_jax.errors import Error
from wcse_jax.experiment.sections import SPLITS as SPLITS

_QUESTION, _ANSWER = ('question', 'problem'), ('answer', 'gold')
_TENTHS = {0: 'test', 1: 'validation'}  # of all, by hash; the rest is train

# Of a row: the question, the gold answer, and the solution that people wrote.
Read = Callable[[Mapping[str, Any]], tuple[str, str, str]]


class FileError(Error):
  """A file of problems that cannot be read; names the line, and the remedy."""


def answer(row: Mapping[str, Any]) -> tuple[str, str, str]:
  """Returns question, gold answer and solution of a row, as most tasks read it.

  Example:
    >>> answer({'question': 'What is 9 + 8?', 'answer': 17})
    ('What is 9 + 8?', '17', '')

  Raises:
    ValueError: It has no question or no answer, or one that is no text.
  """
  name = next((name for name in _ANSWER if name in row), '')
  if not name:
    raise ValueError("it has no 'answer'")
  gold = row[name]
  if isinstance(gold, bool) or not isinstance(gold, str | int | float):
    raise ValueError(f'{name!r} is {gold!r:.40}: give a text or a number')
  if not str(gold).strip():
    raise ValueError(f'{name!r} is empty')
  solution = text(row, 'solution').strip() if row.get('solution') else ''
  solution = f' {solution}' if solution else ''  # behind the prompt
  return text(row, *_QUESTION), str(gold), solution


def problems(
  task: tasks.TaskInfo, path: str, whole: bool, read: Read = answer
) -> dict[str, list[records.Problem]]:
  """Returns the problems of each split.

  Args:
    task: The task.
    path: The file.
    whole: Whether all are training problems where no row has a 'split'; if not,
      a tenth are validation problems and a tenth are test problems, by a hash
      of their text.
    read: Returns question, gold answer and solution of a row.

  Raises:
    FileError: A line is no problem, or two are the same.
  """
  file = pathlib.Path(path)
  try:
    lines = [*data_files.lines(file)]
  except OSError as e:
    raise FileError(f'{file}: {e}', 'name a file of JSON lines') from e
  found: dict[str, list[records.Problem]] = {split: [] for split in SPLITS}
  known: dict[str, int] = {}
  split_by_field: bool | None = None
  for number, line in lines:
    try:
      row = data_files.json_object(line)
      has_split = 'split' in row
      if split_by_field not in (None, has_split):
        raise ValueError("give all rows a 'split', or none")
      split_by_field = has_split
      question, gold, solution = read(row)
      digest = hashlib.sha256(f'{question}\0{gold}'.encode()).hexdigest()[:16]
      split = _split(row, whole, digest)
      problem = task.problem(
        _name(row, digest),
        split,
        question=question,
        solution=solution,
        gold=gold,
        level=_level(row),
      )
      if first := known.setdefault(problem.problem_id, number) - number:
        raise ValueError(f'it is that of line {number + first}')
    except ValueError as e:
      raise FileError(
        f'{file}:{number}: {e}',
        'a line is a JSON object, e.g. {"question": "What is 9 + 8?", "answer":'
        ' "17"}; see docs/howto/own_problems.md',
      ) from e
    found[split].append(problem)
  if not known:
    raise FileError(f'{file}: it has no problems', 'name a file of JSON lines')
  return found


def text(row: Mapping[str, Any], *names: str) -> str:
  """Returns the text that a row has under the first of names that it has.

  Raises:
    ValueError: It has none, or no text.
  """
  name = next((name for name in names if name in row), '')
  if not name:
    raise ValueError(f'it has no {names[0]!r}')
  if not isinstance(row[name], str) or not row[name].strip():
    raise ValueError(f'{name!r} is {row[name]!r:.40}: give a text')
  return row[name]


def _name(row: Mapping[str, Any], digest: str) -> str:
  """The name of a problem, which is another one if the text is another."""
  if 'id' not in row:
    return digest
  return f'{row["id"]}-{digest}'.replace('@', '-')  # see `family`


def _level(row: Mapping[str, Any]) -> int:
  level = row.get('level', 0)
  if not isinstance(level, int) or isinstance(level, bool):
    raise ValueError(f"'level' is {level!r:.40}: give a whole number")
  return level


def _split(row: Mapping[str, Any], whole: bool, digest: str) -> str:
  if 'split' not in row:
    return 'train' if whole else _TENTHS.get(int(digest, 16) % 10, 'train')
  if row['split'] not in SPLITS:
    raise ValueError(
      f"'split' is {row['split']!r:.40}: give {', '.join(SPLITS)}"
    )
  return row['split']
