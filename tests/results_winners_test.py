"""Who wins by which cost."""

import made_data as made
import numpy as np
import pytest

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.experiment import counts
from wcse_jax.experiment.plan import Base
from wcse_jax.records import Answers
from wcse_jax.results import costs, students, winners
from wcse_jax.results.intervals import Intervals

INTERVALS = Intervals(seed=0, num_resamples=200, confidence=0.95)
N = 40


def side(name, values, costs):
  ks = sorted(values)
  return winners.Side(name, ks, values.__getitem__, costs.__getitem__)


def test_winners_know_whether_they_flip():
  rng = np.random.default_rng(0)
  noise = rng.normal(scale=0.1, size=100)
  values = {
    'wc': {1: 0.4 + noise, 2: 0.6 + noise / 2},
    'se': {1: 0.5 + noise[::-1] / 2},
  }
  of = {
    name: {
      k: costs_lib.Cost(
        samples=k,
        rule_flops=k * rule,
        decode_flops=k * 2.0,
        prefill_flops=0.0,
        padding_flops=0.0,
        idle_flops=0.0,
      )
      for k in (1, 2)
    }
    for name, rule in (('wc', 1.0), ('se', 2.0))
  }
  sides = tuple(side(name, values[name], of[name]) for name in ('wc', 'se'))
  made = winners.winners('low', 'coverage', sides, 1, INTERVALS)
  assert {row.matching: row.winner for row in made.rows} == {
    'number': 'se',
    'flops': 'wc',
    'measured': 'se',
    'price': None,
    'seconds': None,
  }
  assert made.flips and made.rows[0].absolute.value < 0
  assert made.rows[3].absolute is None


def test_students_of_another_budget_do_not_match():
  """They were shown fewer examples: 3 samples of the low against the high."""
  arms = ('se', 'wc_compute_matched', 'wc_compute_matched=all')
  pools = {
    pool: made.sampled(str(pool), made.THIRD_WRONG, parts=[made.part()])
    for pool in (made.WC, made.SE)
  }
  data = made.read(pools, arms, 1, 3)
  answers = [
    Answers(
      problem_id=f'p{p}', level=1, greedy='wrong', verdicts=(), answers=()
    )
    for p in range(9)
  ]
  seen = []

  class Tested(dict):
    def __missing__(self, key):
      seen.append(str(key[0]))
      return students.Answered([answers])

  ledgers = {
    pool: costs.ledger(pools[pool], drawn) for pool, drawn in data.pools.items()
  }
  of_pool = costs.of_pools(data, ledgers)
  tested = Tested({(Base(), 'test'): None})
  rows = {
    (of.metric, of.budget, row.matching): row
    for of in winners.rows(data, tested, of_pool)
    for row in of.rows
  }
  assert rows['coverage', 'high', 'number'].other_samples == 3
  student = rows['pass_at_1', 'high', 'number']
  assert student.other_samples is None and student.winner is None
  assert student.note == (
    '3 samples of WC would match; 9 cost 300.0% of what SE does: no student of'
    ' this budget is nearer'
  )
  assert rows['pass_at_1', 'high', 'flops'].other_samples == 9
  assert rows['pass_at_1', 'low', 'flops'].other_samples == 3
  # What is verified otherwise is no student of the same kind.
  assert set(seen) == {
    f'{arm}-{budget}'
    for arm in ('se', 'wc_compute_matched')
    for budget in ('low', 'high')
  }


def test_the_break_even_rate_is_by_each_known_cost():
  """Of WC's samples 30 are right, 12 unsound; of SE's 20 and 2."""
  flags = lambda right, unsound: [
    [None if i >= right else i >= unsound, None] for i in range(N)
  ]
  pools = {
    made.WC: made.sampled('wc', flags(30, 12), lambda i: 15 if i % 2 else 5),
    made.SE: made.sampled('se', flags(20, 2), lambda i: 30 if i % 2 else 10),
  }
  data = made.read(pools, ('se', 'wc_number_matched'))
  of = {
    mix: costs_lib.cost(
      data.of(mix).column('num_tokens').ravel(),
      [False] * 2 * N,
      params=100,
      active_params=110,
      mean_tokens=20,
      prefill_flops=0.0,
      padding_flops=0.0,
      idle_flops=0.0,
    )
    for mix in data.mixes
  }
  *_, row = winners.break_even(data, of)
  assert (row.a, row.b) == ('wc_number_matched-high', 'se-high')
  # By number: 18 of 30 truly correct for the same cost.
  assert row.fpr['number'].value == pytest.approx(1 - 0.9 * 20 / 30)
  # Half the tokens: half the cost.
  assert row.fpr['measured'].value == pytest.approx(1 - 0.9 / 3)
  assert set(row.fpr) == {'number', 'flops', 'measured'}


def linear(fixed=0.0, **units):
  """The cost of 1 to 40 samples of one problem, by their units."""
  flops = dict.fromkeys(('padding_flops', 'idle_flops'), 0.0)
  names = {
    'flops': 'rule_flops',
    'measured': 'decode_flops',
    'price': 'usd',
    'seconds': 'device_seconds',
  }
  return {
    k: costs_lib.Cost(
      samples=k,
      prefill_flops=fixed,
      **flops,
      **{names[matching]: k * unit for matching, unit in units.items()},
    )
    for k in range(1, 41)
  }


def winners_of(values, costs, anchor_samples=1, **options):
  sides = tuple(side(name, values[name], costs[name]) for name in ('wc', 'se'))
  made = winners.winners(
    *('low', 'coverage', sides, anchor_samples, INTERVALS), **options
  )
  return {row.matching: row for row in made.rows}, made.flips


def by_matching(*args, **options):
  return winners_of(*args, **options)[0]


