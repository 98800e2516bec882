"""The data of all arms: what of which pools each draws, by whose word."""

from collections.abc import Mapping
import dataclasses
import functools

from wcse_jax.experiment import arms, config
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.results.committed import Committed
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.pools import Drawn, chosen_source, drawn, join

# The arm of the anchor's own samples, which others are compared with.
ANCHOR = next(arms.named(config.GENERATORS, config.ANCHOR))


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

  def of(self, mix: Mix) -> Drawn:
    """The samples of a mix, or its human-written solutions."""
    samples = self.samples(mix)
    if not samples:
      return self._reference.first(1, mix.arm.max_kept)
    return join(
      [self.pools[pool].first(n) for pool, n in samples.items()],
      mix.arm.max_kept,
    )

  @functools.cached_property
  def _reference(self) -> Drawn:
    of = self.committed
    return drawn(of.problems['train'], of.reference, 1)

  def matched(self, mix: Mix, other: Mix) -> bool:
    """Whether two mixes cost the same, within 5%.

    By price, if that is how one is matched; else by the paper's rule.
    """
    of = self.committed
    unit: Mapping[str, float] = of.plan.params_nominal
    if any(side.arm.matched_by('price') for side in (mix, other)):
      unit = {
        generator: price.usd_per_million_output_tokens
        for generator, price in of.prices.items()
      }
    both = self.samples(mix), self.samples(other)
    if both[0] == both[1]:
      return bool(both[0])
    generators = {pool.generator for samples in both for pool in samples}
    if not all(both) or not generators <= set(unit):
      return False
    ours, theirs = (
      sum(n * unit[pool.generator] for pool, n in samples.items())
      for samples in both
    )
    return abs(ours / theirs - 1) <= 0.05


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
    )
    for pool, number in committed.plan.pools.items()
  }
  source = chosen_source([*taken.values()], exact_steps=committed.exact_steps)
  return Data(committed, taken, source, Intervals.of(committed.config))
