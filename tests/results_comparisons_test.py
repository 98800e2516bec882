"""Pairs of arms and of students, paired by problem."""

import made_data as made
import msgspec
import numpy as np
import pytest

from wcse_jax.analysis import seeds as seeds_lib
from wcse_jax.experiment import config
from wcse_jax.results import comparisons
from wcse_jax.results.intervals import Intervals

INTERVALS = Intervals(seed=0, num_resamples=200, confidence=0.95)
PAIR = comparisons.Pair('a', 'b', True, INTERVALS)


def seeds(rates, draw):
  """Seeds that solve so many problems, from the first on: easy ones first."""
  rng = np.random.default_rng(draw)
  ease = np.arange(100) / 100 + rng.normal(scale=0.05, size=100)
  return np.array([ease < rate for rate in rates], float)


def width(estimate):
  return estimate.high - estimate.low


def test_seeds_that_differ_make_intervals_wider():
  wc, se = seeds((0.3, 0.6, 0.45), 1), seeds((0.40, 0.35, 0.30), 2)
  row = PAIR.compare('pass_at_1', wc, se)
  as_one = PAIR.compare('pass_at_1', wc.mean(0), se.mean(0))
  assert row.absolute.value == pytest.approx(as_one.absolute.value)
  assert width(row.absolute) > 1.5 * width(as_one.absolute)
  assert width(row.relative) > 1.5 * width(as_one.relative)
  assert row.mde == as_one.mde  # of these students, whatever their seeds are
  assert (row.mde_of_data, as_one.mde_of_data) == (msgspec.UNSET,) * 2
  spread = seeds_lib.pooled([wc, se, wc + 0.1])
  known = PAIR.compare('pass_at_1', wc, se, spread)
  assert known.mde_of_data > 1.5 * as_one.mde == 1.5 * known.mde
  assert row.by_seed == pytest.approx((wc - se).mean(axis=1).tolist())
  assert as_one.by_seed == ()


def test_false_positives_are_compared():
  wc = np.arange(40) < 12, np.arange(40) < 30
  se = np.arange(40) < 2, np.arange(40) < 20
  sides = ([x.astype(float) for x in of] for of in (wc, se))
  row = PAIR.compare_rates('fpr', *sides)
  assert row.metric == 'fpr'
  assert row.absolute.value == pytest.approx(12 / 30 - 2 / 20)
  assert row.relative.value == pytest.approx(3.0)
  assert row.absolute.low > 0
  assert 0.1 < row.mde < 0.4


def test_data_that_are_the_same_are_not_compared():
  """Of what is verified otherwise, only students differ."""
  pools = {
    made.WC: made.sampled('wc', [[True] * 30] * 20),
    made.SE: made.sampled('se', [[False, True] * 5] * 20),
  }
  data = made.read(pools, ('se', 'se=all', 'wc_compute_matched'), 1, 10)
  found = {(row.a, row.b) for row in comparisons.rows(data, {})}
  assert found == {
    (f'wc_compute_matched-{budget}', f'se-{budget}')
    for budget in ('low', 'high')
  }


@pytest.mark.parametrize(
  ('arm', 'other', 'compared'),
  [
    ('reference', 'se', True),
    ('se', 'reference', False),
    ('wc_number_matched', 'se@1.2', True),
    ('wc_number_matched=all', 'se@1.2', False),
    ('wc_number_matched=all', 'se=all', True),
    ('se@1.2=all', 'se@1.2', True),
    ('se@1.2', 'se@1.2=all', False),
    ('se+wc_number_matched', 'se@1.2', False),
    ('wc_compute_matched=all', 'wc_compute_matched=random', True),
    ('wc_compute_matched~1', 'wc_compute_matched', False),
  ],
)
def test_pairs_that_say_something_are_compared(arm, other, compared):
  of, against = made.config((arm, other)).arms
  assert comparisons._compared(of, against, config.SE) == compared
