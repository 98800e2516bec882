"""Arguments of the Python calls, checked by the rules of the config's fields.

What a config refuses, the calls refuse, with the same remedy.
"""

from collections.abc import Iterable, Mapping
import functools
import numbers
from typing import Any

from wcse_jax.errors import Error
from wcse_jax.experiment.rules import (
  Rule,
  get,
  leaves,
  rule_fault,
  shown,
  type_fault,
)


class ArgumentError(Error, ValueError):
  """An argument of a call that makes no sense; says what to give instead."""

  def __init__(self, name: str, value: object, remedy: str):
    super().__init__(f'{name} = {shown(value)}', remedy)
    self.name = name
    self.value = value

  def __reduce__(self):
    return type(self), (self.name, self.value, self.remedy)


def check(section: type, **values: Any) -> None:
  """Checks arguments as the fields of a section that have their names.

  Args:
    section: The class of a section of the config, or of the whole.
    **values: The arguments, by the fields' names.

  Raises:
    ArgumentError: One has a wrong type, or breaks a rule of its field.

  Example:
    >>> from wcse_jax.experiment.sections import SamplingSpec
    >>> check(SamplingSpec, top_k=3, temperature=1)
    >>> check(SamplingSpec, top_k=0)
    Traceback (most recent call last):
    wcse_jax.experiment.arguments.ArgumentError: top_k = 0
    give at least 1, or None to turn it off
  """
  for name, value in values.items():
    hint, rules = _fields(section)[name]
    check_as(hint, *rules, **{name: value})


@functools.cache
def _fields(section: type) -> dict[str, tuple[Any, tuple[Rule, ...]]]:
  return {path: (hint, rules) for path, hint, rules in leaves(section)}


def check_all(section: Any) -> None:
  """Checks every field of a section that was made without a config.

  Raises:
    ArgumentError: As `check` does.
  """
  of = type(section)
  check(of, **{path: get(section, path) for path in _fields(of)})


def check_as(hint: Any, *rules: Rule, **values: Any) -> None:
  """Checks arguments that no field of the config stands for.

  Args:
    hint: The type that they are to have; a number of NumPy counts as Python's.
    *rules: What is to hold of them.
    **values: The arguments, by their names.

  Raises:
    ArgumentError: One has another type, or breaks a rule.
  """
  for name, value in values.items():
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
      value = int(value)
    elif isinstance(value, numbers.Real) and not isinstance(value, int):
      value = float(value)
    if remedy := type_fault(value, hint) or rule_fault(value, hint, rules):
      raise ArgumentError(name, value, remedy)


def texts(**given: Any) -> tuple[str, ...]:
  """Returns the texts of the one argument that is to hold several.

  Raises:
    ArgumentError: It is one text, whose characters would count as texts, or
      holds what is no text.

  Example:
    >>> texts(prompts=['1+1=', '2+2='])
    ('1+1=', '2+2=')
    >>> texts(prompts='1+1=')
    Traceback (most recent call last):
    wcse_jax.experiment.arguments.ArgumentError: prompts = '1+1='
    give a list of texts, e.g. ['1+1=']
  """
  ((name, value),) = given.items()
  if isinstance(value, str | bytes | Mapping) or not isinstance(
    value, Iterable
  ):
    example = f', e.g. {[value]!r:.80}' if isinstance(value, str) else ''
    raise ArgumentError(name, value, f'give a list of texts{example}')
  several = tuple(value)
  for number, text in enumerate(several):
    check_as(str, **{f'{name}[{number}]': text})
  return several
