r"""Expressions in TeX or plain notation: reading and comparing them.

`parse(r'2\sqrt{3}')` gives a tree; `same` compares two trees: rational values
exactly, others to 100 digits, and expressions with variables at points. All
of it is bounded: what would be long, deep or huge is `TooLarge`.
"""

import fractions
import functools
import math
import re
import threading
from typing import Any, NamedTuple

MAX_LENGTH = 1000  # characters of an expression
_MAX_DEPTH = 40
_MAX_BITS = 50_000  # of an exact number
_MAX_MAGNITUDE = 10**50  # of an inexact one, at any point of the evaluation
_DIGITS = 120
_TOLERANCE = 100  # digits in which equal values agree

_GREEK = frozenset(
  re.findall(
    r'\w+',
    'alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota'
    ' kappa lambda mu nu xi rho sigma tau upsilon phi varphi chi psi omega ell'
    ' Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega infty',
  )
)
_TRIGONOMETRIC = ('sin', 'cos', 'tan', 'sec', 'csc', 'cot')
_FUNCTIONS = frozenset(
  (
    *_TRIGONOMETRIC,
    *(f'arc{name}' for name in _TRIGONOMETRIC),
    *('sinh', 'cosh', 'tanh', 'exp', 'log', 'ln'),
  )
)
_PLAIN = ('pi', 'sqrt', 'theta', 'infty', *_FUNCTIONS)
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


class Undecided(ValueError):
  """It cannot be read, or not be compared within bounds."""


class TooLarge(Undecided):
  """It is too long, too deep or too big for any rule."""


