"""Arms of one budget in order: which are certainly better than which."""

from collections.abc import Iterator, Mapping
import itertools
from typing import Any

import numpy as np

from wcse_jax.analysis import gains
from wcse_jax.analysis.seeds import Spread
from wcse_jax.experiment.arms import Matching
from wcse_jax.experiment.plan import Mix
from wcse_jax.results.data import Data
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.students import Spreads, Tested
from wcse_jax.results.types import Estimate, Ranked, Ranking

# How arms are matched that are ranked together.
_WAYS: tuple[Matching, ...] = (
  *('compute', 'price', 'measured', 'wall_clock', 'number'),
)


def rows(
  data: Data, tested: Tested, known: Spreads | None = None
) -> Iterator[Ranking]:
  """Yields the order of arms of a budget: of three, or two beside the anchor.

  Args:
    data: The data.
    tested: What students answered.
    known: How far apart the seeds of one student are.
  """
  config = data.committed.config
  used = {draw.matching for arm in config.arms for draw in arm.draws}
  ways: list[Matching] = [way for way in _WAYS if way in used]
  ways = ways or [_WAYS[0]]
  priced = 'price' in data.committed.plan.costs
  for budget, way in itertools.product(config.budget.by_name, ways):
    alike = {
      str(mix.arm): mix
      for mix in data.mixes
      if mix.budget == budget and mix.arm.draws and not mix.arm.max_drawn
      if {draw.matching for draw in mix.arm.draws} <= {'anchor', way}
    }
    # What is kept or repeated otherwise covers the same.
    plain = {
      arm: mix
      for arm, mix in alike.items()
      if not (mix.arm.keep or mix.arm.epochs or mix.arm.max_kept)
    }
    covering = data.paired(*plain.values()) if plain else []
    coverage = {
      arm: drawn.coverage(drawn.number)
      for arm, drawn in zip(plain, covering, strict=True)
    }
    solved = {
      arm: tested[mix, 'test'].greedy
      for arm, mix in (alike if tested else {}).items()
      if not data.committed.is_left_out(mix)
    }
    apart = {'pass_at_1': (known or {}).get(('test', 'pass_at_1'))}
    anchor = Mix(data.anchor, budget)
    # As many samples do not cost the same.
    unit = way if way != 'number' else 'price' if priced else 'compute'
    costs = {arm: data.cost(mix, anchor, unit) for arm, mix in alike.items()}
    for metric, values in (('coverage', coverage), ('pass_at_1', solved)):
      # With the anchor alone there is a comparison already.
      least = 3 if str(data.anchor) in alike else 2
      if len(values) >= least:
        rows = ranked(values, costs, data.intervals, apart.get(metric))
        yield Ranking(budget=budget, matching=way, metric=metric, **rows)


def ranked(
  values: Mapping[str, np.ndarray],
  costs: Mapping[str, float | None],
  intervals: Intervals,
  spread: Spread | None = None,
) -> dict[str, Any]:
  """Returns the order of arms, and the confidence of the intervals behind it.

  Each pair is compared by an interval whose confidence allows for the number of
  pairs (Bonferroni), so that all of them hold together as often as one does
  elsewhere. An arm's places are those that its certain differences leave it.

  Args:
    values: By arm, a value of each problem, shape (P,), or of each seed and
      problem, shape (S, P).
    costs: By arm, what it costs by what the anchor does, if that is known.
    intervals: How intervals are computed.
    spread: How far apart the seeds of one student are.

  Returns:
    `rows` and `confidence`, as a `Ranking` has them.

  Example:
    >>> made = Intervals(seed=0, num_resamples=99, confidence=0.9)
    >>> some = np.arange(200.0) % 2
    >>> found = ranked({'a': some * 0.0, 'b': some, 'c': some}, {}, made)
    >>> [(of.arm, of.best, of.worst) for of in found['rows']]
    [('b', 1, 2), ('c', 1, 2), ('a', 3, 3)]
  """
  order = sorted(values, key=lambda arm: -float(np.mean(values[arm])))
  pairs = [*itertools.combinations(order, 2)]
  confidence = 1 - (1 - intervals.confidence) / len(pairs)
  options: dict[str, Any] = intervals.options | {'confidence': confidence}
  gain = {}
  for a, b in pairs:
    made = gains.gain(values[a], values[b], spread=spread, **options)
    gain[a, b] = Estimate.of(made['absolute'])
  certain = [pair for pair, of in gain.items() if of.direction > 0]
  rows = tuple(
    Ranked(
      arm=arm,
      value=float(np.mean(values[arm])),
      cost=costs.get(arm),
      best=1 + sum(b == arm for _, b in certain),
      worst=len(order) - sum(a == arm for a, _ in certain),
      ahead=gain.get((order[0], arm)),
    )
    for arm in order
  )
  return {'rows': rows, 'confidence': confidence}
