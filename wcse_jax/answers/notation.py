r"""Reading expressions in TeX or plain notation.

`parse(r'2\sqrt{3}')` gives a tree. All of it is bounded: what would be long or
deep is `TooLarge`.
"""

import fractions
import functools
import re

from wcse_jax.answers.expressions import (
  FUNCTIONS,
  INFINITY,
  TRIGONOMETRIC,
  Node,
  TooLarge,
  Undecided,
  rational,
)

MAX_LENGTH = 1000  # characters of an expression
_MAX_DEPTH = 40

_GREEK = frozenset(
  re.findall(
    r'\w+',
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota'
    ' kappa lambda mu nu xi rho sigma tau upsilon phi varphi chi psi omega ell'
    ' Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega',
  )
)
_PLAIN = ('pi', 'sqrt', 'theta', 'infty', *FUNCTIONS)
_TIMES = re.compile(r'\*|\\(?:cdot|times|ast)(?![a-zA-Z])')
_DIVIDED = re.compile(r'/|:|\\div(?![a-zA-Z])')
_NUMBER = re.compile(
  r'([0-9]*)\.([0-9]*)\\overline\s*\{([0-9]+)\}'
  r'|([0-9]+(?:\.[0-9]+)?(?!\.?[0-9])|\.[0-9]+)'
)
_COMMAND = re.compile(r'\\([a-zA-Z]+)')
_WORD = re.compile('|'.join(sorted(_PLAIN, key=len, reverse=True)))
_DEGREE = re.compile(r'\^\s*(?:\\circ|\{\s*\\circ\s*\})|°|\\degree')
# How a mixed number goes on: 6\frac{1}{6}, 6 1/6.
_MIXED = re.compile(
  r'\s*\\frac\s*(?:\{\s*([0-9]+)\s*\}|([0-9]))\s*(?:\{\s*([0-9]+)\s*\}|([0-9]))'
  r'|\s+([0-9]+)\s*/\s*([0-9]+)'
)
_CLOSING = {
  '(': ')',
  '[': ']',
  '{': '}',
  '\\lfloor': '\\rfloor',
  '\\lceil': '\\rceil',
  '\\lvert': '\\rvert',
  '|': '|',
}


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Node:
  r"""Reads an expression.

  >>> parse('-x')
  Node(op='-', args=(Node(op='var', args=('x',)),))

  Raises:
    Undecided: It is none, or too long or deep.
  """
  if len(text) > MAX_LENGTH:
    raise TooLarge('too long')
  reader = _Reader(text)
  node = reader.sum()
  if reader.rest():
    raise Undecided(f'unread: {reader.rest()[:20]!r}')
  return node


