"""Data beside a module: a file of the module's name, with another suffix."""

import functools
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
