"""Pairs of arms, paired by problem; each student against what it was."""

from collections.abc import Iterable, Iterator, Mapping
import dataclasses
import itertools

import msgspec
import numpy as np

from wcse_jax.analysis import estimators
from wcse_jax.analysis import gains as gains_lib
from wcse_jax.analysis import intervals as intervals_lib
from wcse_jax.analysis import seeds as seeds_lib
from wcse_jax.experiment.arms import Arm
from wcse_jax.experiment.config import SE, WC
from wcse_jax.experiment.plan import Base, Mix
from wcse_jax.results import paper
from wcse_jax.results.data import Data
from wcse_jax.results.intervals import Counts, Intervals
from wcse_jax.results.students import Spreads, Tested, by_seed, values
from wcse_jax.results.types import Comparison, Estimate
from wcse_jax.results.types.estimate import finite

# What an experiment is made to tell, named before any was run: compute-matched
# data against the anchor's, at its high budget, by greedy pass@1.
_PRIMARY = f'{WC}-high', f'{SE}-high', 'pass_at_1'


def rows(
  data: Data, tested: Tested, known: Spreads | None = None
) -> Iterator[Comparison]:
  """Yields all comparisons; those of students first, of each pair of arms.

  Args:
    data: The data.
    tested: What students answered.
    known: How far apart the seeds of one student are.
  """
  apart = {f'{prefix(of[0])}{of[1]}': it for of, it in (known or {}).items()}
  across = data.committed.config.report.across_budgets
  for pair in pairs(data.mixes, data.anchor, across_budgets=across):
    a, b = map(str, pair)
    sides = Pair(a, b, data.matched(*pair), data.intervals)
    compared: dict[str, list[np.ndarray]] = {}
    without = any(map(data.committed.is_left_out, pair))
    alike = pair[0].budget == pair[1].budget or (a, b) in paper.pairs()
    if tested and not without and alike:
      compared |= _of_students(data, tested, pair)
    # What is verified or repeated otherwise has the data of what is not.
    has_data = all(
      data.samples(mix) and not (mix.arm.keep or mix.arm.epochs) for mix in pair
    )
    drawn = data.paired(*pair) if has_data else []
    if drawn:
      compared |= {
        'coverage': [of.coverage(of.number) for of in drawn],
        'diversity': [of.diversity(of.number) for of in drawn],
      }
    for metric, (of_a, of_b) in compared.items():
      yield sides.compare(metric, of_a, of_b, apart.get(metric))
    if drawn:
      a_P, b_P = (of.diversity_per_solved(of.number) for of in drawn)
      most = drawn[0].most_unique, drawn[1].most_unique
      yield sides.compare_quotients('diversity_per_solved', a_P, b_P, most)
    if tested and not without and alike:
      for test in data.committed.tests:
        counts = [tested[mix, test].false_positives() for mix in pair]
        if all(checked_P.any() for _, checked_P in counts):
          yield sides.compare_rates(f'{prefix(test)}student_fpr', *counts)
    counts = [of.false_positives(data.source) for of in drawn]
    if counts and all(checked_P.any() for _, checked_P in counts):
      yield sides.compare_rates('fpr', *counts)
  if tested:
    for mix, test in itertools.product(data.mixes, data.committed.tests):
      if data.committed.is_left_out(mix):
        continue
      after = tested[mix, test].greedy
      before = np.broadcast_to(tested[Base(), test].greedy, after.shape)
      sides = Pair(str(mix), str(Base()), False, data.intervals)
      metric = f'{prefix(test)}pass_at_1'
      yield sides.compare(metric, after, before, apart.get(metric), students=1)


def prefix(test: str) -> str:
  """What goes before the names of a test's metrics; '' for the own test."""
  return '' if test == 'test' else f'{test}_'


def _of_students(
  data: Data, tested: Tested, pair: tuple[Mix, Mix]
) -> dict[str, list[np.ndarray]]:
  ks, found = data.committed.config.evaluate.ks, {}
  for test in data.committed.tests:
    a, b = (values(tested[mix, test], ks) for mix in pair)
    found |= {f'{prefix(test)}{metric}': [a[metric], b[metric]] for metric in a}
  return found


