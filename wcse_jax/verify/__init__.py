"""Deciding whether a solution is right, in processes that can be killed.

`grade` and `grade_many` are the short way in; they import neither JAX nor
TensorFlow, and work from any thread, notebook or script. What a task asks of a
solution is in its own module, `wcse_jax.tasks`, and how answers are compared in
`wcse_jax.answers`. The modules:

  grading         the grader of a task; one solution, or many
  given           verdicts of a file, instead of a grader
  pool, worker    grading many solutions in processes
  certificate     what the graders are worth, measured

`python -m wcse_jax.verify` has seqio's own Evaluator grade a pool again.
"""

from wcse_jax.verify.grading import grade, grade_many

__all__ = ['grade', 'grade_many']
