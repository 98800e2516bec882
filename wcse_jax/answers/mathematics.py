r"""The verdict on a solution of a competition problem in TeX, as in MATH.

The rules, in the order in which they are asked:

  no_answer   nothing is given as the answer: wrong
  gold        the gold answer is empty or cannot be read: unknown
  size        the text or the answer is too long, or a number huge: unknown
  units       both sides name units, and different ones: wrong
  string      equal as written, without spaces
  words       one side is words or letters of a choice, compared as such
  numeric     equal or not as numbers, expressions, lists, matrices, ...
  symbolic    math-verify decided
  unreadable  no rule can read the answer: wrong

Conventions: a percent or dollar sign carries no value (10\% is 10, not 0.1),
nor does a unit; decimals are exact (0.33 is not 1/3); the order of a list
or set does not count, that of a tuple does; digits without a base are of the
base that the gold answer names.
"""

import re

from wcse_jax import records
from wcse_jax.answers import equivalence, final_answers, symbolic
from wcse_jax.answers.expressions import TooLarge, Undecided

MAX_TEXT = 100_000  # characters of a solution

_Verdict = tuple[records.Decision, str, str]  # verdict, answer, rule


def quick(gold: str, text: str, question: str) -> _Verdict | None:
  r"""The verdict, if it takes no symbolic rule; else None.

  It takes no long time, whatever the text is.

  >>> quick(r'\frac{1}{2}', r'So \boxed{x = 0.5}.', '')
  ('correct', 'x=0.5', 'numeric')

  Args:
    gold: The right answer, in TeX.
    text: The solution.
    question: The question; it tells whether digits are of another base.

  Returns:
    (verdict, answer, rule).
  """
  if len(text) > MAX_TEXT:
    return 'unknown', '', 'size'
  try:
    return _quick(gold, text, question)
  except RecursionError:
    return 'unknown', '', 'size'


def _quick(gold: str, text: str, question: str) -> _Verdict | None:
  found = final_answers.extract(text)
  if max(len(found), len(gold)) > final_answers.MAX_LENGTH:
    return 'unknown', '', 'size'
  given = final_answers.tidy(found)
  answer = equivalence.canonical(given)
  expected = final_answers.tidy(gold)
  if not expected.core:
    return 'unknown', answer, 'gold'
  if not given.core:
    return 'wrong', '', 'no_answer'
  if expected.unit and given.unit and expected.unit != given.unit:
    return 'wrong', answer, 'units'
  if final_answers.written_alike(expected, given):
    return 'correct', answer, 'string'
  try:
    same = equivalence.same(expected, given, question)
  except TooLarge:
    return 'unknown', answer, 'size'
  except Undecided:
    if not given.core.isascii() or not given.core.isprintable():
      return 'wrong', answer, 'unreadable'  # look-alikes, control characters
    if re.search(r'[0-9]\s+[0-9]', given.core):
      return 'wrong', answer, 'unreadable'  # 3 hours 20 minutes
    return None
  words = expected.is_text or given.is_text
  return _decided(same), answer, 'words' if words else 'numeric'


def grade(gold: str, text: str, question: str) -> _Verdict:
  r"""The verdict by all rules. It may hang: run it where it can be killed.

  Args:
    gold: The right answer, in TeX.
    text: The solution.
    question: The question; it tells whether digits are of another base.

  Returns:
    (verdict, answer, rule).
  """
  if verdict := quick(gold, text, question):
    return verdict
  expected = final_answers.tidy(gold)
  given = final_answers.tidy(final_answers.extract(text))
  answer = equivalence.canonical(given)
  try:
    return (
      _decided(symbolic.same(expected.core, given.core)),
      answer,
      'symbolic',
    )
  except Undecided:
    return 'unknown', answer, 'gold'
  except ValueError:
    return 'wrong', answer, 'unreadable'


def _decided(same: bool) -> records.Decision:
  return 'correct' if same else 'wrong'
