"""A certificate: a table of checks, and what is behind each of its rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Certificate:
  """What the checks of a task found.

  Args:
    task: The task's name.
    columns: The heads of the table's columns.
    problems: How many problems there are.

  Attributes:
    details: All counts, misses and accepted pairs, for JSON.
  """

  def __init__(self, task: str, columns: Sequence[str], problems: int):
    self.details: dict[str, Any] = {'task': task, 'problems': problems}
    self._columns = columns
    self._rows: list[Sequence[str]] = []
    self._notes: list[str] = []

  def add(self, *cells: str) -> None:
    """Adds a row to the table."""
    self._rows.append(cells)

  def keep(
    self, name: str, detail: Mapping[str, Any], notes: Iterable[str] = ()
  ) -> None:
    """Keeps what is behind a row.

    Args:
      name: The check's name.
      detail: Anything that JSON can hold. Its `by_rule`, how often which rule
        led to which verdict, is listed below the table.
      notes: What is listed below that.
    """
    self.details[name] = detail
    if 'by_rule' in detail:
      rules = ', '.join(f'{k} {n:,}' for k, n in detail['by_rule'].items())
      self._notes.append(f'- {name}, verdict and rule: {rules}.')
      self._notes += [f'  - {note}' for note in notes]

  def markdown(self) -> str:
    """The table, then what there is to list."""
    head = f'| {" | ".join(self._columns)} |'
    rows = [f'| {" | ".join(row)} |' for row in self._rows]
    lines = [f'## {self.details["task"]}', '', head]
    lines += ['|---' * len(self._columns) + '|', *rows, '', *self._notes]
    return '\n'.join(lines) + '\n'
