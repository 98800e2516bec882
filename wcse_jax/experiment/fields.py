"""What each field of a config is, for people: type, default and meaning.

The meaning is the text below a field in the class that has it, which is where
editors and documentation look for it, too.
"""

import ast
from collections.abc import Iterator
import dataclasses
import inspect
import itertools
import textwrap
import typing
from typing import Any, NamedTuple

from wcse_jax.experiment import freeze, rules


class Field(NamedTuple):
  """A field of a config.

  Attributes:
    path: Its name, with those of the sections that it is in.
    kind: What it may be, e.g. 'whole number or None'.
    default: Its value where nothing is said.
    meaning: What it is, with its unit.
  """

  path: str
  kind: str
  default: Any
  meaning: str

  @property
  def text(self) -> str:
    """The default as a flag writes it."""
    return (
      str(self.default) if isinstance(self.default, str) else repr(self.default)
    )


def of(section: type, prefix: str = '') -> Iterator[Field]:
  """Yields the fields of a config's class, or of a section, as declared.

  Args:
    section: The class.
    prefix: What their paths begin with, e.g. 'task.'.

  Example:
    >>> from wcse_jax.experiment.sections import TaskSpec
    >>> field = {f.path: f for f in of(TaskSpec, 'task.')}['task.num_train']
    >>> field.kind, field.default
    ('whole number or None', 300)
    >>> field.meaning
    'Training problems, the first; None takes all.'
  """
  hints, meanings = typing.get_type_hints(section), _meanings(section)
  for field in dataclasses.fields(section):
    hint = hints[field.name]
    if inner := rules.named(hint):
      yield from of(inner, f'{prefix}{field.name}.{rules.NAME}.')
    elif dataclasses.is_dataclass(hint):
      yield from of(typing.cast(type, hint), f'{prefix}{field.name}.')
    else:
      yield Field(
        prefix + field.name,
        rules.kind(hint),
        freeze.plain(field.default),
        meanings.get(field.name, ''),
      )


def _meanings(section: type) -> dict[str, str]:
  """The texts below the attributes of a class, by name."""
  source = textwrap.dedent(inspect.getsource(section))
  (of_class,) = ast.parse(source).body
  assert isinstance(of_class, ast.ClassDef)
  return {
    attribute.target.id: ' '.join(str(text.value.value).split())
    for attribute, text in itertools.pairwise(of_class.body)
    if isinstance(attribute, ast.AnnAssign)
    and isinstance(attribute.target, ast.Name)
    and isinstance(text, ast.Expr)
    and isinstance(text.value, ast.Constant)
  }
