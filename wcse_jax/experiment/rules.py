"""Rules that a config's fields obey, each with a name and a remedy.

The Python calls check their arguments by the same ones (`arguments`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
import dataclasses
import math
import typing
from typing import Any

from wcse_jax.errors import Error
from wcse_jax.experiment.arms import Arm

_TYPE_NAMES = {
  int: 'a whole number',
  float: 'a number',
  str: 'a string',
  bool: 'True or False',
  int | None: 'a whole number or None',
  float | None: 'a number or None',
  tuple[int, ...]: 'whole numbers, e.g. (1, 4)',
  tuple[float, ...]: 'numbers, e.g. (1e-7, 1e-6)',
  tuple[str, ...]: "strings, e.g. ('se', 'reference')",
  tuple[Arm, ...]: "strings, e.g. ('se', 'reference')",
}
_SHOWN = 1000  # characters of a value in a message
# What float32 holds, to which devices round what they are given.
_SMALLEST, _LARGEST = 1e-37, 3e38


class ConfigError(Error):
  """A config that cannot be run. Its text fits three lines.

  Not a ValueError: ml-collections would rewrap that as a traceback's text.
  """

  def __init__(self, field: str, value: object, remedy: str):
    name = f'config.{field}' if field else 'config'
    super().__init__(f'{name} = {shown(value)}', remedy)
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


def shown(value: object) -> str:
  """Returns a value as it is written, cut where it is long."""
  try:
    text = repr(value)
  except ValueError:  # Python writes no number of so many digits
    return 'a number of thousands of digits'
  return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'


NAME = 'NAME'  # stands in a path for that of any of several named sections


def leaves(section: Any, prefix: str = '') -> Iterator[tuple[str, Any, Any]]:
  """Yields path, type and rules of every field that is no section itself.

  Args:
    section: A section, or its class: then `NAME` stands for the names of
      sections that are named by the user.
    prefix: What paths begin with.
  """
  cls = section if isinstance(section, type) else type(section)
  hints = typing.get_type_hints(cls)
  for field in dataclasses.fields(cls):
    hint, path = hints[field.name], prefix + field.name
    its = hint if section is cls else getattr(section, field.name)
    if of := named(hint):
      sections = {NAME: of} if section is cls else its
      for name, one in sections.items():
        yield from leaves(one, f'{path}.{name}.')
    elif dataclasses.is_dataclass(hint):
      yield from leaves(its, f'{path}.')
    else:
      yield path, hint, field.metadata.get('rules', ())


def named(hint: Any) -> type | None:
  """Returns the class of sections that the user names, if a field holds such.

  Args:
    hint: The field's type.
  """
  if typing.get_origin(hint) is not Mapping:
    return None
  _, section = typing.get_args(hint)
  return section


def get(config: Any, path: str) -> Any:
  """Returns the value of the field at a dotted path."""
  for name in path.split('.'):
    inside = isinstance(config, Mapping)
    config = config[name] if inside else getattr(config, name)
  return config


def kind(hint: Any) -> str:
  """Returns what a value of a type is, for people.

  >>> kind(int | None), kind(tuple[str, ...])
  ('whole number or None', 'strings')
  """
  return _TYPE_NAMES[hint].removeprefix('a ').split(',')[0]


def type_fault(value: object, hint: Any) -> str:
  """Returns what to give instead of what has not the type; '' if it has."""
  return '' if _is_a(value, hint) else f'give {_TYPE_NAMES[hint]}'


def rule_fault(value: object, hint: Any, rules: Collection['Rule']) -> str:
  """Returns the remedy of the first rule that a value breaks; '' of none.

  After its own rules come those of its type: whole numbers fit 32 bits, others
  float32; and texts are Unicode, which can be written down.

  Args:
    value: Has the type.
    hint: The type.
    rules: What is to hold of it, if it is not None.

  Example:
    >>> rule_fault(2**40, int, [at_least(1)]), rule_fault(9, int, [])
    ('give less than 2**32', '')
  """
  if value is None:
    return ''
  for rule in rules:
    if not rule.holds(value):
      return rule.remedy
  fractions = float in (hint, *typing.get_args(hint))
  for element in value if isinstance(value, tuple) else (value,):
    if isinstance(element, str) and not _is_unicode(element):
      return 'give whole characters: it has half of one (a lone surrogate)'
    if not isinstance(element, int | float) or element == 0:
      continue
    if fractions and not _SMALLEST <= abs(element) <= _LARGEST:
      return f'give 0, or {_SMALLEST:g} to {_LARGEST:g}, as float32 holds it'
    if not fractions and abs(element) >= 2**32:
      return 'give less than 2**32'
  return ''


def _is_a(value: object, hint: Any) -> bool:
  if typing.get_origin(hint) is tuple:
    element, _ = typing.get_args(hint)
    return isinstance(value, tuple) and all(_is_a(v, element) for v in value)
  if value is None:
    return type(None) in typing.get_args(hint)
  if hint is bool or isinstance(value, bool):
    return hint is bool and isinstance(value, bool)
  if hint in (float, float | None):
    whole = isinstance(value, int)  # of any size
    return whole or (isinstance(value, float) and math.isfinite(value))
  return isinstance(value, hint)


def _is_unicode(text: str) -> bool:
  try:
    text.encode()
  except UnicodeEncodeError:
    return False
  return True


def at_least(least: float, remedy: str = '') -> Rule:
  """Returns the rule that a number is not below another."""
  remedy = remedy or f'give at least {least}'
  return Rule(f'at least {least}', lambda number: number >= least, remedy)


def at_most(most: float, remedy: str = '') -> Rule:
  """Returns the rule that a number, or each of several, is not above another.

  What a run would work at without end has such a limit.
  """
  remedy = remedy or f'give at most {most:,}'
  numbers = lambda x: x if isinstance(x, tuple) else (x,)
  return Rule(
    'at most', lambda x: all(number <= most for number in numbers(x)), remedy
  )


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
