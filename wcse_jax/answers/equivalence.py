r"""Whether two tidied answers are the same mathematical object.

An answer is read as one of: an expression, an ordered tuple or interval, an
unordered list or set, a union, a matrix, an equation, a number in a base, a
ratio, words. Unlike kinds are unlike, with the exceptions of mathematical
custom: `x = 3` is 3, `x > 3` is (3, \infty), a column vector is a tuple.
"""

import functools
import re
from typing import NamedTuple

from wcse_jax.answers import expressions, final_answers, notation
from wcse_jax.answers.expressions import Node, TooLarge, Undecided

_MAX_ITEMS = 24  # of a list: each may be compared with each
_MAX_DEPTH = 6
_MAX_BRACKETS = 40


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


class Words(NamedTuple):
  """Words, or letters of a multiple choice, without case and punctuation."""

  keys: tuple[str, ...]
  bare: bool


Value = Node | Items | Named | Equation | Choice | Based | Words

_NUMBER_WORDS = {
  word: str(i)
  for i, word in enumerate(
    re.findall(
      r'\w+',
      'zero one two three four five six seven eight nine ten eleven twelve',
    )
  )
}
_RELATION = re.compile(
  r'\\(?:leqslant|geqslant|leq?|geq?|lt|gt|neq?|approx|in|sim|equiv|to)'
  r'(?![a-zA-Z])|<=|>=|[=<>]'
)
_AT_MOST = ('\\le', '\\leq', '\\leqslant', '<=')
_AT_LEAST = ('\\ge', '\\geq', '\\geqslant', '>=')
_FLIPPED = {'<': '>', '>': '<', '<=': '>=', '>=': '<='}
_NAME = re.compile(
  r'\\?[a-zA-Z]+(?:_\{?\w+\}?)?\'*(?:\([a-zA-Z, ]+\))?'
  r'|\([a-zA-Z](?:,[a-zA-Z])+\)|\\angle\s?[A-Z]+|[a-zA-Z]\^\{-1\}\([a-z]\)'
)
_NO_NAMES = ('e', 'i', '\\pi', 'pi', '\\infty')
_MATRIX = re.compile(
  r'\\begin\s*\{([pbB]?matrix|array)\}(.*)\\end\s*\{\1\}', re.DOTALL
)
_SCAN = re.compile(r'\\begin|\\end|\\[a-zA-Z]+|\\.|.', re.DOTALL)
_OPENING = ('(', '[', '{', '\\{', '\\begin', '\\langle')
_CLOSING = (')', ']', '}', '\\}', '\\end', '\\rangle')
_BASED = re.compile(r'(-?[0-9A-Z]+(?:\.[0-9A-Z]+)?)_\{?([0-9]+)\}?')
_PLAIN_WORDS = re.compile(r"[a-zA-Z][a-zA-Z'-]{2,}(?: [a-zA-Z'-]+)*")
_CHOICE = re.compile(r'\(([a-zA-Z])\)\s*\S')  # (C) 14
_SIMPLE = re.compile(r'-?[0-9]{1,40}(?:\.[0-9]{1,40})?')


def same(
  gold: final_answers.Tidy, answer: final_answers.Tidy, question: str = ''
) -> bool:
  """Whether two answers are the same.

  Args:
    gold: The right answer.
    answer: Another.
    question: Tells whether digits are of another base; '' is unknown.

  Raises:
    Undecided: One cannot be read, or they cannot be compared within bounds.
  """
  a = read(gold.core, gold.is_text)
  try:
    b = read(answer.core, answer.is_text)
  except Undecided:
    if isinstance(a, Words):
      return _is_word(a, answer.core)
    raise
  if isinstance(a, Words) != isinstance(b, Words):
    x, core = (a, answer.core) if isinstance(a, Words) else (b, gold.core)
    return _is_word(x, core)
  if isinstance(a, Node) and isinstance(b, Based) and b.base != 10:
    asked = 'base' in question
    return asked and gold.core == b.digits
  return _same(a, b)


def canonical(answer: final_answers.Tidy) -> str:
  """A form that equal rational numbers share, for counting votes."""
  if _SIMPLE.fullmatch(answer.core) and '.' not in answer.core:
    return str(int(answer.core))
  core = final_answers.squeezed(answer.core)
  if not answer.is_text and len(core) < 100:
    try:
      value = expressions.rational(notation.parse(answer.core))
    except Undecided:
      value = None
    if value is not None:
      return str(value)
  return core


