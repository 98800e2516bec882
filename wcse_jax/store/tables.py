"""Records as Arrow tables, and back."""

from collections.abc import Iterable
import typing
from typing import Any

import pyarrow as pa

from wcse_jax import records
from wcse_jax.store.files import StoreError

_ARROW = {
  str: pa.string(),
  records.FinishReason: pa.string(),
  records.Decision: pa.string(),
  int: pa.int32(),
  float: pa.float64(),
  bool | None: pa.bool_(),
}


def _schema(record: type) -> pa.Schema:
  hints = typing.get_type_hints(record)
  return pa.schema(
    pa.field(name, _ARROW[hint], nullable=hint == bool | None)
    for name, hint in hints.items()
  )


PROBLEMS = _schema(records.Problem)
SAMPLES = _schema(records.Sample)
VERDICTS = _schema(records.Verdict)
EXAMPLES = _schema(records.Example)


# What columns may say, of those that say one of a few words.
_WORDS = {
  name: typing.get_args(hint)
  for record in (records.Sample, records.Verdict)
  for name, hint in typing.get_type_hints(record).items()
  if typing.get_origin(hint) is typing.Literal
}


def check_words(table: pa.Table) -> None:
  """Raises ValueError if a verdict, or how a sample ended, is no such word."""
  for name in _WORDS.keys() & set(table.column_names):
    for word in table[name].unique().to_pylist():
      if word not in _WORDS[name]:
        raise ValueError(
          f'its column {name} says {word!r}, which is none of'
          f' {", ".join(_WORDS[name])}'
        )


def to_table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
  """Returns records as a table, e.g. `to_table(samples, SAMPLES)`."""
  return pa.Table.from_pylist([vars(row) for row in rows], schema=schema)


def from_table[T](table: pa.Table | None, record: type[T]) -> list[T]:
  """Returns a table's rows as records; none where there is no table.

  Raises:
    StoreError: The table has other columns.
  """
  if table is not None:
    wanted = {f.name: f.type for f in _schema(record)}
    found = {f.name: f.type for f in table.schema}
    if found != wanted:
      raise StoreError(
        f'no table of {record.__name__}: it has the columns'
        f' {", ".join(found)}, not {", ".join(wanted)}.\nRun with --redo to'
        ' make its stage anew.'
      )
  return [record(**row) for row in table.to_pylist()] if table else []
