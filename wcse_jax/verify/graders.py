"""What each task asks of a solution.

A grader is a function of (gold, text, question) and gives a `Grade`. It may
take long or crash: `wcse_jax.verify.pool` runs it where it can be killed.
"""

from collections.abc import Callable
from typing import NamedTuple

from wcse_jax import records
from wcse_jax.verify import answers, steps


class Grade(NamedTuple):
  """What a grader says; the fields are those of `records.Verdict`."""

  verdict: records.Decision
  answer: str
  rule: str
  sound: bool | None


def nano_arithmetic(gold: str, text: str, question: str) -> Grade:
  """An exact integer; `sound` tells whether every step holds."""
  grade = _numeric(gold, answers.extract(text, 'nano'), 'integer')
  sound = grade.verdict == 'correct' and steps.check(question, text, gold)
  return grade._replace(sound=sound)


def gsm8k(gold: str, text: str, question: str) -> Grade:
  """The same rational number; the steps are not checked."""
  del question
  return _numeric(gold, answers.extract(text, 'gsm8k'), 'numeric')


def _numeric(gold: str, answer: str, rule: str) -> Grade:
  if answers.number(gold) is None:
    return Grade('unknown', answer, 'gold', None)
  if not answer:
    return Grade('wrong', '', 'no_answer', None)
  correct = answers.equivalent(gold, answer)
  return Grade('correct' if correct else 'wrong', answer, rule, None)


Grader = Callable[[str, str, str], Grade]

GRADERS: dict[str, Grader] = {
  'nano_arithmetic': nano_arithmetic,
  'gsm8k': gsm8k,
}
