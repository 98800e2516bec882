"""Data beside a module, in a file of its name; and anybody's lines of JSON."""

import collections
from collections.abc import Container, Iterator
import functools
import json
import pathlib
import re
import tomllib
from typing import Any


def text(module_file: str) -> str:
  """The text in the .txt file beside a module.

  Args:
    module_file: The module's `__file__`.
  """
  return pathlib.Path(module_file).with_suffix('.txt').read_text('utf-8')


@functools.cache
def tables(module_file: str) -> dict[str, Any]:
  """The tables in the .toml file beside a module, which are not to change.

  Args:
    module_file: The module's `__file__`.
  """
  path = pathlib.Path(module_file).with_suffix('.toml')
  return tomllib.loads(path.read_text('utf-8'))


def patterns(module_file: str) -> dict[str, re.Pattern[str]]:
  """The regular expressions among the tables: those of the table 'patterns'.

  Args:
    module_file: The module's `__file__`.
  """
  return {
    name: re.compile(''.join(parts))  # a text, or several
    for name, parts in tables(module_file)['patterns'].items()
  }


def lines(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
  """Yields the lines of a file that are not blank, with their numbers from 1.

  Raises:
    OSError: The file cannot be read.
  """
  with open(path, 'rb') as file:
    yield from ((n, line) for n, line in enumerate(file, 1) if line.strip())


def json_object(
  line: bytes, names: Container[str] | None = None
) -> dict[str, Any]:
  """Returns the object that a line is.

  Args:
    line: The line, in UTF-8.
    names: Of fields that are there once at most; None is all.

  Example:
    >>> json_object(b'{"answer": "17"}')
    {'answer': '17'}
    >>> json_object(b'{"answer": "17", "answer": "18"}')
    Traceback (most recent call last):
    ValueError: answer is there 2 times: give it once

  Raises:
    ValueError: It is no JSON, or no object, or has a field twice.
  """
  pairs: list[tuple[str, Any]] = []  # of the outermost object, which ends last

  def last(ended: list[tuple[str, Any]]) -> dict[str, Any]:
    pairs[:] = ended
    return dict(ended)

  try:
    row = json.loads(line.decode('utf-8-sig'), object_pairs_hook=last)
  except (ValueError, RecursionError) as error:
    raise ValueError(f'not JSON ({error})') from error
  if not isinstance(row, dict):
    raise ValueError('not an object with fields')
  counts = collections.Counter(name for name, _ in pairs)
  for name, count in counts.items():
    if count > 1 and (names is None or name in names):
      raise ValueError(f'{name} is there {count} times: give it once')
  return row
