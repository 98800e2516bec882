r"""Reading a tidied answer as a mathematical object.

An answer is one of: an expression, an ordered tuple or interval, an unordered
list or set, a union, a matrix, an equation, a number in a base, a ratio, words.
By mathematical custom `x > 3` is (3, \infty), and a column vector is a tuple.
"""

import functools
import re
from typing import NamedTuple

from wcse_jax.answers import (
  brackets,
  expressions,
  final_answers,
  notation,
  words,
)
from wcse_jax.answers.expressions import Node, TooLarge, Undecided
from wcse_jax.answers.prose import Unreadable

_MAX_ITEMS = 24  # of a list: each may be compared with each
_MAX_DEPTH = 6
_RELATION = re.compile(
  r'\\(?:leqslant|geqslant|leq?|geq?|lt|gt|neq?|approx|in|sim|equiv|to)'
  r'(?![a-zA-Z])|<=|>=|[=<>]'
)
_SIGNS = {'\\lt': '<', '\\gt': '>'}
_SIGNS |= dict.fromkeys(('\\le', '\\leq', '\\leqslant'), '<=')
_SIGNS |= dict.fromkeys(('\\ge', '\\geq', '\\geqslant'), '>=')
_FLIPPED = {'<': '>', '>': '<', '<=': '>=', '>=': '<='}
_NAME = re.compile(
  r'\\?[a-zA-Z]+(?:_\{?\w+\}?)?\'*(?:\([a-zA-Z, ]+\))?'
  r'|\([a-zA-Z](?:,[a-zA-Z])+\)|\\angle\s?[A-Z]+|[a-zA-Z]\^\{-1\}\([a-z]\)'
  r'|[fghpqrFGHPQRE]\([^()]*\)|\[[A-Z]{3,}\]'
)
_NO_NAMES = ('e', 'i', '\\pi', 'pi', '\\infty')
_MATRIX = re.compile(
  r'\\begin\s*\{([pbB]?matrix|array)\}(.*)\\end\s*\{\1\}', re.DOTALL
)
_BASED = re.compile(r'(-?[0-9A-Z]+(?:\.[0-9A-Z]+)?)_\{?([0-9]+)\}?')
_SIMPLE = re.compile(r'-?[0-9]{1,40}(?:\.[0-9]{1,40})?')
_ELLIPSIS = re.compile(r'\\[ldc]?dots(?![a-zA-Z])|\.\.')
# A number with commas or spaces between its thousands, and what is around it.
_THOUSANDS = re.compile(
  r'(?P<name>[^,;]*?(?:=|<|>|\\(?:approx|leq?|geq?)(?![a-zA-Z]))\s*)?'
  r'(?P<number>[-+]?[0-9]{1,3}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)(?![0-9, ]))'
  r'(?P<rest>[^,;()\[\]]*)'
)
_TWICE = re.compile(r'(.*[^\s])\s+\(([^()]+)\)')


class Items(NamedTuple):
  """Several things.

  Attributes:
    kind: 'list', 'named' (x = 1, y = 2), 'union', 'matrix', 'row' or 'column'
      (of a vector), ':', or brackets.
    items: The things, as they are written.
  """

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
  r"""Several ways to write one value: `0.56 = 56\%`.

  Attributes:
    values: The sides.
    places: For each but the first, how many decimals it shows; None if it is no
      decimal.
    exact: For each but the first, whether it is to be equal to the one before
      it, and not that, rounded.
  """

  values: tuple['Value', ...]
  places: tuple[int | None, ...]
  exact: tuple[bool, ...]


class Alternatives(NamedTuple):
  """`a or b`: one value written twice, else what is listed.

  Attributes:
    values: The alternatives.
    listed: All of them, as another reading.
  """

  values: tuple['Value', ...]
  listed: 'Value'


class Grouped(NamedTuple):
  """`120,240`: a number with its thousands, or a list.

  Attributes:
    number: The one reading.
    listed: The other.
  """

  number: Node
  listed: Items


class Based(NamedTuple):
  """Digits in a base."""

  digits: str
  base: int


Value = (
  Node
  | Items
  | Named
  | Equation
  | Choice
  | Alternatives
  | Grouped
  | Based
  | words.Words
)


