"""Expressions as trees, and comparing their values.

Rational values are compared exactly, others to 100 digits, expressions with
variables at points. All of it is bounded: what would be huge is `TooLarge`.
`notation.parse` reads an expression.
"""

from collections.abc import Iterator
import contextlib
import fractions
import hashlib
import math
import operator
import threading
from typing import Any, NamedTuple

_MAX_BITS = 50_000  # of an exact number
_MAX_MAGNITUDE = 10**50  # of an inexact one, at any point of the evaluation
_DIGITS = 120  # in which inexact values are computed
_SPARE = 20  # of them, in which equal values may differ
_SEEN = 80  # zeros after the point of a number that is not lost in them
_MAX_ZEROS = 3000
_POINTS = 3  # at which expressions with variables are compared
_NOISE = fractions.Fraction(1, 10**12)  # of a float, relative

TRIGONOMETRIC = ('sin', 'cos', 'tan', 'sec', 'csc', 'cot')
FUNCTIONS = frozenset(
  [f'arc{name}' for name in TRIGONOMETRIC]
  + [*TRIGONOMETRIC, 'sinh', 'cosh', 'tanh', 'exp', 'log', 'ln']
)
# What is done alike to exact and inexact numbers.
_ARITHMETIC = {
  'group': lambda x: x,
  '-': operator.neg,
  '+': lambda x, *others: sum(others, x),
  '*': operator.mul,
  '/': operator.truediv,
}


class Undecided(ValueError):
  """It cannot be read, or not be compared within bounds."""


class TooLarge(Undecided):
  """It is too long, too deep or too big for any rule."""


class Node(NamedTuple):
  """An operation and its arguments: nodes, or a number, or a name."""

  op: str
  args: tuple[Any, ...]


INFINITY = Node('const', ('infty',))


def names(node: Node) -> frozenset[str]:
  """The variables of an expression."""
  if node.op == 'var':
    return frozenset(node.args)
  inner = (names(arg) for arg in node.args if isinstance(arg, Node))
  return frozenset().union(*inner)


def rational(node: Node) -> fractions.Fraction | None:
  r"""The value of an expression if it is a rational number of decent size.

  >>> from wcse_jax.answers.notation import parse
  >>> rational(parse(r'6\frac{1}{6} - 0.1')), rational(parse(r'\sqrt{2}'))
  (Fraction(91, 15), None)
  """
  try:
    value = _value(node, {}, _Trace())
  except (Undecided, ArithmeticError, ValueError):
    return None
  is_rational = isinstance(value, fractions.Fraction) and _bits(value) < 600
  return value if is_rational else None


def same(a: Node, b: Node) -> bool:
  r"""Whether two expressions have the same value, for all of their variables.

  Those with variables are compared at points that nobody can know without both
  expressions. If the first holds a float, as a program writes it, its value is
  only known to that precision.

  >>> from wcse_jax.answers.notation import parse
  >>> same(parse('(x+1)^2'), parse('x^2+2x+1'))
  True
  >>> same(parse(r'e^{\pi\sqrt{163}}'), parse('262537412640768744'))
  False
  >>> same(parse('7.180000000000007'), parse('7.18'))
  True

  Args:
    a: What is right.
    b: Another.

  Raises:
    Undecided: It cannot be told within bounds.
  """
  infinities = infinite(a), infinite(b)
  if any(infinities):
    return infinities[0] == infinities[1]
  variables = sorted(names(a) | names(b))
  if len(variables) > 8:
    raise Undecided('many variables')
  if _has_float(a):
    return _near(a, b, variables)
  found = []
  for point in _points(a, b, variables):
    agree = _agree(a, b, point)
    if agree is not None:
      found.append(agree)
  if found and all(found):
    return True
  if any(found):  # it depends on the sign of a variable
    raise Undecided('the same at some points')
  if not found:
    raise Undecided('imaginary everywhere')
  return False


def infinite(node: Node) -> int:
  """The sign of infinity; 0 for what is not plainly infinite."""
  if node == INFINITY:
    return 1
  if node.op in ('group', '-'):
    sign = infinite(node.args[0])
    return sign if node.op == 'group' else -sign
  return 0


