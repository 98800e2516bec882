"""Tables without a rendering: what `templates` and `terminal` show."""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses

from wcse_jax.report import numbers
from wcse_jax.results.types import Estimate


@dataclasses.dataclass(frozen=True)
class Table:
  """Rows under a header.

  Attributes:
    header: Titles of the columns; the first column names the rows.
    rows: Cells: text, whole numbers, or a `numbers.Interval`.
    text: Columns set flush left; the others are numbers.
    caption: Stands above; '' for none.
  """

  header: Sequence[str]
  rows: Sequence[Sequence[object]]
  text: Sequence[int] = ()
  caption: str = ''


def listed[Row](
  names: Sequence[str],
  rows: Iterable[tuple[Sequence[object], Row]],
  columns: Mapping[str, Callable[[Row], object]],
  text: Sequence[int] = (),
  caption: str = '',
) -> Table:
  """A row for each of several things, a column for what is told of them.

  Args:
    names: Titles of the columns that name the things.
    rows: The names of each thing, and the thing.
    columns: What is told of a thing, by title.
    text: As in `Table`.
    caption: As in `Table`.
  """
  lines = [
    (*named, *(tell(row) for tell in columns.values())) for named, row in rows
  ]
  return Table((*names, *columns), lines, text, caption)


def grouped[Row](
  rows: Iterable[tuple[str, Row]],
  columns: Mapping[str, Callable[[Row], object]],
  text: Sequence[int] = (),
) -> list[Table]:
  """A table for each caption, of the rows that are given with it."""
  groups = collections.defaultdict(list)
  for caption, row in rows:
    groups[caption].append(((), row))
  return [
    listed((), of, columns, text, caption) for caption, of in groups.items()
  ]


def crossed[Key](
  name: str,
  rows: Iterable[tuple[str, Mapping[Key, Estimate]]],
  columns: Mapping[Key, str],
  caption: str,
  show=numbers.percent,
) -> Table:
  """A row for each name, a column for each key, an interval in each cell."""
  lines = [
    (label, *(numbers.interval(row.get(key), show) for key in columns))
    for label, row in rows
  ]
  return Table((name, *columns.values()), lines, caption=caption)


def by_level(
  caption: str, rows: Mapping[str, Mapping[int, Estimate]]
) -> list[Table]:
  """A column for each level, in percent; no table for fewer than two levels."""
  levels = sorted({level for row in rows.values() for level in row})
  columns = {level: f'level {level}' for level in levels}
  if len(levels) < 2:
    return []
  return [crossed('', rows.items(), columns, f'{caption}, %')]
