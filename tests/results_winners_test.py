"""Who wins by which cost."""

import made_data as made
import numpy as np
import pytest

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.experiment.plan import Base
from wcse_jax.records import Answers
from wcse_jax.results import costs, students, winners
from wcse_jax.results.intervals import Intervals

INTERVALS = Intervals(seed=0, num_resamples=200, confidence=0.95)
N = 40


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
  made = winners.winners('low', 'coverage', values, of, 1, INTERVALS)
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
  assert rows['coverage', 'high', 'number'].wc_samples == 3
  student = rows['pass_at_1', 'high', 'number']
  assert student.wc_samples is None and student.winner is None
  assert student.note == (
    '3 samples of WC would match; 9 cost 300.0% of what SE does: no student of'
    ' this budget is nearer'
  )
  assert rows['pass_at_1', 'high', 'flops'].wc_samples == 9
  assert rows['pass_at_1', 'low', 'flops'].wc_samples == 3
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
      exact_params=110,
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
