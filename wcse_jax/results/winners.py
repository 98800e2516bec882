"""Who wins by which cost, and up to which rate of false positives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools

import msgspec
import numpy as np

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.analysis import gains
from wcse_jax.analysis.seeds import Spread
from wcse_jax.experiment.arms import Pool, called
from wcse_jax.experiment.plan import Mix
from wcse_jax.results import arms
from wcse_jax.results.comparisons import prefix
from wcse_jax.results.costs import PoolCost
from wcse_jax.results.data import Data
from wcse_jax.results.intervals import Intervals
from wcse_jax.results.pools import Drawn
from wcse_jax.results.students import Spreads, Tested
from wcse_jax.results.types import BreakEven, Estimate, Winners
from wcse_jax.results.types.comparisons import ROWS_PER_COST, Matched

_MATCHED = 0.05  # of the cost: what counts as matched
_ROUNDING = 1e-9
_NO_STUDENT = 'no student of this budget is nearer'


@dataclasses.dataclass(frozen=True)
class Side:
  """One of two sides.

  Attributes:
    name: Its name.
    ks: The samples per problem of which there is a value, ascending.
    value: Returns what is compared, of so many samples per problem: a value of
      each problem, shape (P,), or of each seed and problem, shape (S, P).
    cost: Returns what so many samples of all problems cost.
    linear: Whether twice as many samples cost twice as much, prefill apart.
  """

  name: str
  ks: Sequence[int]
  value: Callable[[int], np.ndarray]
  cost: Callable[[int], costs_lib.Cost]
  linear: bool = True


def rows(
  data: Data,
  tested: Tested,
  of_pool: PoolCost,
  known: Spreads | None = None,
) -> Iterator[Winners]:
  """Yields who wins at each budget of the anchor, matched in each way.

  Data may be of any number of samples; students only those of that budget,
  which were shown as many examples. Arms that end with as many right solutions
  are told by what these cost: no number of samples is then matched.
  """
  (anchor,) = data.anchor.pools
  of = data.committed.config
  if data.anchor not in of.arms:
    return
  pools = [*data.committed.plan.pools]
  others = [of for of in pools if of != anchor and of.temperature is None]
  for other in others:
    told = (
      _of_rows(data, of_pool, other)
      if of.budget.rows
      else _of_pair(data, tested, of_pool, (other, anchor), known)
    )
    for found in told:
      several = len(others) > 1
      yield msgspec.structs.replace(
        found, other=str(other) if several else msgspec.UNSET
      )


def _of_rows(data: Data, of_pool: PoolCost, other: Pool) -> Iterator[Winners]:
  """Yields whose right solutions are cheaper, of arms that end with as many.

  Of another's arms it is the one that takes the most samples of a problem. It
  is of the problems that both have sampled, the ones that came last left out.
  """
  for budget in data.committed.config.budget.by_name:
    theirs = Mix(data.anchor, budget)
    ours = max(
      (mix for mix in data.mixes if [*data.samples(mix)] == [other]),
      key=lambda mix: data.samples(mix)[other],
    )
    sides = ours, theirs
    right = [of.num_right_P for of in data.paired(*sides)]
    number = min(map(len, right))
    (k,), (n,) = (data.samples(mix).values() for mix in sides)
    if number < 2:
      continue
    paid = [
      arms.by_problem(data.of(mix), of_pool(*of))
      for mix in sides
      for of in data.samples(mix).items()
    ]
    found = []
    for matching in costs_lib.MATCHINGS:
      row = Matched(matching=matching, other_samples=k, anchor_samples=n)
      if not all(matching in of for of in paid):
        row = msgspec.structs.replace(row, note='a cost is not known')
        found.append(row)
        continue
      costs = [of[matching][:number] for of in paid]
      relative = Estimate.of(
        costs_lib.cheaper(*costs, *right, **data.intervals.options)
      )
      names = {1: str(other), 0: 'undecided', -1: str(*data.anchor.pools)}
      winner = names[relative.direction]
      found.append(
        msgspec.structs.replace(row, relative=relative, winner=winner)
      )
    decided = {row.winner for row in found}
    yield Winners(
      budget=budget,
      metric=ROWS_PER_COST,
      flips={str(other), str(*data.anchor.pools)} <= decided,
      rows=tuple(found),
    )


def _of_pair(
  data: Data,
  tested: Tested,
  of_pool: PoolCost,
  pair: tuple[Pool, Pool],
  known: Spreads | None,
) -> Iterator[Winners]:
  """Yields who of two pools wins; see `rows`."""
  plan, config = data.committed.plan, data.committed.config
  other, anchor = pair

  def quality(pool: Pool, metric: str) -> Side:
    drawn, ks = data.pools[pool], range(1, plan.pools[pool] + 1)
    value = functools.cache(lambda k: getattr(drawn.first(k), metric)(k))
    cost = functools.partial(of_pool, pool)
    return Side(str(pool), ks, value, cost, linear=not config.budget.right)

  def student(pool: Pool, mixes: Mapping[int, Mix], test: str) -> Side:
    value = lambda k: tested[mixes[k], test].greedy
    ks = sorted(mixes)
    cost = functools.partial(of_pool, pool)
    return Side(str(pool), ks, value, cost, linear=not config.budget.right)

  of_data = {
    metric: (quality(other, metric), quality(anchor, metric))
    for metric in ('coverage', 'diversity')
  }
  for budget, number in config.budget.by_name.items():
    for metric, sides in of_data.items():
      yield winners(budget, metric, sides, number, data.intervals)
    like = {
      samples[other]: mix
      for mix in data.mixes
      if not data.committed.is_left_out(mix)
      and mix.budget == budget
      and not (mix.arm.max_kept or mix.arm.keep or mix.arm.epochs)
      for samples in [data.samples(mix)]
      if [*samples] == [other]
    }
    if data.committed.is_left_out(Mix(data.anchor, budget)):
      continue
    for test in data.committed.tests if tested and like else ():
      yield winners(
        budget,
        f'{prefix(test)}pass_at_1',
        (
          student(other, like, test),
          student(anchor, {number: Mix(data.anchor, budget)}, test),
        ),
        number,
        data.intervals,
        remedy=_NO_STUDENT,
        spread=(known or {}).get((test, 'pass_at_1')),
      )


def winners(
  budget: str,
  metric: str,
  sides: tuple[Side, Side],
  number: int,
  intervals: Intervals,
  remedy: str = '',
  spread: Spread | None = None,
) -> Winners:
  """Returns who wins at a budget, matched in each way: does the winner flip?

  Args:
    budget: The name of the budget.
    metric: What is compared.
    sides: Two sides; of the first as many samples per problem are taken as cost
      the same: the largest number that costs no more; if that is more than 5%
      less, one of up to 5% more.
    number: The second's samples per problem, of which it has a value.
    intervals: How intervals are computed.
    remedy: What the note of an unmatched row ends with; '' for the usual.
    spread: How far apart the seeds of one student are.

  WC is better with as many samples; as many cost half of what SE's do:

  >>> cost_of = lambda n, flops: costs_lib.Cost(samples=n, rule_flops=flops)
  >>> score = lambda k: np.full(2, k / 2)
  >>> wc = Side('wc', [1, 2], score, lambda k: cost_of(2 * k, 5 * k))
  >>> se = Side('se', [1], lambda k: score(k) / 2, lambda k: cost_of(2, 10))
  >>> intervals = Intervals(seed=0, num_resamples=9, confidence=0.9)
  >>> made = winners('low', 'coverage', (wc, se), 1, intervals)
  >>> [(row.other_samples, row.absolute.value) for row in made.rows[:2]]
  [(1, 0.25), (2, 0.75)]
  """
  found = tuple(
    _matched(matching, sides, number, intervals, remedy, spread)
    for matching in costs_lib.MATCHINGS
  )
  decided = {row.winner for row in found if not row.note}
  flips = {side.name for side in sides} <= decided
  return Winners(budget=budget, metric=metric, flips=flips, rows=found)


def _matched(
  matching: str,
  sides: tuple[Side, Side],
  number: int,
  intervals: Intervals,
  remedy: str,
  spread: Spread | None,
) -> Matched:
  ours, theirs = sides
  row = Matched(matching=matching, anchor_samples=number)
  paid = theirs.cost(number).total(matching)
  ks = ours.ks
  if not paid or not ours.cost(ks[0]).total(matching):
    return msgspec.structs.replace(row, note='a cost is not known')
  ratios = {k: (ours.cost(k).total(matching) or 0) / paid for k in ks}
  is_near = {k: abs(ratios[k] - 1) <= _MATCHED + _ROUNDING for k in ks}
  k = max((k for k in ks if ratios[k] <= 1 + _ROUNDING), default=None)
  if k is None or not is_near[k]:
    # Nothing below is near enough: a little more may be.
    k = next((j for j in ks if ratios[j] > 1 and is_near[j]), k)
  nearest = ks[0] if k is None else k
  note = ''
  if not is_near[nearest]:
    name, other = called(ours.name), called(theirs.name)
    fixed = ours.cost(nearest).fixed(matching) / paid
    would = max(nearest * (1 - fixed) / (ratios[nearest] - fixed), 0)
    usual = f'give {other} another number'
    if would > ks[-1]:
      usual = f'sample more, or {usual}'
    cost = f'cost {ratios[nearest]:.1%} of what {other} does'
    note = f'{would:.4g} samples of {name} would match; {nearest} {cost}'
    if not ours.linear:  # of more samples fewer are drawn
      note = f'at most {nearest} samples of {name} {cost}'
    note += f': {remedy or usual}'
  if k is None:
    return msgspec.structs.replace(row, note=note)
  made = gains.gain(
    ours.value(k), theirs.value(number), spread=spread, **intervals.options
  )
  absolute = Estimate.of(made['absolute'])
  names = {1: ours.name, 0: 'undecided', -1: theirs.name}
  return msgspec.structs.replace(
    row,
    other_samples=k,
    absolute=absolute,
    relative=Estimate.of(made['relative']),
    winner=names[absolute.direction],
    note=note,
  )


def break_even(
  data: Data, costs: Mapping[Mix, costs_lib.Cost]
) -> Iterator[BreakEven]:
  """Yields the rate of false positives up to which each arm is cheaper."""
  of = data.committed.config
  if data.anchor not in of.arms:
    return
  for mix in data.mixes:
    anchor = Mix(data.anchor, mix.budget)
    if mix.arm == data.anchor or not data.samples(mix):
      continue
    sides = data.paired(mix, anchor)
    ours, theirs = (_true(data, drawn) for drawn in sides)
    if not theirs['checked'].any():
      continue
    # Where rows end it, of the problems that both have sampled.
    number = len(sides[0].problems)
    paid, paid_by_anchor = (
      {
        matching: costs_P[:number]
        for matching, costs_P in arms.by_problem(
          data.of(side), costs[side]
        ).items()
      }
      for side in (mix, anchor)
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


def _true(data: Data, drawn: Drawn) -> dict[str, np.ndarray]:
  """Correct, unsound and checked samples of each problem."""
  unsound_P, checked_P = drawn.false_positives(data.source)
  return {
    'correct': drawn.num_right_P,
    'unsound': unsound_P,
    'checked': checked_P,
  }
