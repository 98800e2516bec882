"""Values and contents that nothing can use, and what files become of them."""

from collections.abc import Callable, Iterator
import dataclasses
import json
import pathlib
from typing import Any

from absl import flags

from wcse_jax.errors import Error

# What is given on a command line; and some more.
WORDS = 'x -1 0 0.5 1e300 nan None () .. ../x (-1,) (1e999,) [[]]'
# What fields of JSON, and arguments, are changed to.
VALUES = {
  'none': None,
  'text': 'x',
  'half a character': '\ud800',
  'negative': -1,
  'zero': 0,
  'fraction': 0.5,
  'huge': 10**400,
  'large': 1e300,
  'nan': float('nan'),
  'infinite': float('inf'),
  'true': True,
  'list': [],
  'object': {},
}
# What a file is changed to.
CONTENTS = {
  'empty': b'',
  'zeros': b'\0' * 100,
  'garbage': bytes(range(256)) * 4,
  'a list': b'[]',
  'an object': b'{}',
  'null': b'null',
  'a number': b'7',
  'a text': b'"x"',
  'nan': b'{"a": NaN}',
  'deep': b'[' * 100_000,
  'many digits': b'{"a": ' + b'9' * 5000 + b'}',
  'one key twice': b'{"a": 1, "a": 2}',
}


@dataclasses.dataclass(frozen=True)
class Case:
  """A bad input.

  Attributes:
    name: What it is, for people.
    call: Gives it to what reads it.
    errors: What may refuse it.
  """

  name: str
  call: Callable[[], Any]
  errors: tuple[type[Exception], ...] = (Error, OSError, flags.Error)


def damaged(
  path: pathlib.Path, before: bytes | None
) -> Iterator[tuple[str, bytes]]:
  """Yields what a file may hold instead, each with its name."""
  yield from CONTENTS.items()
  if not before:
    return
  yield 'cut in half', before[: len(before) // 2]
  middle = len(before) // 2
  flipped = bytes([before[middle] ^ 255])
  yield 'a byte changed', before[:middle] + flipped + before[middle + 1 :]
  if path.suffix == '.json':
    yield from _of_another_shape(json.loads(before))
  elif path.suffix == '.parquet':
    yield from _other_tables(path)


def _of_another_shape(value: Any) -> Iterator[tuple[str, bytes]]:
  """Yields JSON in which one field at the top is another, or is missing."""
  if not isinstance(value, dict):
    return
  for key in [*value][:30]:
    rest = {k: v for k, v in value.items() if k != key}
    yield f'no {key}', json.dumps(rest).encode()
    for name in ('none', 'text', 'huge', 'nan', 'list', 'object'):
      changed = json.dumps({**value, key: VALUES[name]})
      yield f'{key} is {name}', changed.encode()


def _other_tables(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
  import pyarrow as pa
  import pyarrow.parquet as pq

  table = pq.read_table(path)
  said = table.schema.metadata
  tables = {
    'another table': pa.table({'i': [1, 2]}),
    'no column': table.select([]),
    'no row': table.slice(0, 0),
    'no metadata': table.replace_schema_metadata(None),
    'a column less': table.drop_columns(table.column_names[0]),
    'a column more': table.append_column('x', pa.nulls(len(table))),
    'a column of nulls': table.set_column(
      0, table.column_names[0], pa.nulls(len(table))
    ),
    'a column of numbers': table.set_column(
      0, table.column_names[0], pa.array(range(len(table)))
    ),
  }
  for name, other in tables.items():
    if said and name != 'no metadata':
      other = other.replace_schema_metadata(said)
    sink = pa.BufferOutputStream()
    pq.write_table(other, sink)
    yield name, sink.getvalue().to_pybytes()
