"""The data of all arms: what of which pools each draws, by whose word."""

from collections.abc import Mapping
import dataclasses
import functools

from wcse_jax.analysis.enough import Enough
from wcse_jax.experiment.arms import Arm, Matching, Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.results.committed import Committed
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.pools import Drawn, chosen_source, drawn, join


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
  """The graded samples of a run.

  Attributes:
    committed: What was committed.
    pools: What arms take of each pool, at most.
    source: The name of who says whether a sample is a false positive; None if
      nobody looked.
    intervals: How intervals are computed.
  """

  committed: Committed
  pools: Mapping[Pool, Drawn]
  source: str | None
  intervals: Intervals

  @property
  def anchor(self) -> Arm:
    """The arm of the anchor's own samples, which others are compared with."""
    return self.committed.config.anchor

  @property
  def mixes(self) -> list[Mix]:
    """Every arm at every budget."""
    return [*self.committed.plan.allotments]

  def samples(self, mix: Mix) -> dict[Pool, int]:
    """Samples per problem that a mix draws; none of human-written solutions.

    The anchor has them at every budget, though it is no arm of the run.
    """
    allotment = self.committed.plan.allotments.get(mix)
    if allotment:
      return allotment.samples
    (pool,) = mix.arm.pools
    return {pool: self.committed.config.budget.by_name[mix.budget]}

  def numbers(self, pool: Pool) -> set[int]:
    """The samples of a problem that arms take of a pool, at most."""
    allotted = self.committed.plan.allotments.values()
    return {of.samples[pool] for of in allotted if pool in of.samples}

  def of(self, mix: Mix) -> Drawn:
    """The samples of a mix, or its human-written solutions."""
    samples = self.samples(mix)
    if not samples:
      return self._reference.first(1, mix.arm.max_kept)
    return join(
      [self.pools[pool].first(n) for pool, n in samples.items()],
      mix.arm.max_kept,
    )

  def paired(self, *mixes: Mix) -> list[Drawn]:
    """What estimates of mixes are of: of the problems that all have sampled."""
    found = [self.of(mix).unbiased for mix in mixes]
    common = min(len(of.problems) for of in found)
    if all(len(of.problems) == common for of in found):
      return found
    return [of.of(common) for of in found]

  @functools.cached_property
  def _reference(self) -> Drawn:
    of = self.committed
    return drawn(of.problems['train'], of.reference, 1)

  def matched(self, mix: Mix, other: Mix) -> bool:
    """Whether two mixes cost the same, within 5%.

    In the way that one is matched, the first in turn: by price, as measured, by
    the clock, else by the paper's rule.
    """
    ways: tuple[Matching, ...] = 'price', 'measured', 'wall_clock'
    arms = mix.arm, other.arm
    used: list[Matching] = [
      way for way in ways if any(arm.matched_by(way) for arm in arms)
    ]
    both = self._drawn(mix), self._drawn(other)
    if both[0] == both[1]:
      return bool(both[0])
    share = self.cost(mix, other, used[0] if used else 'compute')
    return share is not None and abs(share - 1) <= 0.05 + 1e-9

  def cost(self, mix: Mix, other: Mix, way: Matching) -> float | None:
    """Returns what a mix costs by what another does; None if nobody says.

    Args:
      mix: The mix.
      other: The other, which samples something.
      way: What costs are counted in, e.g. 'price'; of 'number', in samples.
    """
    unit = self.committed.plan.costs.get(way, {})
    costs = []
    for samples in map(self._drawn, (mix, other)):
      names = {pool.generator for pool in samples}
      each = dict.fromkeys(names, 1.0) if way == 'number' else unit
      if not names or not names <= set(each):
        return None
      costs.append(sum(n * each[p.generator] for p, n in samples.items()))
    return costs[0] / costs[1]

  def _drawn(self, mix: Mix) -> dict[Pool, int]:
    """Samples that a mix draws, of each problem; if these differ, of all."""
    samples = self.samples(mix)
    if not samples or not Enough.of(self.committed.config):
      return samples
    (pool,) = samples  # of the anchor, which may have none here
    return {pool: len(self.of(mix).all)} if pool in self.pools else {}


def read(committed: Committed) -> Data:
  """Returns the data of what was committed."""
  taken = {
    pool: drawn(
      committed.problems['train'],
      committed.pools[pool],
      number,
      {
        (problem, index): is_right
        for (name, problem, index), is_right in committed.labels.items()
        if name == str(pool)
      },
      Enough.of(committed.config),
    )
    for pool, number in committed.plan.pools.items()
  }
  source = chosen_source([*taken.values()], exact_steps=committed.exact_steps)
  return Data(committed, taken, source, Intervals.of(committed.config))
