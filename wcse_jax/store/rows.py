"""Rows of a file that people made: JSON Lines, or Parquet with those columns.

Each is read strictly, and what is wrong with it names the column and a remedy.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import pathlib
import re
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import data_files
from wcse_jax.errors import Error

A_TEXT, A_COUNT = 'a text', f'a whole number from 0 to {2**31 - 1:,}'
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]  # as pools have them


@dataclasses.dataclass(frozen=True)
class Rows[T: msgspec.Struct]:
  """What the rows of a file are.

  Attributes:
    kind: What a row is read into.
    wanted: What to give in each column, for people; others are ignored.
    error: What a file raises that cannot be read.
  """

  kind: type[T]
  wanted: Mapping[str, str]
  error: type[Error]

  def read(self, path: pathlib.Path) -> Iterator[tuple[int, Any]]:
    """Yields what is not empty, with the number of its line or row, from 1.

    Args:
      path: A file ending in `.jsonl` or `.parquet`.

    Raises:
      Error: `error`: the file cannot be read at all.
    """
    try:
      if path.suffix == '.parquet':
        with pq.ParquetFile(path) as file:
          # Others may hold what Python cannot.
          named = [n for n in file.schema_arrow.names if n in self.wanted]
          batches = file.iter_batches(columns=named)
          rows = (row for batch in batches for row in batch.to_pylist())
          yield from enumerate(rows, 1)
      elif path.suffix == '.jsonl':
        yield from data_files.lines(path)
      else:
        raise ValueError('give a .jsonl or a .parquet file')
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
      raise self.error(f'{path} cannot be read: {error}') from error

  def fields(self, raw: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that a row has.

    Where others have gaps, pandas has null, and floats for whole numbers.

    Args:
      raw: What `read` yielded.

    Raises:
      ValueError: It has none; says why.
    """
    return {
      name: int(v) if isinstance(v, float) and v.is_integer() else v
      for name, v in (
        data_files.json_object(raw, self.wanted)
        if isinstance(raw, bytes)
        else raw
      ).items()
      if v is not None
    }

  def row(self, raw: bytes | Mapping[str, Any]) -> T:
    """Returns a row.

    Args:
      raw: What `read` yielded.

    Raises:
      ValueError: It is none; names the field, its value, and the remedy.
    """
    fields = self.fields(raw)
    try:
      return msgspec.convert(fields, self.kind)
    except msgspec.ValidationError as error:
      # It ends with 'missing required field `NAME`', or 'at `$.NAME`'.
      name = re.findall(r'`(?:\$\.)?(\w+)`', str(error))[-1]
      if name not in fields:
        raise ValueError(f'no {name}: give {self.wanted[name]}') from error
      value = f'{name} = {fields[name]!r:.80}'
      raise ValueError(f'{value}: give {self.wanted[name]}') from error
