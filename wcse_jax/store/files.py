"""Files that are written whole or not at all, JSON among them."""

import contextlib
import datetime
import json
import os
import pathlib
from typing import Any

from wcse_jax.errors import Error


class StoreError(Error):
  """The workdir cannot be used as asked. Names the file and the remedy."""


def dumps(value: Any, **options: Any) -> bytes:
  """Returns a value as JSON; ValueError for nan and infinities."""
  return json.dumps(value, allow_nan=False, **options).encode()


def now() -> str:
  """Returns the time of day in UTC, to the second, in ISO 8601."""
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def write_json(path: pathlib.Path, value: Any) -> pathlib.Path:
  """Commits a value as JSON to `path`; ValueError for nan and infinities."""
  return commit(path, dumps(value, indent=2))


def read_json(path: pathlib.Path) -> Any:
  """Returns the value that `write_json` wrote.

  Raises:
    StoreError: The file is missing or is not JSON.
  """
  try:
    return json.loads(path.read_bytes())
  except (OSError, ValueError, RecursionError) as error:
    raise StoreError(
      f'{path} cannot be read ({error}).\nDelete it and run the same command'
      ' again: it is made anew, and whole parts beside it are kept.'
    ) from error


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
    with open(temporary, 'wb') as file:
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
