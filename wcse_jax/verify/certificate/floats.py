r"""Golds of Functional MATH that a program wrote as floats, as people do.

The answer to '1/3 of 32' is 10.666666666666666 there, and nobody writes that:
`pairs` gives \frac{32}{3}.
"""

from collections.abc import Iterable, Iterator
import fractions
import re

from wcse_jax.verify.certificate.peers import Pair

_FLOAT = re.compile(r'-?[0-9]+\.[0-9]{8,}(?![0-9]*_)')  # in no other base
_DENOMINATORS = tuple(10**k for k in range(1, 7))
_NOISE = 1e-12  # of a float, relative


def pairs(problems: Iterable[Pair]) -> Iterator[Pair]:
  r"""Yields the problems whose gold holds a float, answered with a fraction.

  >>> (pair,) = pairs([Pair('1', '10.666666666666666', '', '', True)])
  >>> pair.text
  '\\boxed{\\frac{32}{3}}'
  """
  for problem in problems:
    if _FLOAT.search(problem.gold):
      answer = _FLOAT.sub(_as_people_write, problem.gold)
      yield problem._replace(text=f'\\boxed{{{answer}}}')


def _as_people_write(match: re.Match[str]) -> str:
  """The simplest fraction that a float rounds; without one 14 digits of it."""
  value = float(match[0])
  for limit in _DENOMINATORS:
    near = fractions.Fraction(abs(value)).limit_denominator(limit)
    if abs(float(near) - abs(value)) <= _NOISE * abs(value):
      sign = '-' if value < 0 else ''
      return f'{sign}\\frac{{{near.numerator}}}{{{near.denominator}}}'
  return f'{value:.14g}'
