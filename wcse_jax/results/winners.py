"""Who wins by which cost, and up to which rate of false positives."""

from collections.abc import Callable, Iterator, Mapping
import functools
from typing import Any

import numpy as np

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.results import arms
from wcse_jax.results.comparisons import prefix
from wcse_jax.results.costs import PoolCost
from wcse_jax.results.data import ANCHOR, Data
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.students import Tested
from wcse_jax.results.types import BreakEven, Estimate, Winners
from wcse_jax.results.types.comparisons import Matched

_GAINS = ('absolute', 'relative')
_NO_STUDENT = 'no student of this budget is nearer'


def rows(data: Data, tested: Tested, of_pool: PoolCost) -> Iterator[Winners]:
  """Yields who wins at each budget of the anchor, matched in each way.

  Data may be of any number of samples; students only those of that budget,
  which were shown as many examples.
  """
  plan, config = data.committed.plan, data.committed.config
  (anchor,) = ANCHOR.pools
  for other in plan.pools:
    if other == anchor or other.temperature or ANCHOR not in config.arms:
      continue
    sides = {'wc': other, 'se': anchor}
    costs = {
      side: _Lazy(plan.pools[pool], functools.partial(of_pool, pool))
      for side, pool in sides.items()
    }
    quality = {
      metric: {
        side: _Lazy(
          plan.pools[pool], functools.partial(_quality, data, pool, metric)
        )
        for side, pool in sides.items()
      }
      for metric in ('coverage', 'diversity')
    }
    for budget, number in config.budget.by_name.items():
      about = costs, number, data.intervals
      for metric, values in quality.items():
        yield winners(budget, metric, values, *about)
      for metric, values in _of_students(data, tested, other, budget, number):
        yield winners(budget, metric, values, *about, remedy=_NO_STUDENT)


def _of_students(
  data: Data, tested: Tested, other: Pool, budget: str, number: int
) -> Iterator[tuple[str, dict[str, Mapping[int, np.ndarray]]]]:
  """Yields what students of a budget scored, by samples per problem."""
  like = {
    samples[other]: mix
    for mix in data.mixes
    if mix.budget == budget and not (mix.arm.max_kept or mix.arm.keep)
    for samples in [data.samples(mix)]
    if [*samples] == [other]
  }
  if not tested or not like:
    return
  for test in data.committed.tests:
    yield (
      f'{prefix(test)}pass_at_1',
      {
        'wc': {n: tested[mix, test].greedy for n, mix in like.items()},
        'se': {number: tested[Mix(ANCHOR, budget), test].greedy},
      },
    )


class _Lazy[T](Mapping[int, T]):
  """Values for 1, 2, ... samples per problem, made when they are asked for."""

  def __init__(self, most: int, of: Callable[[int], T]):
    self._ks, self._of = range(1, most + 1), functools.cache(of)

  def __getitem__(self, k: int) -> T:
    return self._of(k)

  def __iter__(self) -> Iterator[int]:
    return iter(self._ks)

  def __len__(self) -> int:
    return len(self._ks)


def _quality(data: Data, pool: Pool, metric: str, k: int) -> np.ndarray:
  """Coverage or diversity of the first k samples of each problem."""
  return getattr(data.pools[pool].first(k), metric)(k)


def winners(
  budget: str,
  metric: str,
  values: Mapping[str, Mapping[int, Any]],
  costs: Mapping[str, Mapping[int, costs_lib.Cost]],
  number: int,
  intervals: Intervals,
  remedy: str = '',
) -> Winners:
  """Returns who wins at a budget, matched in each way.

  Args:
    budget: The name of the anchor's budget.
    metric: What is compared.
    values: What is compared, by side and samples per problem, as
      `analysis.costs.winners` takes it.
    costs: The costs of these samples, likewise.
    number: The anchor's samples per problem.
    intervals: How intervals are computed.
    remedy: What the note of an unmatched row ends with; '' for the usual.
  """
  found = costs_lib.winners(
    values, costs, number, remedy=remedy, **intervals.options
  )
  return Winners(
    budget=budget,
    metric=metric,
    flips=costs_lib.flips(found),
    rows=tuple(map(_matched, found)),
  )


def _matched(row: dict[str, Any]) -> Matched:
  gains = {name: Estimate.of(row[name]) for name in _GAINS if row[name]}
  return Matched(**{**row, **gains})


def break_even(
  data: Data, costs: Mapping[Mix, costs_lib.Cost]
) -> Iterator[BreakEven]:
  """Yields the rate of false positives up to which each arm is cheaper."""
  if ANCHOR not in data.committed.config.arms:
    return
  for mix in data.mixes:
    anchor = Mix(ANCHOR, mix.budget)
    if mix.arm == ANCHOR or not data.samples(mix):
      continue
    ours, theirs = (_true(data, side) for side in (mix, anchor))
    if not theirs['checked'].any():
      continue
    paid, paid_by_anchor = (
      arms.by_problem(data.of(side), costs[side]) for side in (mix, anchor)
    )
    yield BreakEven(
      a=str(mix),
      b=str(anchor),
      fpr={
        matching: Estimate.of(
          costs_lib.break_even_fpr(
            {'costs': costs_P, **ours},
            {'costs': paid_by_anchor[matching], **theirs},
            **data.intervals.options,
          )
        )
        for matching, costs_P in paid.items()
        if matching in paid_by_anchor
      },
    )


def _true(data: Data, mix: Mix) -> dict[str, np.ndarray]:
  """Correct, unsound and checked samples of each problem."""
  drawn = data.of(mix)
  unsound_P, checked_P = drawn.false_positives(data.source)
  return {
    'correct': drawn.num_right_P,
    'unsound': unsound_P,
    'checked': checked_P,
  }
