"""Files that are written whole or not at all, JSON among them."""

import contextlib
import datetime
import json
import os
import pathlib
from typing import Any

import msgspec

from wcse_jax.errors import Error


class StoreError(Error):
  """The workdir cannot be used as asked. Names the file and the remedy."""


def dumps(value: Any, **options: Any) -> bytes:
  """Returns a value as JSON; ValueError for nan and infinities."""
  return json.dumps(value, allow_nan=False, **options).encode()


def now() -> str:
  """Returns the time of day in UTC, to the second, in ISO 8601."""
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def is_plain(name: object) -> bool:
  """Returns whether what names a file can only be one inside its folder.

  Args:
    name: What somebody else wrote: a relative path, with '/' between folders,
      or anything.

  Example:
    >>> [is_plain(name) for name in ('sample/wc/part-00000.parquet', 'x y')]
    [True, True]
    >>> [is_plain(name) for name in ('../x', '/x', 'a//b', '.lock', '', None)]
    [False, False, False, False, False, False]
  """
  return isinstance(name, str) and all(
    part and part[0] != '.' and '\\' not in part and part.isprintable()
    for part in name.split('/')
  )


def write_json(path: pathlib.Path, value: Any) -> pathlib.Path:
  """Commits a value as JSON to `path`; ValueError for nan and infinities."""
  return commit(path, dumps(value, indent=2))


def read_json(path: pathlib.Path, shape: Any = Any) -> Any:
  """Returns the value that `write_json` wrote.

  Args:
    path: The file.
    shape: What it is to be, a type that msgspec knows.

  Raises:
    StoreError: The file is missing, is not JSON, or of another shape.
  """
  try:
    value = json.loads(path.read_bytes(), parse_constant=_no_number)
    msgspec.convert(value, shape)
    return value
  except (OSError, ValueError, RecursionError) as error:
    raise StoreError(
      f'{path} cannot be read ({error}).\nDelete it and run the same command'
      ' again: it is made anew, and whole parts beside it are kept.'
    ) from error


def read_config(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns the config that a run of a workdir wrote down, as JSON has it.

  Raises:
    StoreError: The workdir's config.json is missing or damaged.
  """
  written = read_json(workdir / 'config.json', dict[str, Any])
  config = written.get('config')
  if not isinstance(config, dict):
    raise StoreError(
      f'{workdir / "config.json"} has no config.\nDelete it and run the same'
      ' command again: it is made anew.'
    )
  return config


def _no_number(text: str) -> None:
  raise ValueError(f'{text} is no number of JSON')


def commit(path: pathlib.Path, data: bytes) -> pathlib.Path:
  """Writes a whole file or nothing, and makes its folder where there is none.

  Args:
    path: The file, which is replaced if it exists.
    data: All that it is to hold.

  Returns:
    The path.

  Raises:
    StoreError: The file could not be written, e.g. because the disk is full.
  """
  temporary = path.with_name(f'.{path.name}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)  # of a run that was killed
    with open(temporary, 'xb') as file:  # so it follows no link
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
      os.fsync(folder)
    finally:
      os.close(folder)
  except OSError as error:
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    raise StoreError(
      f'{path}: {error.strerror} while writing {len(data):,} bytes.\n'
      'Everything committed before stays. Make room (or make the folder'
      ' writable) and run the same command again.'
    ) from error
  return path