def pairs(
  mixes: Iterable[Mix], anchor: Arm, *, across_budgets: bool
) -> Iterator[tuple[Mix, Mix]]:
  """Yields what is compared with what.

  Args:
    mixes: The mixes of a run.
    anchor: The arm of the anchor's own samples.
    across_budgets: Whether data are compared with the anchor's of every budget,
      and not of their own budget alone.
  """
  for mix, other in itertools.product(mixes, repeat=2):
    if (str(mix), str(other)) in paper.pairs():
      yield mix, other
      continue
    if mix.arm == other.arm or not _compared(mix.arm, other.arm, anchor):
      continue
    across = across_budgets and other.arm == anchor
    matchings = {draw.matching for draw in mix.arm.draws}
    if mix.budget == other.budget or (across and matchings == {'compute'}):
      yield mix, other


def _compared(arm: Arm, other: Arm, anchor: Arm) -> bool:
  """Whether a pair of arms says something.

  Each against the anchor; another generator against each of the anchor's,
  verified and repeated alike; what was verified or repeated differently, with
  what is otherwise the same; all against as many at random.
  """
  plain = dataclasses.replace(arm, epochs=None)
  return (
    other == anchor
    or (
      bool(arm.draws)
      and not arm.generators & anchor.generators
      and other.generators == anchor.generators
      and arm.keep == other.keep
    )
    or (arm.keep is not None and other == dataclasses.replace(arm, keep=None))
    or (arm.epochs is not None and other in (arm.epochs, plain))
    or (arm.keep == 'all' and other == dataclasses.replace(arm, keep='random'))
  )


@dataclasses.dataclass(frozen=True)
class Pair:
  """Two sides that are compared.

  Attributes:
    a: The name of one side.
    b: The name of the other.
    matched: Whether both cost the same.
    intervals: How intervals are computed.
  """

  a: str
  b: str
  matched: bool
  intervals: Intervals

  def compare(
    self,
    metric: str,
    of_a: np.ndarray,
    of_b: np.ndarray,
    spread: seeds_lib.Spread | None = None,
    students: int = 2,
  ) -> Comparison:
    """Compares what each problem has, or, of shape (S, P), each seed's.

    Args:
      metric: What is compared.
      of_a: The values of one side.
      of_b: The values of the other.
      spread: How far apart the seeds of one student are.
      students: How many of both sides are finetuned.
    """
    apart = {'spread': spread, 'students': students}
    gains = gains_lib.gain(of_a, of_b, **apart, **self.intervals.options)
    row = self._row(metric, gains, (of_a, of_b))
    if np.ndim(of_a) < 2:
      return row
    mde = gains_lib.minimum_detectable_effect(
      of_a, of_b, confidence=self.intervals.confidence, **apart
    )
    return msgspec.structs.replace(
      row,
      by_seed=tuple(by_seed(of_a - of_b)),
      mde_of_data=finite(mde) if spread else msgspec.UNSET,
    )

  def compare_quotients(
    self, metric: str, of_a: Counts, of_b: Counts, most: tuple[int, int]
  ) -> Comparison:
    """Compares quotients of sums over problems, from 1 to `most` of each."""
    gains = gains_lib.quotient_gain(
      of_a, of_b, most=most, **self.intervals.options
    )
    return self._row(metric, gains, (_linear(*of_a), _linear(*of_b)))

  def compare_rates(
    self, metric: str, of_a: Counts, of_b: Counts
  ) -> Comparison:
    """Compares false positive rates.

    The smallest detectable effect is by linearisation.
    """
    gains = gains_lib.rate_gain(
      of_a, of_b, confidence=self.intervals.confidence
    )
    return self._row(metric, gains, (_linear(*of_a), _linear(*of_b)))

  def _row(
    self,
    metric: str,
    gains: Mapping[str, intervals_lib.Estimate],
    values: tuple[np.ndarray, np.ndarray],
  ) -> Comparison:
    mde = gains_lib.minimum_detectable_effect(
      *values, confidence=self.intervals.confidence
    )
    return Comparison(
      a=self.a,
      b=self.b,
      metric=metric,
      matched=self.matched,
      absolute=Estimate.of(gains['absolute']),
      relative=Estimate.of(gains['relative']),
      mde=finite(mde),
      primary=(self.a, self.b, metric) == _PRIMARY,
    )


def _linear(unsound_P: np.ndarray, checked_P: np.ndarray) -> np.ndarray:
  """What each problem adds to a rate's error."""
  rate = estimators.divide(unsound_P.sum(), checked_P.sum())
  return (unsound_P - rate * checked_P) / checked_P.mean()
