"""The kinds of mathematical objects that an answer may be."""

from typing import NamedTuple

from wcse_jax.answers.expressions import Node
from wcse_jax.answers.words import Words


class Items(NamedTuple):
  """Several things; `kind` is 'list', 'union', 'matrix', ':' or brackets."""

  kind: str
  items: tuple['Value', ...]


class Named(NamedTuple):
  """`name = value`."""

  name: str
  value: 'Value'


class Equation(NamedTuple):
  """`left = right`."""

  left: Node
  right: Node


class Choice(NamedTuple):
  r"""Several ways to write one value: `0.56 = 56\%`."""

  values: tuple['Value', ...]


class Based(NamedTuple):
  """Digits in a base."""

  digits: str
  base: int


Value = Node | Items | Named | Equation | Choice | Based | Words
