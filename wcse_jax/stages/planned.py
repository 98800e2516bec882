"""What pools have to have, as far as that is known."""

from collections.abc import Mapping
from typing import NamedTuple

from wcse_jax.analysis.enough import Key
from wcse_jax.analysis.expected import Expected, expected
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.stages import shards
from wcse_jax.stages.layout import Run


class Needs(NamedTuple):
  """What a pool has to have.

  Attributes:
    keys: The samples: of a problem of which enough are right, those that count;
      of one that is not done with, all that the budget pays for.
    left: Those of them that are not there.
    expected: What is expected of them, by the samples that are there; None if
      none is, or all of them are needed.
    told_by: How many samples say so.
  """

  keys: set[Key]
  left: set[Key]
  expected: Expected | None
  told_by: int

  @property
  def there(self) -> int:
    """How many of them are there."""
    return len(self.keys) - len(self.left)

  @property
  def samples(self) -> float:
    """The samples that will have been drawn: expected, or at most."""
    return self.expected.samples if self.expected else len(self.keys)

  @property
  def likely_left(self) -> float:
    """The samples that are still to be drawn: expected, or at most."""
    most = len(self.left)
    return min(self.expected.left, most) if self.expected else most


def of(run: Run, pool: Pool) -> Needs:
  """Returns what a pool has to have, of the problems that are there."""
  known = right(run, pool) if run.enough else {}
  wanted = keys(run, pool, known)
  left = wanted - shards.keys(run.pool_stage(pool).read_parts())
  if not run.enough:
    return Needs(wanted, left, None, 0)
  names = [problem.problem_id for problem in run.train]
  found = expected(run.enough, names, numbers(run, pool), known)
  return Needs(wanted, left, found, len(known))


def expected_by_mix(run: Run) -> dict[Mix, float]:
  """Returns the samples that arms which end with enough right ones will draw.

  Those of which nobody knows are left out, as are arms that draw none.
  """
  found: dict[Mix, float] = {}
  known = {pool: right(run, pool) for pool in run.pools if run.enough}
  names = [problem.problem_id for problem in run.train]
  for mix, allotment in run.plan.allotments.items() if known else ():
    for pool, number in allotment.samples.items():
      if of := expected(run.enough, names, [number], known[pool]):
        found[mix] = of.samples
  return found


def keys(
  run: Run, pool: Pool, known: Mapping[Key, bool] | None = None
) -> set[Key]:
  """Returns the samples that a pool has to have; see `Needs`.

  Args:
    run: The experiment, whose problems are there.
    pool: The pool.
    known: What `right` returns of it, if that was read.
  """
  names = [problem.problem_id for problem in run.train]
  if not run.enough:
    return {(name, i) for name in names for i in range(run.pools[pool])}
  known = right(run, pool) if known is None else known
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
