"""Tables without a rendering: what `html`, `markdown` and `terminal` show."""

from collections.abc import Mapping, Sequence
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


def by_level(
  caption: str, rows: Mapping[str, Mapping[int, Estimate]]
) -> list[Table]:
  """A column for each level, in percent; no table for fewer than two levels."""
  levels = sorted({level for row in rows.values() for level in row})
  if len(levels) < 2:
    return []
  header = ('', *(f'level {level}' for level in levels))
  lines = [
    (label, *(numbers.interval(row.get(level)) for level in levels))
    for label, row in rows.items()
  ]
  return [Table(header, lines, caption=f'{caption}, %')]