def rounds(value: Node, shown: Node, places: int) -> bool:
  """Whether a number is another, rounded to decimal places."""
  if names(value) or names(shown):
    return False
  x, y = (_inexact(_value(node, {}, _Trace())) for node in (value, shown))
  return bool(2 * abs(x - y) * 10**places <= 1)


def proportional(a: Node, b: Node) -> bool:
  """Whether a/b is a constant: whether a = 0 and b = 0 are one equation.

  Raises:
    Undecided: They have no variables, unlike ones, or cannot be compared.
  """
  variables = sorted(names(a) | names(b))
  if not variables or names(a) != names(b) or len(variables) > 8:
    raise Undecided('no equations')
  quotients = []
  for point in _points(a, b, variables):
    x, y = (_exact(node, point, _Trace()) for node in (a, b))
    if not y or not x:
      raise Undecided('zero')
    quotients.append(_inexact(x) / _inexact(y))
  tolerance = abs(quotients[0]) * _mp().mpf(10) ** (_SPARE - _DIGITS)
  return all(abs(q - quotients[0]) <= tolerance for q in quotients)


class _Trace:
  """What numbers are seen while an expression is evaluated.

  Attributes:
    largest: The largest inexact one, at least 1.
    zeros: How many zeros the smallest has after the point.
    imaginary: Whether any is imaginary.
  """

  def __init__(self):
    self.largest: Any = 1
    self.zeros = 0
    self.imaginary = False

  def see(self, value: Any) -> None:
    if isinstance(value, fractions.Fraction):
      bits = value.numerator.bit_length() - value.denominator.bit_length()
    else:
      self.largest = max(self.largest, abs(value))
      self.imaginary = self.imaginary or bool(value.imag)
      bits = _mp().mag(value) if value else 0
    if value and -bits > self.zeros * 3:
      self.zeros = max(self.zeros, int(-bits * 0.3))


def _points(a: Node, b: Node, variables: list[str]) -> list[dict[str, Any]]:
  """Where two expressions are compared: the last point is negative."""
  if not variables:
    return [{}]
  seed = hashlib.sha256(repr(sorted([repr(a), repr(b)])).encode()).digest()
  points = []
  for i in range(_POINTS):
    point = {}
    for name in variables:
      drawn = hashlib.sha256(seed + f'{i} {name}'.encode()).digest()
      part = int.from_bytes(drawn[:4]) % 19997
      value = 1 + fractions.Fraction(part + 1, 9999)  # between 1 and 3
      point[name] = -value if i == _POINTS - 1 else value
    points.append(point)
  return points


def _near(a: Node, b: Node, variables: list[str]) -> bool:
  """Whether two values differ by no more than floats may."""
  noise = _mp().mpf(_NOISE.numerator) / _NOISE.denominator
  for point in _points(a, b, variables):
    x, y = (_inexact(_exact(node, point, _Trace())) for node in (a, b))
    if abs(x - y) > noise * abs(x):
      return False
  return True


def _has_float(node: Node) -> bool:
  """Whether a number in it looks as Python writes a float, with all digits."""
  if node.op != 'num':
    return any(_has_float(arg) for arg in node.args if isinstance(arg, Node))
  (value,) = node.args
  if value.denominator < 10**9:
    return False
  written = repr(float(value))
  mantissa = written.partition('e')[0].lstrip('-0.').replace('.', '')
  return len(mantissa) >= 15 and fractions.Fraction(written) == value


def _agree(a: Node, b: Node, point: dict[str, Any]) -> bool | None:
  """Whether two values are one; None if that tells nothing.

  So it is where roots are imaginary only since a variable is negative.
  """
  trace = _Trace()
  x, y = _exact(a, point, trace), _exact(b, point, trace)
  if all(isinstance(value, fractions.Fraction) for value in (x, y)):
    return x == y
  negative = any(value < 0 for value in point.values())
  if negative and trace.imaginary and not (_has_i(a) or _has_i(b)):
    return None
  if not _close(x, y, trace):
    return False
  if trace.zeros <= _SEEN:
    return True
  if trace.zeros > _MAX_ZEROS:
    raise TooLarge('a tiny number')
  with _precision(_DIGITS + trace.zeros):
    return _close(_exact(a, point, trace), _exact(b, point, trace), trace)