@functools.lru_cache(maxsize=4096)
def read(core: str, is_text: bool = False) -> Value:
  r"""The mathematical object that an answer is.

  >>> read(r'\{x, 2\}') == read('x, 2'), read('5_{8}')
  (True, Based(digits='5', base=8))

  Args:
    core: The answer, tidied.
    is_text: Whether it is words, not mathematics.

  Raises:
    Undecided: It cannot be read.
  """
  if len(core) > final_answers.MAX_LENGTH:
    raise TooLarge('too long')
  compact = core.replace(' ', '')
  if match := _BASED.fullmatch(compact):
    if not (
      is_text
      or match[1].lstrip('-').replace('.', '').isdigit()
      or int(match[2][:4]) > 10
    ):
      raise Undecided('digits beyond the base')
    return Based(match[1], int(match[2][:4]))
  if is_text or words.look_plain(core):
    digits = words.number(core)
    return notation.parse(digits) if digits else words.read(core, not is_text)
  return _read(core, 0)


def _read(text: str, depth: int) -> Value:
  text = text.strip()
  if depth > _MAX_DEPTH:
    raise TooLarge('too deep')
  if _SIMPLE.fullmatch(text):
    return notation.parse(text)
  if _ELLIPSIS.search(text):
    raise Unreadable('it goes on')
  if match := _MATRIX.fullmatch(text):
    return _read_matrix(match, depth)
  if (match := _THOUSANDS.fullmatch(text)) and match['number']:
    return _read_thousands(match, depth)
  if len(parts := brackets.split(text, '\\lor')) > 1:
    listed = _read(text.replace('\\lor', ','), depth + 1)
    return Alternatives(_all(parts, depth), listed)
  if re.search(r'\\(?:pm|mp)', text) and not text.startswith('\\{'):
    text = ','.join(_both(brackets.split(text, ',')))
  parts = brackets.split(text, ',', ';')
  if len(parts) > 1:
    return _listed(parts, depth)
  if len(parts := brackets.split(text, '\\cup')) > 1:
    return Items('union', _all(parts, depth))
  if relations := len(_RELATION.findall(text)):
    if relations > _MAX_ITEMS:
      raise TooLarge('many relations')
    return _read_relation(text, depth)
  if re.fullmatch(r'[0-9]{1,9}(?:\s?:\s?[0-9]{1,9})+', text):
    return Items(':', _all(text.split(':'), depth))
  if text in ('\\emptyset', '\\varnothing'):
    return Items('list', ())
  if text in ('\\mathbb{R}', '\\mathbb R'):
    return _read('(-\\infty,\\infty)', depth)
  for opening, closing, kind in (
    ('\\{', '\\}', 'list'),
    ('\\langle', '\\rangle', '()'),
  ):
    if text.startswith(opening) and text.endswith(closing):
      inside = brackets.inside(text, len(opening), len(closing))
      if inside is None or re.search(r'\\mid|\||:', inside):
        raise Undecided('a set by its property')
      return Items(kind, _all(_both(brackets.split(inside, ',')), depth))
  if match := _TWICE.fullmatch(text):  # one value twice, or a product
    parts = _all([match[1], match[2]], depth)
    return Alternatives(parts, notation.parse(text))
  if text[:1] in ('(', '[') and text[-1:] in (')', ']'):
    inside = brackets.inside(text, 1, 1)
    if inside is not None and len(parts := brackets.split(inside, ',')) > 1:
      return Items(text[0] + text[-1], _all(parts, depth))
  return notation.parse(text)


def _read_thousands(match: re.Match[str], depth: int) -> Value:
  name, number, rest = match.group('name', 'number', 'rest')
  value = _read(f'{name or ""}{re.sub("[, ]", "", number)}{rest}', depth + 1)
  if name or rest or ' ' in number or not isinstance(value, Node):
    return value
  return Grouped(value, Items('list', _all(number.split(','), depth)))


def _all(parts: list[str], depth: int) -> tuple[Value, ...]:
  if len(parts) > _MAX_ITEMS:
    raise TooLarge('many items')
  if len(parts) == 1 and not parts[0].strip():
    return ()
  return tuple(_read(part, depth + 1) for part in parts)


def _both(parts: list[str]) -> list[str]:
  signed = []
  for part in parts:
    if '\\pm' not in part:
      signed.append(part)
      continue
    if part.count('\\pm') > 1 or '\\mp' in part or part.strip()[:1] in '([':
      raise Undecided('several signs')
    signed += [part.replace('\\pm', sign) for sign in '+-']
  return signed


def _listed(parts: list[str], depth: int) -> Value:
  items = _all(parts, depth)
  names = [item.name for item in items if isinstance(item, Named)]
  if len(names) == len(items) == len(set(names)):  # x = 1, y = 2
    return Items('named', items)
  if all('<' in part or '>' in part or '\\' in part for part in parts) and all(
    _RELATION.search(part) and isinstance(item, Items)
    for part, item in zip(parts, items, strict=True)
  ):
    return Items('union', items)  # x < 1 or x > 3
  return Items('list', items)