class _Reader:
  """A cursor in a text; each method reads one kind of thing."""

  def __init__(self, text: str):
    self._text = text
    self._at = 0
    self._depth = 0
    self._bars = 0  # absolute values now open
    self._angle = False  # inside the argument of sin, cos, ...

  def rest(self) -> str:
    while self._at < len(self._text) and self._text[self._at].isspace():
      self._at += 1
    return self._text[self._at :]

  def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
    self.rest()
    match = pattern.match(self._text, self._at)
    if match:
      self._at = match.end()
    return match

  def _skip(self, literal: str) -> bool:
    self.rest()
    found = self._text.startswith(literal, self._at)
    self._at += len(literal) * found
    return found

  def sum(self) -> Node:
    sign = self._sign()
    terms = [_negated(self._product(), sign)]
    while self.rest()[:1] in ('+', '-'):
      sign = self._sign()
      terms.append(_negated(self._product(), sign))
    return terms[0] if len(terms) == 1 else Node('+', tuple(terms))

  def _sign(self) -> int:
    sign = 1
    while True:
      if self._skip('-'):
        sign = -sign
      elif not self._skip('+'):
        return sign

  def _product(self) -> Node:
    node = self._signed_power()
    while True:
      if self._take(_TIMES):
        node = Node('*', (node, self._signed_power()))
      elif self._take(_DIVIDED):
        node = Node('/', (node, self._signed_power()))
      elif self._at_atom():
        if self.rest()[0].isdigit() and node.op != 'group':
          raise Undecided('a number right after a factor')
        node = Node('*', (node, self._power()))
      else:
        return node

  def _signed_power(self) -> Node:
    sign = self._sign()
    return _negated(self._power(), sign)

  def _at_atom(self) -> bool:
    rest = self.rest()
    if not rest or rest[0] in '+-*/:^_)]},=<>!&;\'"?%#@~`.$':
      return rest[:1] == '.' and rest[1:2].isdigit()
    if rest[0] == '|':
      return not self._bars
    if rest[0] == '\\':
      match = _COMMAND.match(rest)
      closing = ('rfloor', 'rceil', 'rvert')
      return bool(match) and match[1] not in closing
    return True

  def _power(self) -> Node:
    node = self._atom()
    while True:
      if self._take(_DEGREE):
        if self._angle:
          node = Node('degrees', (node,))
      elif self._skip('!'):
        node = Node('!', (node,))
      elif self._skip('^'):
        node = Node('^', (node, self._argument(whole=True)))
      else:
        return node

  def _argument(self, whole: bool = False) -> Node:
    r"""What TeX takes as an argument: a group, or one sign.

    `whole` takes 10 in `2^10` for ten, as people mean it.
    """
    rest = self.rest()
    if rest[:1] == '{':
      return self._atom()
    if rest[:1].isdigit() and not whole:
      self._at += 1
      return _number(fractions.Fraction(rest[0]))
    if whole and rest[:1] == '-':
      self._at += 1
      return _negated(self._atom(), -1)
    return self._atom()

  def _atom(self) -> Node:
    self._depth += 1
    if self._depth > _MAX_DEPTH:
      raise TooLarge('too deep')
    node = self._open_atom()
    self._depth -= 1
    return node

  def _open_atom(self) -> Node:
    rest = self.rest()
    if not rest:
      raise Undecided('it ends too early')
    if match := self._take(_NUMBER):
      return self._mixed(_decimal(match), match[0])
    if rest[0] in '([{|':
      self._at += 1
      return self._enclosed(rest[0])
    if match := self._take(_COMMAND):
      return self._command(match[1])
    if match := self._take(_WORD):
      return self._command(match[0])
    letter = rest[0]
    if not (letter.isascii() and letter.isalpha()):
      raise Undecided(f'unknown sign {letter!r}')
    self._at += 1
    return self._name(letter)

  def _mixed(self, value: fractions.Fraction, written: str) -> Node:
    match = _MIXED.match(self._text, self._at)
    if match and written.isdigit():
      top, bottom = (int(part) for part in match.groups() if part)
      if top < bottom:
        self._at = match.end()
        value += fractions.Fraction(top, bottom)
    return _number(value)

  def _enclosed(self, opening: str) -> Node:
    bars, self._bars = self._bars, int(opening == '|')
    node = self.sum()
    self._bars = bars
    if not self._skip(_CLOSING[opening]):
      raise Undecided(f'no {_CLOSING[opening]}')
    if opening in ('|', '\\lvert'):
      return Node('abs', (node,))
    if opening in ('\\lfloor', '\\lceil'):
      return Node(opening[2:], (node,))
    return Node('group', (node,))

  def _name(self, name: str) -> Node:
    if self._skip('_'):
      match = self._take(re.compile(r'\{[0-9a-zA-Z]+\}|[0-9a-zA-Z]'))
      if not match:
        raise Undecided('a subscript')
      return Node('var', (f'{name}_{match[0].strip("{}")}',))
    return Node('const' if name in ('e', 'i') else 'var', (name,))

  def _command(self, name: str) -> Node:
    if name in ('frac', 'dfrac', 'tfrac', 'cfrac'):
      return Node('/', (self._argument(), self._argument()))
    if name == 'sqrt':
      if self._skip('['):
        degree = self.sum()
        if not self._skip(']'):
          raise Undecided('no ]')
        return Node('root', (self._argument(), degree))
      return Node('root', (self._argument(), _number(fractions.Fraction(2))))
    if name in ('binom', 'dbinom', 'tbinom'):
      return Node('binom', (self._argument(), self._argument()))
    if name in ('lfloor', 'lceil', 'lvert'):
      return self._enclosed(f'\\{name}')
    if name == 'pi':
      return Node('const', ('pi',))
    if name == 'infty':
      return INFINITY
    if name in FUNCTIONS:
      return self._function(name)
    if name in _GREEK:
      return self._name(name)
    raise Undecided(f'unknown command {name}')

  def _function(self, name: str) -> Node:
    base = exponent = None
    if name == 'log' and self._skip('_'):
      base = self._argument()
    if self._skip('^'):
      exponent = self._argument(whole=True)
    angle, self._angle = self._angle, name in TRIGONOMETRIC
    if self.rest()[:1] in ('(', '[', '{'):
      argument = self._power()
    else:
      argument = self._signed_power()
      while self._at_atom() and not self._at_function():
        argument = Node('*', (argument, self._power()))
    self._angle = angle
    if exponent and rational(exponent) == -1:
      name, exponent = f'arc{name}', None
    if name not in FUNCTIONS:
      raise Undecided(f'unknown function {name}')
    args = (argument, base) if base else (argument,)
    node = Node(name, args)
    return Node('^', (node, exponent)) if exponent else node

  def _at_function(self) -> bool:
    match = re.match(r'\\?([a-z]+)', self.rest())
    return bool(match) and match[1] in FUNCTIONS


def _number(value: fractions.Fraction) -> Node:
  return Node('num', (value,))


def _negated(node: Node, sign: int) -> Node:
  return node if sign > 0 else Node('-', (node,))


def _decimal(match: re.Match[str]) -> fractions.Fraction:
  whole, start, repeated, plain = match.groups()
  if plain:
    return fractions.Fraction(plain)
  number = fractions.Fraction(f'{whole or 0}.{start or 0}')
  tail = fractions.Fraction(int(repeated), 10 ** len(repeated) - 1)
  return number + tail / 10 ** len(start)
