"""The last resort: math-verify, on what could not be read otherwise.

https://github.com/huggingface/Math-Verify. It imports SymPy, which takes a
second, so nothing here does before it is needed. Its own time limits are
alarms, which work in main threads alone, and are off: this must run where it
can be killed.
"""

from collections.abc import Callable
import functools
import logging

from wcse_jax.answers.expressions import Undecided

# Called before and after the slow import, with 'loading' and 'ready'.
announce: Callable[[str], None] = lambda event: None


@functools.cache
def _load():
  announce('loading')
  import math_verify

  # It tells of every expression that it cannot read, and of the alarms.
  for name in ('math_verify', 'latex2sympy2_extended'):
    logging.getLogger(name).setLevel(logging.CRITICAL)
  _parse(math_verify, '1')  # builds its tables
  announce('ready')
  return math_verify


def _parse(math_verify, answer: str) -> list:
  # Without its ExprExtractionConfig, which takes '5 , , !7' for 5.
  return math_verify.parse(
    f'${answer}$',
    [math_verify.LatexExtractionConfig()],
    fallback_mode='no_fallback',
    parsing_timeout=None,
  )


def same(gold: str, answer: str) -> bool:
  """Whether two tidied answers are the same by math-verify.

  It may hang, and take much memory.

  Raises:
    Undecided: The gold answer cannot be read.
    ValueError: The other one cannot.
  """
  math_verify = _load()
  expected = _parse(math_verify, gold)
  if not expected:
    raise Undecided('the gold answer cannot be read')
  found = _parse(math_verify, answer)
  if not found:
    raise ValueError('the answer cannot be read')
  return math_verify.verify(
    expected,
    found,
    float_rounding=12,
    numeric_precision=24,
    strict=True,
    timeout_seconds=None,
  )