def _close(x: Any, y: Any, trace: _Trace) -> bool:
  mp = _mp()
  tolerance = trace.largest * mp.mpf(10) ** (_SPARE - mp.dps)
  return bool(abs(_inexact(x) - _inexact(y)) <= tolerance)


def _has_i(node: Node) -> bool:
  if node == Node('const', ('i',)):
    return True
  return any(_has_i(arg) for arg in node.args if isinstance(arg, Node))


def _exact(node: Node, point: dict[str, Any], trace: _Trace) -> Any:
  """The value at a point."""
  try:
    return _value(node, point, trace)
  except (ArithmeticError, ValueError, TypeError) as error:
    if isinstance(error, Undecided):
      raise
    raise Undecided(str(error)) from error


def _value(node: Node, point: dict[str, Any], trace: _Trace) -> Any:
  op, args = node
  if op == 'num':
    trace.see(args[0])
    return args[0]
  if op == 'var':
    if args[0] not in point:
      raise Undecided('a variable')
    return point[args[0]]
  if op == 'const':
    if node == INFINITY:
      raise TooLarge('infinity in an expression')
    mp = _mp()
    return {'pi': +mp.pi, 'e': +mp.e, 'i': mp.j}[args[0]]
  values = [_value(arg, point, trace) for arg in args]
  result = _apply(op, values)
  if isinstance(result, fractions.Fraction):
    if _bits(result) > _MAX_BITS:
      raise TooLarge('a huge number')
  elif not abs(result) < _MAX_MAGNITUDE:  # or no number
    raise TooLarge('a huge number')
  trace.see(result)
  return result


def _apply(op: str, values: list[Any]) -> Any:
  if all(isinstance(value, fractions.Fraction) for value in values):
    exact = _apply_exactly(op, values)
    if exact is not None:
      return exact
  mp = _mp()
  values = [*map(_inexact, values)]
  x, *others = values
  if op in _ARITHMETIC:
    return _ARITHMETIC[op](*values)
  if op in FUNCTIONS and op not in ('log', 'ln'):
    return getattr(mp, op.replace('arc', 'a') if op[:3] == 'arc' else op)(x)
  match op:
    case '^':
      if x == 0:
        raise Undecided('a power of zero')
      if abs(others[0]) > 1000:
        raise TooLarge('a huge power')
      return mp.power(x, others[0])
    case 'root':
      n = others[0]
      if abs(x.imag) == 0 and x.real < 0 and n == mp.floor(n.real) and n % 2:
        return -mp.power(-x.real, 1 / n)
      return mp.power(x, 1 / n) if x else x
    case 'floor' | 'ceil':
      return getattr(mp, op)(x)
    case 'abs':
      return mp.fabs(x)
    case 'degrees':
      return x * mp.pi / 180
    case 'log' | 'ln':
      base = others[0] if others else 10 if op == 'log' else mp.e
      return mp.log(x) / mp.log(base)
    case '!':
      return mp.gamma(x + 1)
  raise Undecided(f'{op} of such values')


def _apply_exactly(
  op: str, values: list[fractions.Fraction]
) -> fractions.Fraction | None:
  if op in _ARITHMETIC:
    return _ARITHMETIC[op](*values)
  x, *others = values
  match op:
    case 'abs':
      return abs(x)
    case 'floor' | 'ceil':
      return fractions.Fraction(getattr(math, op)(x))
    case '^' if others[0].denominator == 1:
      if abs(others[0]) * _bits(x) > _MAX_BITS:
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


def _bits(x: fractions.Fraction) -> int:
  return x.numerator.bit_length() + x.denominator.bit_length()


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


@contextlib.contextmanager
def _precision(digits: int) -> Iterator[None]:
  mp = _mp()
  mp.dps = digits
  try:
    yield
  finally:
    mp.dps = _DIGITS