def _read_matrix(match: re.Match[str], depth: int) -> Value:
  body = match[2]
  if match[1] == 'array':
    body = re.sub(r'^\s*\{[^{}]*\}', '', body)
  rows = re.split(r'\\\\(?:\s*\[[^\]]*\])?|\\cr', body)
  cells = [_all(row.split('&'), depth) for row in rows if row.strip()]
  if len({len(row) for row in cells}) != 1:
    raise Undecided('no matrix')
  if len(cells) == 1 and len(cells[0]) > 1:
    return Items('row', cells[0])
  if len(cells[0]) == 1:
    return Items('column', tuple(cell for row in cells for cell in row))
  return Items('matrix', tuple(Items('row', row) for row in cells))


def _read_relation(text: str, depth: int) -> Value:
  matches = [
    m for m in _RELATION.finditer(text) if brackets.is_top(text, m.start())
  ]
  if not matches:
    raise Undecided('a relation in brackets')
  marks = [match[0] for match in matches]
  ends = [0, *(match.end() for match in matches)]
  starts = [*(match.start() for match in matches), len(text)]
  sides = [text[i:j].strip() for i, j in zip(ends, starts, strict=True)]
  if '\\in' in marks:
    if len(sides) != 2:
      raise Undecided('relations')
    return _read(sides[1], depth + 1)
  if set(marks) == {'='}:
    return _read_equation(sides, depth)
  if set(marks) <= {'=', '\\approx'}:
    values = tuple(_read(side, depth + 1) for side in sides)
    places = tuple(map(_places, sides[1:]))
    exact = tuple(mark == '=' for mark in marks)
    if isinstance(values[0], Node) and not expressions.names(values[0]):
      return Choice(values, places, exact)
    return Choice(values[1:], places[1:], exact[1:])
  return _read_interval(sides, marks, depth)


def _places(side: str) -> int | None:
  """How many decimals a number shows; None if it is no decimal."""
  number = side.replace(' ', '')
  match = re.fullmatch(r'-?[0-9,]*(?:\.([0-9]*))?', number)
  return len(match[1] or '') if match else None


def _is_name(side: str) -> bool:
  side = side.replace(' ', '')
  return bool(_NAME.fullmatch(side)) and side not in _NO_NAMES


def _read_equation(sides: list[str], depth: int) -> Value:
  first, last = sides[0], sides[-1]
  if _is_name(last) and not _is_name(first):
    first, last = last, first
  value = _read(last, depth + 1)
  if _is_name(first):
    name = first.replace(' ', '')
    inner = expressions.names(value) if isinstance(value, Node) else frozenset()
    if name.strip('\\') not in inner:
      return Named(name, value)
  values = [_read(side, depth + 1) for side in sides]
  nodes = [value for value in values if isinstance(value, Node)]
  if len(nodes) < len(values):
    raise Undecided('an equation of such things')
  known = [i for i, node in enumerate(nodes) if not expressions.names(node)]
  if len(known) == len(nodes) or (len(nodes) > 2 and len(known) > 1):
    places = tuple(_places(sides[i]) for i in known[1:])
    exact = (True,) * len(places)
    return Choice(tuple(nodes[i] for i in known), places, exact)
  if len(nodes) != 2:
    return values[-1]
  return Equation(nodes[0], nodes[-1])


def _read_interval(sides: list[str], marks: list[str], depth: int) -> Value:
  signs = [_SIGNS.get(mark, mark) for mark in marks]
  if not set(signs) <= set(_FLIPPED):
    raise Undecided('such a relation')
  if len(sides) == 2:  # to a chain
    if not _is_name(sides[0]):
      sides, signs = sides[::-1], [_FLIPPED[signs[0]]]
    name, end = sides
    if signs[0][0] == '<':
      sides, signs = ['-\\infty', name, end], ['<', signs[0]]
    else:
      sides, signs = [end, name, '\\infty'], [_FLIPPED[signs[0]], '<']
  if len(sides) != 3 or not _is_name(sides[1]):
    raise Undecided('an inequality')
  if signs[0][0] == '>':
    sides, signs = sides[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
  if signs[0][0] != '<' or signs[1][0] != '<':
    raise Undecided('such a chain')
  kind = '[' if '=' in signs[0] else '('
  kind += ']' if '=' in signs[1] else ')'
  return Items(kind, _all([sides[0], sides[2]], depth))
