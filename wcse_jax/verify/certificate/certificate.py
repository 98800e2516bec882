"""A certificate: a table of checks, and what is behind each of its rows."""

import collections
from collections.abc import Iterable, Sequence
from typing import Any

from wcse_jax.records import Grade


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

  def add(
    self,
    check: str,
    *cells: str,
    detail: Any,
    key: str = '',
    notes: Iterable[str] = (),
  ) -> None:
    """Adds a row to the table, and keeps what is behind it.

    Args:
      check: The check's name, the row's first cell.
      *cells: The row's other cells.
      detail: Anything that JSON can hold. Its `by_rule`, how often which rule
        led to which verdict, is listed below the table.
      key: The detail's name; '' is the check's.
      notes: What is listed below that.
    """
    self._rows.append((check, *cells))
    self.details[key or check] = detail
    if 'by_rule' in detail:
      rules = ', '.join(f'{k} {n:,}' for k, n in detail['by_rule'].items())
      self._notes.append(f'- {check}, verdict and rule: {rules}.')
      self._notes += [f'  - {note}' for note in notes]

  def markdown(self) -> str:
    """The table, then what there is to list."""
    head = f'| {" | ".join(self._columns)} |'
    rows = [f'| {" | ".join(row)} |' for row in self._rows]
    lines = [f'## {self.details["task"]}', '', head]
    lines += ['|---' * len(self._columns) + '|', *rows, '', *self._notes]
    return '\n'.join(lines) + '\n'


def by_rule(grades: Iterable[Grade]) -> dict[str, int]:
  """How often which rule led to which verdict, the most frequent first."""
  counts = collections.Counter(f'{g.verdict}: {g.rule}' for g in grades)
  return dict(counts.most_common())