def flat(*ks):
  """Values of 9 problems at these samples of WC."""
  return {'se': {1: np.zeros(9)}, 'wc': {k: np.arange(9.0) for k in ks}}


def test_a_little_more_matches_where_nothing_is_near_below():
  costs = {
    'wc': linear(measured=1.0, flops=1.0),
    'se': linear(measured=9.7, flops=9.0),
  }
  by = by_matching(flat(1, 10), costs)
  assert by['measured'].other_samples == 10 and not by['measured'].note
  assert by['flops'].other_samples == 1 and by['flops'].note


def test_prefill_is_paid_once_however_many_samples_match():
  """SE pays 100 + 48, WC 36 + 16k: seven, and not the nine of 148 / 16."""
  costs = {
    'wc': linear(fixed=36.0, measured=16.0),
    'se': linear(fixed=100.0, measured=48.0),
  }
  everything = by_matching(flat(*range(1, 41)), costs)['measured']
  assert everything.other_samples == 7 and not everything.note
  # Whichever other samples there are.
  assert by_matching(flat(1, 7), costs)['measured'] == everything
  few = by_matching(flat(1, 3), costs)['measured']
  assert few.other_samples == 3
  assert few.note == (
    '7 samples of WC would match; 3 cost 56.8% of what SE does: sample more, or'
    ' give SE another number'
  )


@pytest.mark.parametrize(
  ('unit', 'k', 'is_matched'),
  [(1.9, 1, False), (1.06, 1, False), (1.05, 1, True), (0.94, None, False)],
)
def test_matched_is_within_five_percent_of_the_cost(unit, k, is_matched):
  """1.9 used to count as 1."""
  costs = {'wc': linear(flops=1.0), 'se': linear(flops=unit)}
  row = by_matching(flat(1, 2), costs)['flops']
  assert row.other_samples == k and (row.note == '') == is_matched
  if not is_matched:
    assert row.note == (
      f'{unit:g} samples of WC would match; 1 cost {1 / unit:.1%} of what SE'
      ' does: give SE another number'
    )
    students = by_matching(flat(1, 2), costs, remedy='no student is nearer')
    assert students['flops'].note.endswith('does: no student is nearer')


def test_what_steps_read_flips_the_winner_of_a_mixture():
  """26B-A4B against 31B: cheap by 2PW, and in 64 rows nearly as dear."""
  active, idle, dense = 3.8, 21.4, 30.7
  read = counts.read_params(active, idle, 8 / 128, rows=64)
  costs = {
    'wc': linear(flops=active, seconds=read),
    'se': linear(flops=dense, seconds=dense),
  }
  noise = np.random.default_rng(0).normal(scale=0.1, size=200)
  values = {
    'se': {4: 0.5 + noise},
    'wc': {k: 0.4 + 0.01 * k + noise for k in range(1, 41)},
  }
  by, flips = winners_of(values, costs, anchor_samples=4)
  rule, clock = by['flops'], by['seconds']
  assert (rule.other_samples, rule.winner) == (32, 'wc')
  assert (clock.other_samples, clock.winner) == (5, 'se')
  assert flips


def curves():
  """WC is worse sample for sample, and better from 4 on."""
  noise = np.random.default_rng(0).normal(scale=0.1, size=200)
  level = lambda x: x + noise
  return {
    'se': {1: level(0.5), 2: level(0.6)},
    'wc': {k: level(0.45 + 0.05 * (k - 1) / 3) + 0.001 for k in range(1, 7)},
  }


COSTS = {
  'wc': linear(flops=1.0, measured=1.0, price=0.3),
  'se': linear(flops=3.0, measured=3.99999999999, price=10.5, seconds=1.0),
}


def test_the_winner_flips_with_the_matching():
  by, flips = winners_of(curves(), COSTS)
  assert {name: row.other_samples for name, row in by.items()} == {
    'number': 1,
    'flops': 3,
    'measured': 4,  # a rounding error is not a sample
    'price': 6,
    'seconds': None,
  }
  assert {name: row.winner for name, row in by.items()} == {
    'number': 'se',
    'flops': 'se',
    'measured': 'wc',
    'price': 'wc',
    'seconds': None,
  }
  assert by['number'].absolute.value == pytest.approx(-0.049)
  assert by['measured'].relative.value == pytest.approx(0.001 / 0.5, rel=0.1)
  assert by['price'].note == (
    '35 samples of WC would match; 6 cost 17.1% of what SE does: sample more,'
    ' or give SE another number'
  )
  assert by['seconds'].note == 'a cost is not known'
  assert by['measured'].note == '' and flips
  others = {'wc': linear(flops=1.0, price=0.3), 'se': COSTS['se']}
  by, flips = winners_of(curves(), others)
  # What is not matched decides nothing.
  assert by['price'].winner == 'wc' and by['price'].note and not flips


def test_an_interval_with_zero_is_undecided():
  rng = np.random.default_rng(0)
  values = {'wc': {1: rng.random(50)}, 'se': {1: rng.random(50)}}
  row = by_matching(values, COSTS)['number']
  assert row.winner == 'undecided' and row.absolute.low < 0


def test_seeds_are_a_second_level():
  rng = np.random.default_rng(0)
  seeds = rng.normal(scale=0.2, size=(3, 1))
  values = {
    'wc': {1: rng.normal(scale=0.1, size=(3, 100)) + seeds + 0.1},
    'se': {1: rng.normal(scale=0.1, size=(3, 100))},
  }
  row = by_matching(values, COSTS)['number']
  assert row.winner == 'undecided'
  means = {arm: {1: v[1].mean(axis=0)} for arm, v in values.items()}
  row = by_matching(means, COSTS)['number']
  assert row.winner == 'wc'  # as if the seeds had been all there are
