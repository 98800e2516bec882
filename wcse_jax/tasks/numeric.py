"""Grades of answers that are numbers, and of the equations that led to them."""

from wcse_jax.answers import equations, numbers
from wcse_jax.records import Grade


def grade(gold: str, answer: str, rule: str) -> Grade:
  """Whether an answer is the same rational number as the right one.

  Args:
    gold: The right answer; it is 'unknown' what to say if it is no number.
    answer: The answer as extracted, '' if there is none.
    rule: The name of this rule in the grade.
  """
  if numbers.number(gold) is None:
    return Grade('unknown', answer, 'gold', None)
  if not answer:
    return Grade('wrong', '', 'no_answer', None)
  correct = numbers.equivalent(gold, answer)
  return Grade('correct' if correct else 'wrong', answer, rule, None)


def with_equations(grade: Grade, text: str) -> Grade:
  """A grade that is `sound` if it is 'correct' and all equations hold."""
  if grade.verdict != 'correct':
    return grade
  return grade._replace(sound=equations.check(text))
