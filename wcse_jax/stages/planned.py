"""What pools have to have, as far as that is known."""

from wcse_jax.analysis.enough import Key
from wcse_jax.experiment.arms import Pool
from wcse_jax.stages.layout import Run


def keys(run: Run, pool: Pool) -> set[Key]:
  """Returns the samples that a pool has to have.

  Of a problem of which enough are right, those that count; of one that is not
  done with, all that the budget pays for.

  Args:
    run: The experiment, whose problems are there.
    pool: The pool.
  """
  names = [problem.problem_id for problem in run.train]
  if not run.enough:
    return {(name, i) for name in names for i in range(run.pools[pool])}
  known = right(run, pool)
  return {
    (name, i)
    for most in numbers(run, pool)
    for name, tried in run.enough.counted(names, most, known)
    for i in range(most if tried is None else tried)
  }


def numbers(run: Run, pool: Pool) -> list[int]:
  """Returns how many samples of a problem arms take of a pool, at most.

  Fewer are the first of more; but where rows end it, they are of more problems.
  """
  taken = {of.samples.get(pool, 0) for of in run.plan.allotments.values()}
  return sorted(taken - {0}) if run.enough.rows else [max(taken)]


def right(run: Run, pool: Pool) -> dict[Key, bool]:
  """Returns whether each sample is right that has a verdict."""
  return {v.key: v.verdict == 'correct' for v in run.verdicts(pool)}
