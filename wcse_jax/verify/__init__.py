"""Deciding whether a solution is right, in processes that can be killed.

The modules: `answers` (extraction and equivalence of final answers), `steps`
(exact check of the reasoning), `graders` (what each task asks of a solution),
`pool` and `worker` (grading many solutions). The two functions here are the
short way in; neither imports JAX or TensorFlow.
"""


def grade(task: str, *, gold: str, text: str, question: str = ''):
  """Grades one solution, here and now, without a time limit.

  Args:
    task: A name of `wcse_jax.verify.graders.GRADERS`.
    gold: The right answer.
    text: The solution.
    question: The question, for graders that check the reasoning.

  Returns:
    A `wcse_jax.verify.graders.Grade`.
  """
  from wcse_jax.verify import graders

  return graders.GRADERS[task](gold, text, question)


def grade_many(items, *, workers: int = 2, timeout_s: float = 5.0) -> list:
  """Grades many solutions in processes; grades come in the items' order.

  Args:
    items: `wcse_jax.verify.pool.Item`s, or tuples of the same fields.
    workers: Processes.
    timeout_s: Seconds that one item may take before it is 'unknown'.

  Returns:
    A list of `wcse_jax.verify.graders.Grade`.
  """
  from wcse_jax.verify import pool

  with pool.Pool(workers, timeout_s) as workers_pool:
    return list(workers_pool.grade(items))