class Node(NamedTuple):
  """An operation and its arguments: nodes, or a number, or a name."""

  op: str
  args: tuple[Any, ...]


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Node:
  r"""Reads an expression, e.g. '3\sqrt{2} + x^2'.

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
    if name in _FUNCTIONS:
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
    angle, self._angle = self._angle, name in _TRIGONOMETRIC
    if self.rest()[:1] in ('(', '[', '{'):
      argument = self._power()
    else:
      argument = self._signed_power()
      while self._at_atom() and not self._at_function():
        argument = Node('*', (argument, self._power()))
    self._angle = angle
    if exponent and rational(exponent) == -1:
      name, exponent = f'arc{name}', None
    if name not in _FUNCTIONS:
      raise Undecided(f'unknown function {name}')
    args = (argument, base) if base else (argument,)
    node = Node(name, args)
    return Node('^', (node, exponent)) if exponent else node

  def _at_function(self) -> bool:
    match = re.match(r'\\?([a-z]+)', self.rest())
    return bool(match) and match[1] in _FUNCTIONS


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


# --- values -------------------------------------------------------------------


def rational(node: Node) -> fractions.Fraction | None:
  """The value of an expression if it is a rational number of decent size."""
  try:
    value = _value(node, {}, [])
  except (Undecided, ArithmeticError, ValueError):
    return None
  if not isinstance(value, fractions.Fraction):
    return None
  size = value.numerator.bit_length() + value.denominator.bit_length()
  return value if size < 600 else None


def names(node: Node) -> frozenset[str]:
  """The variables of an expression."""
  if node.op == 'var':
    return frozenset(node.args)
  inner = (names(arg) for arg in node.args if isinstance(arg, Node))
  return frozenset().union(*inner)


def same(a: Node, b: Node) -> bool:
  """Whether two expressions have the same value, for all of their variables.

  Raises:
    Undecided: It cannot be told within bounds.
  """
  variables = sorted(names(a) | names(b))
  if len(variables) > 8:
    raise Undecided('many variables')
  found = [_agree(a, b, variables, i) for i in range(3 if variables else 1)]
  if all(found):
    return True
  if found[0] or found[-1]:  # it depends on the sign of a variable
    raise Undecided('the same at some points')
  return False


def near(a: Node, b: Node) -> bool:
  """Whether two numbers differ by less than a hundredth, or in rounding."""
  if names(a) or names(b):
    return False
  x, y = (_inexact(_exact(node, [], 0)[0]) for node in (a, b))
  return bool(abs(x - y) <= max(abs(x), abs(y)) / 100)


def proportional(a: Node, b: Node) -> bool:
  """Whether a/b is a constant: whether a = 0 and b = 0 are one equation."""
  variables = sorted(names(a) | names(b))
  if not variables or names(a) != names(b) or len(variables) > 8:
    raise Undecided('no equations')
  quotients = []
  for i in (0, 1, 0.5):
    x, y = (_exact(node, variables, i)[0] for node in (a, b))
    if not y or not x:
      raise Undecided('zero')
    quotients.append(_inexact(x) / _inexact(y))
  tolerance = abs(quotients[0]) * _mp().mpf(10) ** -_TOLERANCE
  return all(abs(q - quotients[0]) <= tolerance for q in quotients)


def _agree(a: Node, b: Node, variables: list[str], i: float) -> bool:
  x, large_x = _exact(a, variables, i)
  y, large_y = _exact(b, variables, i)
  if x == y:
    return True
  if all(isinstance(value, fractions.Fraction) for value in (x, y)):
    return False
  mp = _mp()
  tolerance = max(large_x, large_y) * mp.mpf(10) ** -_TOLERANCE
  return abs(_inexact(x) - _inexact(y)) <= tolerance


def _exact(node: Node, variables: list[str], i: float) -> tuple[Any, Any]:
  """The value at the i-th point, and the largest number on the way."""
  point = {}
  for number, name in enumerate(variables):
    # Between 1 and 3, unlike for unlike names; the last point is negative.
    digits = sum(ord(x) * 31**k for k, x in enumerate(name))
    value = 1 + fractions.Fraction(
      (digits * 7919 + number * 104729 + int(6151 * i)) % 19997, 9999
    )
    point[name] = -value if i == 2 else value
  seen: list[Any] = []
  try:
    value = _value(node, point, seen)
  except (ArithmeticError, ValueError, TypeError) as error:
    if isinstance(error, Undecided):
      raise
    raise Undecided(str(error)) from error
  largest = max((abs(x) for x in seen), default=1)
  return value, max(1, largest)


def _value(node: Node, point: dict[str, Any], seen: list[Any]) -> Any:
  op, args = node
  if op == 'num':
    return args[0]
  if op == 'var':
    if args[0] not in point:
      raise Undecided('a variable')
    return point[args[0]]
  if op == 'const':
    mp = _mp()
    return {'pi': +mp.pi, 'e': +mp.e, 'i': mp.j}[args[0]]
  values = [_value(arg, point, seen) for arg in args]
  result = _apply(op, values)
  if isinstance(result, fractions.Fraction):
    size = result.numerator.bit_length() + result.denominator.bit_length()
    if size > _MAX_BITS:
      raise TooLarge('a huge number')
  else:
    if not abs(result) < _MAX_MAGNITUDE:
      raise TooLarge('a huge number')
    seen.append(result)
  return result


def _apply(op: str, values: list[Any]) -> Any:
  if all(isinstance(value, fractions.Fraction) for value in values):
    exact = _apply_exactly(op, values)
    if exact is not None:
      return exact
  mp = _mp()
  x, *others = map(_inexact, values)
  if op == '^':
    if x == 0:
      raise Undecided('a power of zero')
    if abs(others[0]) > 1000:
      raise TooLarge('a huge power')
    return mp.power(x, others[0])
  if op == 'root':
    n = others[0]
    if abs(x.imag) == 0 and x.real < 0 and n == mp.floor(n.real) and n % 2:
      return -mp.power(-x.real, 1 / n)
    return mp.power(x, 1 / n) if x else x
  if op in ('floor', 'ceil', 'abs'):
    return getattr(mp, {'abs': 'fabs'}.get(op, op))(x)
  if op == 'group':
    return x
  if op == '-':
    return -x
  if op == '+':
    return sum(others, x)
  if op == '*':
    return x * others[0]
  if op == '/':
    return x / others[0]
  if op == 'degrees':
    return x * mp.pi / 180
  if op in ('log', 'ln'):
    base = others[0] if others else 10 if op == 'log' else mp.e
    return mp.log(x) / mp.log(base)
  if op in _FUNCTIONS:
    name = op.replace('arc', 'a') if op.startswith('arc') else op
    return getattr(mp, name)(x)
  if op == '!':
    return mp.gamma(x + 1)
  raise Undecided(f'{op} of such values')


def _apply_exactly(
  op: str, values: list[fractions.Fraction]
) -> fractions.Fraction | None:
  x, *others = values
  match op:
    case 'group':
      return x
    case '-':
      return -x
    case '+':
      return sum(values, fractions.Fraction(0))
    case '*':
      return x * others[0]
    case '/':
      return x / others[0]
    case 'abs':
      return abs(x)
    case 'floor':
      return fractions.Fraction(math.floor(x))
    case 'ceil':
      return fractions.Fraction(math.ceil(x))
    case '^' if others[0].denominator == 1:
      size = x.numerator.bit_length() + x.denominator.bit_length()
      if abs(others[0]) * size > _MAX_BITS:
        raise TooLarge('a huge power')
      return x ** int(others[0])
    case '!' if x.denominator == 1 and x >= 0:
      if x > 3000:
        raise TooLarge('a huge factorial')
      return fractions.Fraction(math.factorial(int(x)))
    case 'binom' if all(v.denominator == 1 and v >= 0 for v in values):
      if x > 1000:
        raise TooLarge('a huge binomial')
      return fractions.Fraction(math.comb(int(x), int(others[0])))
    case 'root' if others[0] == 2 and x >= 0:
      roots = math.isqrt(x.numerator), math.isqrt(x.denominator)
      root = fractions.Fraction(*roots)
      return root if root * root == x else None
  return None


def _inexact(value: Any) -> Any:
  mp = _mp()
  if isinstance(value, fractions.Fraction):
    return mp.mpf(value.numerator) / value.denominator
  return mp.convert(value)


_contexts = threading.local()


def _mp() -> Any:
  """This thread's mpmath context: its precision must not be shared."""
  if not hasattr(_contexts, 'mp'):
    import mpmath

    _contexts.mp = mpmath.mp.clone()
    _contexts.mp.dps = _DIGITS
  return _contexts.mp
