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

from wcse_jax.answers import equivalence, final_answers, symbolic
from wcse_jax.answers.expressions import TooLarge, Undecided
from wcse_jax.records import Grade

MAX_TEXT = 100_000  # characters of a solution


def quick(gold: str, text: str, question: str) -> Grade | None:
  r"""The grade, if it takes no symbolic rule; else None.

  It takes no long time, whatever the text is.

  >>> quick(r'\frac{1}{2}', r'So \boxed{x = 0.5}.', '')
  Grade(verdict='correct', answer='x=0.5', rule='numeric', sound=None)

  Args:
    gold: The right answer, in TeX.
    text: The solution.
    question: The question; it tells whether digits are of another base.
  """
  if len(text) > MAX_TEXT:
    return Grade('unknown', '', 'size')
  try:
    return _quick(gold, text, question)
  except RecursionError:
    return Grade('unknown', '', 'size')


def _quick(gold: str, text: str, question: str) -> Grade | None:
  found = final_answers.extract(text)
  if max(len(found), len(gold)) > final_answers.MAX_LENGTH:
    return Grade('unknown', '', 'size')
  given = final_answers.tidy(found)
  answer = equivalence.canonical(given)
  expected = final_answers.tidy(gold)
  if not expected.core:
    return Grade('unknown', answer, 'gold')
  if not given.core:
    return Grade('wrong', '', 'no_answer')
  if expected.unit and given.unit and expected.unit != given.unit:
    return Grade('wrong', answer, 'units')
  if final_answers.written_alike(expected, given):
    return Grade('correct', answer, 'string')
  try:
    same = equivalence.same(expected, given, question)
  except TooLarge:
    return Grade('unknown', answer, 'size')
  except Undecided:
    if not given.core.isascii() or not given.core.isprintable():
      return Grade('wrong', answer, 'unreadable')  # look-alikes, control signs
    if re.search(r'[0-9]\s+[0-9]', given.core):
      return Grade('wrong', answer, 'unreadable')  # 3 hours 20 minutes
    return None
  rule = 'words' if expected.is_text or given.is_text else 'numeric'
  return Grade('correct' if same else 'wrong', answer, rule)


def grade(gold: str, text: str, question: str) -> Grade:
  r"""The grade by all rules. It may hang: run it where it can be killed.

  Args:
    gold: The right answer, in TeX.
    text: The solution.
    question: The question; it tells whether digits are of another base.
  """
  if decided := quick(gold, text, question):
    return decided
  given = final_answers.tidy(final_answers.extract(text))
  answer = equivalence.canonical(given)
  try:
    same = symbolic.same(final_answers.tidy(gold).core, given.core)
  except Undecided:
    return Grade('unknown', answer, 'gold')
  except ValueError:
    return Grade('wrong', answer, 'unreadable')
  return Grade('correct' if same else 'wrong', answer, 'symbolic')
