"""Deciding whether a solution is right, in processes that can be killed.

`grade` and `grade_many` are the short way in; they import neither JAX nor
TensorFlow, and work from any thread, notebook or script. The modules:

  graders         what each task asks of a solution
  answers         numbers: extraction and equivalence, for GSM8K and nano
  mathematics     the verdict on an answer in TeX, rule by rule
  final_answers   finding such an answer in a solution, and tidying it
  expressions     reading and comparing expressions
  equivalence     the same for lists, intervals, matrices, equations, words
  symbolic        math-verify, for what the others cannot read
  steps           exact check of the reasoning of nano_arithmetic
  code            programs as answers: MBPP and HumanEval
  instructions    what IFEval asks of a response
  sandbox, jail   running a program against tests that it cannot reach
  pool, worker    grading many solutions in processes
  certify         what the graders are worth, measured
  certify_code    the same for those that run programs
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from wcse_jax.verify import graders


def grade(
  task: str, *, gold: str, text: str, question: str = '', timeout_s: float = 5.0
) -> 'graders.Grade':
  """Grades one solution.

  At once if that is safe, else in a process that is kept for the next time.

  Args:
    task: A name of `wcse_jax.verify.graders.GRADERS`, or of an own module.
    gold: The right answer.
    text: The solution.
    question: The question, for graders that check the reasoning.
    timeout_s: Seconds that it may take before it is 'unknown'.

  Returns:
    A `wcse_jax.verify.graders.Grade`: verdict, answer, rule, sound.

  Raises:
    ValueError: No grader is known for the task.
    VerifyError: The process does not start.
  """
  from wcse_jax.verify import graders, pool

  if task in graders.QUICK:
    quick = graders.QUICK[task](gold, text, question)
    if quick is not None:
      return quick
  return pool.grade_one(pool.Item(task, gold, text, question), timeout_s)


def grade_many(
  task: str,
  *,
  golds: Sequence[str],
  texts: Sequence[str],
  questions: Sequence[str] | None = None,
  workers: int = 2,
  timeout_s: float = 5.0,
) -> 'list[graders.Grade]':
  """Grades many solutions in processes; grades come in the texts' order.

  Args:
    task: A name of `wcse_jax.verify.graders.GRADERS`, or of an own module.
    golds: The right answers.
    texts: The solutions, as many.
    questions: The questions, as many, for graders that check the reasoning.
    workers: Processes.
    timeout_s: Seconds that one solution may take before it is 'unknown'.

  Raises:
    ValueError: No grader is known for the task, or the lengths differ.
    VerifyError: A process does not start.
  """
  from wcse_jax.verify import pool

  columns = zip(golds, texts, questions or [''] * len(texts), strict=True)
  with pool.Pool(workers, timeout_s) as workers_pool:
    return list(workers_pool.grade(pool.Item(task, *row) for row in columns))
