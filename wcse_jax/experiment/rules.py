"""Rules that a config's fields obey, each with a name and a remedy."""

from collections.abc import Callable, Collection
import dataclasses
from typing import Any

from wcse_jax.errors import Error


class ConfigError(Error):
  """A config that cannot be run. Its text fits three lines.

  Not a ValueError: ml-collections would rewrap that as a traceback's text.
  """

  def __init__(self, field: str, value: object, remedy: str):
    name = f'config.{field}' if field else 'config'
    super().__init__(f'{name} = {value!r}', remedy)
    self.field = field
    self.value = value

  def __reduce__(self):
    return type(self), (self.field, self.value, self.remedy)


@dataclasses.dataclass(frozen=True)
class Rule:
  """What must hold of a field, if it is not None.

  Attributes:
    name: What tests call the rule by, together with its field.
    holds: Tells whether a value, of the right type, obeys it.
    remedy: What to do if it does not.
  """

  name: str
  holds: Callable[[Any], bool]
  remedy: str


def field(default: Any, *rules: Rule) -> Any:
  """Returns a field of a section, with the rules that its values obey."""
  return dataclasses.field(default=default, metadata={'rules': rules})


def at_least(least: float, remedy: str = '') -> Rule:
  """Returns the rule that a number is not below another."""
  remedy = remedy or f'give at least {least}'
  return Rule(f'at least {least}', lambda number: number >= least, remedy)


def above(bound: float, remedy: str = '') -> Rule:
  """Returns the rule that a number is above another."""
  remedy = remedy or f'give more than {bound}'
  return Rule(f'above {bound}', lambda number: number > bound, remedy)


def one_of(known: Collection[str], remedy: str = '') -> Rule:
  """Returns the rule that a text is a known one."""
  remedy = remedy or f'give {", ".join(known)}'
  return Rule('one of', lambda text: text in known, remedy)


def not_empty(remedy: str) -> Rule:
  """Returns the rule that there is a text, or an element."""
  return Rule('not empty', bool, remedy)
