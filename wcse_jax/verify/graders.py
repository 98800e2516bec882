"""What each task asks of a solution.

A grader is a function of (gold, text, question) and gives a `Grade`; what
follows a stop string of its task does not count. It may take long or crash:
`wcse_jax.verify.pool` runs it where it can be killed.
"""

from collections.abc import Callable
from typing import NamedTuple

from wcse_jax import records, tasks
from wcse_jax.answers import code, equations, instructions, mathematics
from wcse_jax.answers import numbers as answers
from wcse_jax.tasks.nano import steps


class Grade(NamedTuple):
  """What a grader says; the fields are those of `records.Verdict`."""

  verdict: records.Decision
  answer: str
  rule: str
  sound: bool | None


def nano_arithmetic(gold: str, text: str, question: str) -> Grade:
  """An exact integer; `sound` tells whether every step holds."""
  text = tasks.TASKS['nano_arithmetic'].cut(text)
  grade = _numeric(gold, answers.extract(text, 'nano'), 'integer')
  sound = grade.verdict == 'correct' and steps.check(question, text, gold)
  return grade._replace(sound=sound)


def gsm8k(gold: str, text: str, question: str) -> Grade:
  """The same rational number; `sound` tells whether its equations hold."""
  del question
  text = tasks.TASKS['gsm8k'].cut(text)
  if len(text) > mathematics.MAX_TEXT:
    return Grade('unknown', '', 'size', None)
  grade = _numeric(gold, answers.extract(text, 'gsm8k'), 'numeric')
  return _with_equations(grade, text)


def _numeric(gold: str, answer: str, rule: str) -> Grade:
  if answers.number(gold) is None:
    return Grade('unknown', answer, 'gold', None)
  if not answer:
    return Grade('wrong', '', 'no_answer', None)
  correct = answers.equivalent(gold, answer)
  return Grade('correct' if correct else 'wrong', answer, rule, None)


def _with_equations(grade: Grade, text: str) -> Grade:
  if grade.verdict != 'correct':
    return grade
  return grade._replace(sound=equations.check(text))


def math(gold: str, text: str, question: str) -> Grade:
  """The same mathematical object; `sound` as in `gsm8k`. May hang."""
  text = tasks.TASKS['math'].cut(text)
  grade = Grade(*mathematics.grade(gold, text, question), None)
  return _with_equations(grade, text)


def _quick_math(gold: str, text: str, question: str) -> Grade | None:
  text = tasks.TASKS['math'].cut(text)
  verdict = mathematics.quick(gold, text, question)
  return verdict and _with_equations(Grade(*verdict, None), text)


def mbpp(gold: str, text: str, question: str) -> Grade:
  """Code that passes its tests in a sandbox."""
  del question
  end = len(tasks.TASKS['mbpp'].cut(text))
  return Grade(*code.grade(gold, text, end), None)


def humaneval(gold: str, text: str, question: str) -> Grade:
  """The same, for code that continues the prompt or restates it."""
  del question
  end = len(tasks.TASKS['humaneval'].cut(text))
  return Grade(*code.grade(gold, text, end), None)


def ifeval(gold: str, text: str, question: str) -> Grade:
  """A response that follows all instructions; it is its own answer."""
  del question
  text = tasks.TASKS['ifeval'].cut(text)
  verdict, rule = instructions.grade(gold, text)
  return Grade(verdict, '' if rule == 'size' else text, rule, None)


Grader = Callable[[str, str, str], Grade]

GRADERS: dict[str, Grader] = {
  'nano_arithmetic': nano_arithmetic,
  'gsm8k': gsm8k,
  'math': math,
  'functional_math': math,
  'mbpp': mbpp,
  'humaneval': humaneval,
  'ifeval': ifeval,
}


def find(task: str) -> Grader:
  """The grader of a task: one of GRADERS, or that of an own task's module.

  Raises:
    ValueError: There is neither.
  """
  return GRADERS[task] if task in GRADERS else tasks.own(task, 'grade')


# What can be told at once, in any process, or None: ask the grader, then.
QUICK: dict[str, Callable[[str, str, str], Grade | None]] = {
  'nano_arithmetic': nano_arithmetic,
  'gsm8k': gsm8k,
  'math': _quick_math,
  'functional_math': _quick_math,
}
