r"""The verdict on a solution of a competition problem in TeX, as in MATH.

The rules, in the order in which they are asked:

  prose       words take the answer back, or make it another that cannot be
              read, or are not known, or its equation is false: unknown
  no_answer   nothing is given as the answer: wrong
  gold        the gold answer is empty or cannot be read: unknown
  size        the text or the answer is too long, or a number huge: unknown
  units       both sides name units, and different ones: wrong
  string      equal as written, without spaces
  words       one side is words or letters of a choice, compared as such
  restated    an operation that the question states, for a number: wrong
  numeric     equal or not as numbers, expressions, lists, matrices, ...
  symbolic    math-verify decided
  unreadable  no rule can read the answer: wrong

Conventions: a percent or dollar sign carries no value (10\% is 10, not 0.1),
nor does a unit; decimals are exact (0.33 is not 1/3), but a gold answer that a
computer wrote as a float is what it rounds; the order of a list or set does not
count, that of a tuple does; digits without a base are of the base that the gold
answer names. `A = B` must hold exactly, `A \approx B` to the decimals shown;
where it does not, B is no answer (`prose`), unless it is A, rounded.
An answer that is not evaluated, as `2 \cdot 6` for 12, is right by its value,
unless the question states it. Of a gold answer in several boxes any is right.
"""

import re

from wcse_jax.answers import (
  equivalence,
  extraction,
  final_answers,
  marking,
  restatements,
  symbolic,
)
from wcse_jax.answers.expressions import TooLarge, Undecided
from wcse_jax.answers.prose import Unreadable
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
    grades = [
      _quick(expected, text, question)
      for expected in extraction.alternatives(gold)
    ]
  except RecursionError:
    return Grade('unknown', '', 'size')
  decided = [grade for grade in grades if grade]
  if len(decided) == len(grades) or 'correct' in {g.verdict for g in decided}:
    return _best(decided)
  return None


def _quick(gold: str, text: str, question: str) -> Grade | None:
  try:
    found = extraction.extract(text, question)
  except Unreadable:
    return Grade('unknown', '', 'prose')
  if max(len(found), len(gold)) > final_answers.MAX_LENGTH:
    return Grade('unknown', '', 'size')
  try:
    expected = final_answers.tidy(gold, gold)
  except Unreadable:
    expected = final_answers.Tidy(gold, '', True)
  try:
    given = final_answers.tidy(found, f'{question} {gold}')
  except Unreadable:
    return _of_words(expected, found)
  answer = equivalence.canonical(given)
  if not expected.core:
    return Grade('unknown', answer, 'gold')
  if not given.core:
    return Grade('wrong', '', 'no_answer')
  if _unlike(expected.unit, given.unit):
    return Grade('wrong', answer, 'units')
  if final_answers.written_alike(expected, given):
    return Grade('correct', answer, 'string')
  try:
    same = equivalence.same(expected, given, question)
  except TooLarge:
    return Grade('unknown', answer, 'size')
  except Unreadable:
    return Grade('unknown', answer, 'prose')
  except Undecided:
    return _undecided(found, given, answer)
  rule = 'words' if expected.is_text or given.is_text else 'numeric'
  if (
    same
    and rule == 'numeric'
    and restatements.is_one(expected.core, given.core, question)
  ):
    return Grade('wrong', answer, 'restated')
  return Grade('correct' if same else 'wrong', answer, rule)


def _unlike(unit: str, other: str) -> bool:
  """Whether two units are known and unlike; degrees are of any kind."""
  units = {unit, other}
  if 'degree' in units and units & {'celsius', 'fahrenheit'}:
    return False
  return bool(unit and other and unit != other)


def _of_words(expected: final_answers.Tidy, found: str) -> Grade:
  """The grade of an answer whose words cannot be read."""
  answer = final_answers.squeezed(found)
  if not expected.core:
    return Grade('unknown', answer, 'gold')
  same = equivalence.same_words(expected, found)
  if same is None:
    return Grade('unknown', answer, 'prose')
  return Grade('correct' if same else 'wrong', answer, 'words')


def _undecided(
  found: str, given: final_answers.Tidy, answer: str
) -> Grade | None:
  """The grade of what is no notation; None if the symbolic rule may read it."""
  if not given.core.isascii() or not given.core.isprintable():
    return Grade('wrong', answer, 'unreadable')  # look-alikes, control signs
  if re.search(r'[0-9]\s+[0-9]', given.core):
    return Grade('wrong', answer, 'unreadable')  # 3 hours 20 minutes
  if marking.mark(found) != found:
    return Grade('unknown', answer, 'prose')
  return None


def grade(gold: str, text: str, question: str) -> Grade:
  r"""The grade by all rules. It may hang: run it where it can be killed.

  Args:
    gold: The right answer, in TeX.
    text: The solution.
    question: The question; it tells whether digits are of another base.
  """
  if decided := quick(gold, text, question):
    return decided
  return _best(
    [
      _quick(expected, text, question) or _symbolic(expected, text, question)
      for expected in extraction.alternatives(gold)
    ]
  )


def _best(grades: list[Grade]) -> Grade:
  """The grade by several golds of which any is right."""
  return max(grades, key=lambda grade: grade.verdict == 'correct')


def _symbolic(gold: str, text: str, question: str) -> Grade:
  found = extraction.extract(text, question)
  given = final_answers.tidy(found, f'{question} {gold}')
  answer = equivalence.canonical(given)
  try:
    same = symbolic.same(final_answers.tidy(gold, gold).core, given.core)
  except Undecided:
    return Grade('unknown', answer, 'gold')
  except ValueError:
    return Grade('wrong', answer, 'unreadable')
  return Grade('correct' if same else 'wrong', answer, 'symbolic')
