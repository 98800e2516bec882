"""Expressions as trees, and comparing their values.

Rational values are compared exactly, others to 100 digits, expressions with
variables at points. All of it is bounded: what would be huge is `TooLarge`.
`notation.parse` reads an expression.
"""

import fractions
import math
import operator
import threading
from typing import Any, NamedTuple

_MAX_BITS = 50_000  # of an exact number
_MAX_MAGNITUDE = 10**50  # of an inexact one, at any point of the evaluation
_DIGITS = 120
_TOLERANCE = 100  # digits in which equal values agree

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
    value = _value(node, {}, [])
  except (Undecided, ArithmeticError, ValueError):
    return None
  is_rational = isinstance(value, fractions.Fraction) and _bits(value) < 600
  return value if is_rational else None


def same(a: Node, b: Node) -> bool:
  r"""Whether two expressions have the same value, for all of their variables.

  >>> from wcse_jax.answers.notation import parse
  >>> same(parse('(x+1)^2'), parse('x^2+2x+1'))
  True
  >>> same(parse(r'e^{\pi\sqrt{163}}'), parse('262537412640768744'))
  False

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
  """Whether a/b is a constant: whether a = 0 and b = 0 are one equation.

  Raises:
    Undecided: They have no variables, unlike ones, or cannot be compared.
  """
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
    if _bits(result) > _MAX_BITS:
      raise TooLarge('a huge number')
  elif abs(result) < _MAX_MAGNITUDE:
    seen.append(result)
  else:  # or no number
    raise TooLarge('a huge number')
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