@functools.lru_cache(maxsize=4096)
def read(core: str, is_text: bool = False) -> Value:
  """What an answer is.

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
  if is_text or _is_plain_words(core):
    word = _NUMBER_WORDS.get(core.strip(' .').lower())
    return notation.parse(word) if word else Words(_keys(core), not is_text)
  return _read(core, 0)


def _is_plain_words(core: str) -> bool:
  known = ('sqrt', 'sin', 'cos', 'tan', 'log', 'pi')
  return bool(_PLAIN_WORDS.fullmatch(core)) and not core.startswith(known)


def _is_word(words: Value, core: str) -> bool:
  choice = _CHOICE.match(core)
  keys = (choice[1].lower(),) if choice else _keys(core)
  return isinstance(words, Words) and words.keys == keys


def _keys(core: str) -> tuple[str, ...]:
  core = re.sub(r'\s*:\s*', ':', core.casefold())
  parts = re.split(r',|\band\b', core)
  keys = [re.sub(r'(?<![0-9])[.:]|[.:](?![0-9])|[^\w.:]', '', p) for p in parts]
  keys = [key.removeprefix('the') if len(key) > 6 else key for key in keys]
  keys = [key for key in keys if key]
  return tuple(sorted(keys) if all(len(k) == 1 for k in keys) else keys)


def _split(text: str, *separators: str) -> list[str]:
  """Splits where no bracket is open. An interval's may differ: (0, 1]."""
  parts, start, depth = [], 0, 0
  for match in _SCAN.finditer(text):
    token = match[0]
    depth += (token in _OPENING) - (token in _CLOSING)
    if depth < 0:
      raise Undecided('a bracket is closed that was not opened')
    if depth > _MAX_BRACKETS:
      raise TooLarge('too deep')
    if not depth and token in separators:
      parts.append(text[start : match.start()])
      start = match.end()
  if depth:
    raise Undecided('a bracket is not closed')
  return [*parts, text[start:]]


def _read(text: str, depth: int) -> Value:
  text = text.strip()
  if depth > _MAX_DEPTH:
    raise TooLarge('too deep')
  if _SIMPLE.fullmatch(text):
    return notation.parse(text)
  if match := _MATRIX.fullmatch(text):
    return _read_matrix(match, depth)
  if '\\pm' in text or '\\mp' in text:
    text = _both_signs(text)
  parts = _split(text, ',', ';')
  if len(parts) > 1:
    return _listed(parts, depth)
  if len(parts := _split(text, '\\cup')) > 1:
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
      inside = _inside(text, len(opening), len(closing))
      if inside is None or re.search(r'\\mid|\||:', inside):
        raise Undecided('a set by its property')
      return Items(kind, _all(_both(_split(inside, ',')), depth))
  if text[:1] in ('(', '[') and text[-1:] in (')', ']'):
    inside = _inside(text, 1, 1)
    if inside is not None and len(parts := _split(inside, ',')) > 1:
      return Items(text[0] + text[-1], _all(parts, depth))
  return notation.parse(text)


def _inside(text: str, start: int, end: int) -> str | None:
  """What the brackets around all of a text enclose; None if they do not."""
  inside = text[start : len(text) - end]
  try:
    _split(inside)
  except Undecided:
    return None
  return inside


def _all(parts: list[str], depth: int) -> tuple[Value, ...]:
  if len(parts) > _MAX_ITEMS:
    raise TooLarge('many items')
  if len(parts) == 1 and not parts[0].strip():
    return ()
  return tuple(_read(part, depth + 1) for part in parts)


def _both_signs(text: str) -> str:
  if text.startswith('\\{'):
    return text  # its items have them
  return ','.join(_both(_split(text, ',')))


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
    ordered = sorted(items)
    return Items('()', tuple(i.value for i in ordered if isinstance(i, Named)))
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
  rows = [row for row in _rows(body) if row.strip()]
  cells = [_all(row.split('&'), depth) for row in rows]
  if len({len(row) for row in cells}) != 1:
    raise Undecided('no matrix')
  if len(cells) == 1 or len(cells[0]) == 1:
    return Items('()', tuple(cell for row in cells for cell in row))
  return Items('matrix', tuple(Items('row', row) for row in cells))


def _rows(body: str) -> list[str]:
  return re.split(r'\\\\(?:\s*\[[^\]]*\])?|\\cr', body)


def _read_relation(text: str, depth: int) -> Value:
  matches = [m for m in _RELATION.finditer(text) if _is_top(text, m)]
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
    if isinstance(values[0], Node) and not expressions.names(values[0]):
      return Choice(values)
    return Choice(values[1:])
  return _read_interval(sides, marks, depth)


def _is_top(text: str, match: re.Match[str]) -> bool:
  """Whether no bracket is open where a match is."""
  try:
    _split(text[: match.start()])
  except TooLarge:
    raise
  except Undecided:
    return False
  return True


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
  if not any(expressions.names(node) for node in nodes):
    return Choice(tuple(values))
  if len(nodes) != 2:
    return values[-1]
  return Equation(nodes[0], nodes[-1])


