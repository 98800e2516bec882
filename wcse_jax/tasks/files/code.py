"""A file's programming problems: the code must pass the row's tests.

'tests' is a list of statements, assertions mostly, that use what the code is to
define; they show in the prompt, as those of MBPP do.
"""

import builtins
from collections.abc import Mapping
import dataclasses
import functools
import symtable
from typing import Any

from wcse_jax.answers import sandbox
from wcse_jax.tasks import files, mbpp
from wcse_jax.tasks.mbpp import grade

__all__ = ['TASK', 'grade', 'problems']

TASK = dataclasses.replace(mbpp.TASK, name='file_code')


def _read(row: Mapping[str, Any]) -> tuple[str, str, str]:
  """Question and tests, the tests as a sandbox takes them, and the solution."""
  tests = row.get('tests')
  if not isinstance(tests, list) or not tests or {*map(type, tests)} != {str}:
    raise ValueError("it has no 'tests': give a list of assertions")
  text = '\n'.join([*tests, ''])
  try:
    asked = sorted(_asked(symtable.symtable(text, 'tests', 'exec')))
  except SyntaxError as e:
    raise ValueError(f"'tests' are no Python: {e}") from e
  if not asked:
    raise ValueError("'tests' use nothing that the code is to define")
  question = files.text(row, 'question', 'problem')
  return (
    f'{question} Your code should pass these tests:\n\n{text.rstrip()}',
    sandbox.Tests('', asked, text).dumps(),
    files.text(row, 'solution') if row.get('solution') else '',
  )


def _asked(module: symtable.SymbolTable) -> set[str]:
  """The names that tests use and do not define: the code is to."""
  own = {
    symbol.get_name()
    for symbol in module.get_symbols()
    if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
  }
  used: set[str] = set()
  tables = [module]
  while tables:
    table = tables.pop()
    tables += table.get_children()
    used |= {
      symbol.get_name()
      for symbol in table.get_symbols()
      if symbol.is_referenced() and (table is module or symbol.is_global())
    }
  return used - own - {*dir(builtins)}


problems = functools.partial(files.problems, TASK, read=_read)