def _read_interval(sides: list[str], marks: list[str], depth: int) -> Value:
  signs = [
    '<=' if m in _AT_MOST else '>=' if m in _AT_LEAST else m for m in marks
  ]
  signs = [{'\\lt': '<', '\\gt': '>'}.get(sign, sign) for sign in signs]
  if not set(signs) <= set(_FLIPPED):
    raise Undecided('such a relation')
  if len(sides) == 2:
    if _is_name(sides[1]) and not _is_name(sides[0]):
      sides, signs = sides[::-1], [_FLIPPED[signs[0]]]
    if not _is_name(sides[0]):
      raise Undecided('an inequality')
    if signs[0][0] == '<':
      low, high, brackets = '-\\infty', sides[1], '()'
    else:
      low, high, brackets = sides[1], '\\infty', '()'
    if '=' in signs[0]:
      brackets = '(]' if signs[0][0] == '<' else '[)'
  elif len(sides) == 3 and _is_name(sides[1]):
    if signs[0][0] == '>':
      sides, signs = sides[::-1], [_FLIPPED[sign] for sign in signs[::-1]]
    if signs[0][0] != '<' or signs[1][0] != '<':
      raise Undecided('such a chain')
    low, _, high = sides
    brackets = ('[' if '=' in signs[0] else '(') + (
      ']' if '=' in signs[1] else ')'
    )
  else:
    raise Undecided('an inequality')
  return Items(brackets, _all([low, high], depth))


# --- comparing ----------------------------------------------------------------


def _same(a: Value, b: Value) -> bool:
  if isinstance(a, Node) and isinstance(b, Node):
    return expressions.same(a, b)
  if isinstance(a, Choice):
    return any(_same(value, b) for value in a.values)
  if isinstance(b, Choice):
    *values, last = b.values
    return _same(a, last) or any(
      _same(a, v) for v in values if _consistent(v, last)
    )
  if isinstance(a, Named) or isinstance(b, Named):
    return _same_named(a, b)
  if isinstance(a, Equation) and isinstance(b, Equation):
    return expressions.proportional(_difference(a), _difference(b))
  if isinstance(a, Based) or isinstance(b, Based):
    return _same_based(a, b)
  if isinstance(a, Words) and isinstance(b, Words):
    if a.bare and b.bare and a.keys != b.keys:
      raise Undecided('letters')
    return a.keys == b.keys
  if isinstance(a, Items) and isinstance(b, Items):
    return _same_items(a, b)
  for x, y in ((a, b), (b, a)):
    if isinstance(x, Items) and isinstance(y, Node):
      if x.kind in ('list', 'union') and len(x.items) == 1:
        return _same(x.items[0], y)
      if x.kind == ':' and len(x.items) == 2 and y.op == '/':
        ratio = Node('/', tuple(i for i in x.items if isinstance(i, Node)))
        return expressions.same(ratio, y)
  return False


def _consistent(value: Value, last: Value) -> bool:
  """Whether `value = last` is true, or nearly: an answer must not hedge."""
  if not (isinstance(value, Node) and isinstance(last, Node)):
    return False
  return expressions.near(value, last)


def _same_named(a: Value, b: Value) -> bool:
  if isinstance(a, Named) and isinstance(b, Named):
    if a.name == b.name:
      return _same(a.value, b.value)
    constant = isinstance(a.value, Node) and not expressions.names(a.value)
    return not constant and _same(a.value, b.value)
  named, other = (a, b) if isinstance(a, Named) else (b, a)
  assert isinstance(named, Named)
  if isinstance(other, Equation):
    if not isinstance(named.value, Node):
      return False
    left = notation.parse(named.name)
    mine = _difference(Equation(left, named.value))
    return expressions.proportional(mine, _difference(other))
  return _same(named.value, other)


def _difference(equation: Equation) -> Node:
  return Node('+', (equation.left, Node('-', (equation.right,))))


def _same_based(a: Value, b: Value) -> bool:
  if isinstance(a, Based) and isinstance(b, Based):
    return a == b
  if isinstance(a, Based) and isinstance(b, Node):
    # The question asks for this base, so digits alone are of it.
    return str(expressions.rational(b)) == a.digits
  if isinstance(b, Based) and isinstance(a, Node) and b.base == 10:
    return str(expressions.rational(a)) == b.digits
  return False


def _same_items(a: Items, b: Items) -> bool:
  if a.kind != b.kind or len(a.items) != len(b.items):
    return False
  if a.kind not in ('list', 'union'):
    return _all_same(a.items, b.items)
  left = list(b.items)
  undecided = None
  for item in a.items:
    for i, other in enumerate(left):
      try:
        found = _same(item, other)
      except Undecided as error:
        undecided, found = error, False
      if found:
        del left[i]
        break
    else:
      if undecided:
        raise undecided
      return False
  return True


def _all_same(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
  """Whether all pairs are the same; one that is not decides."""
  undecided = None
  for x, y in zip(a, b, strict=True):
    try:
      if not _same(x, y):
        return False
    except Undecided as error:
      undecided = error
  if undecided:
    raise undecided
  return True
