"""Costs by every measure, and who wins by each."""

import numpy as np
import pytest

from wcse_jax import ledger

SPENT = {
  'tokens': 1000,
  'prefill_tokens': 300,
  'prefill_padding': 40,
  'refill_idle': 10,
  'tail_idle': 50,
  'device_seconds': 20.0,
}


def cost(**kwargs):
  return ledger.cost(
    [100, 60, 90],
    [True, False, False],
    params=2e9,
    exact_params=2.5e9,
    mean_tokens=80,
    **kwargs,
  )


def test_an_arm_bears_its_share_of_the_pool():
  made = cost(spent=SPENT, usd_per_device_hour=3.6, verify_seconds=7.0)
  assert made.rule_flops == 3 * 80 * 2 * 2e9
  assert made.decode_flops == 250 * 5e9
  assert made.truncated_flops == 100 * 5e9
  assert made.prefill_flops == 300 * 5e9  # once, however many samples
  assert made.idle_flops == pytest.approx(100 * 5e9 / 4)
  assert made.device_seconds == 5.0
  assert made.usd == pytest.approx(0.005)
  assert made.verify_seconds == 7.0 and made.training_flops is None
  assert made.sampling_flops == pytest.approx((250 + 300 + 25) * 5e9)
  assert made.to_dict()['sampling_flops'] == made.sampling_flops
  units = {name: made.unit(name) for name in ledger.MATCHINGS}
  assert units == pytest.approx(
    {
      'number': 1,
      'flops': 80 * 4e9,
      'measured': made.sampling_flops / 3,
      'price': 0.005 / 3,
      'seconds': 5 / 3,
    }
  )


def test_what_nobody_measured_is_none():
  api = cost(usd=0.5)
  assert api.unit('seconds') is None and api.usd == 0.5
  assert cost().unit('price') is None
  assert cost(spent=SPENT, usd=9.0, usd_per_device_hour=1.0).usd == 9.0


def test_dollars_by_the_hour_where_no_price_is_known():
  assert cost(spent=SPENT, usd=None, usd_per_device_hour=3.6).usd == 0.005


def test_parts_of_an_arm_add_up():
  a, b = cost(spent=SPENT, usd=0.25), cost(usd=0.5)
  total = ledger.add([a, b])
  assert total.samples == 6 and total.usd == 0.75
  assert total.decode_flops == a.decode_flops + b.decode_flops
  assert total.device_seconds is None  # of b it is not known
  assert ledger.add([]).samples == 0 and ledger.add([]).unit('flops') is None


def test_problems_bear_their_tokens_or_all_the_same():
  by = cost(spent=SPENT).by_problem([50, 150, 0, 50])
  assert set(by) == {'number', 'flops', 'measured', 'seconds'}
  np.testing.assert_allclose(by['number'], 3 / 4)
  np.testing.assert_allclose(by['seconds'], [1, 3, 0, 1])
  for matching, costs in by.items():
    assert costs.sum() == pytest.approx(cost(spent=SPENT).total(matching))


def test_a_little_more_matches_where_nothing_is_near_below():
  units = {'measured': {'wc': 1.0, 'se': 9.7}, 'flops': {'wc': 1.0, 'se': 9.0}}
  values = {
    'se': {1: np.zeros(9)},
    'wc': {1: np.ones(9), 10: np.arange(9.0)},
  }
  by = {
    row['matching']: row for row in ledger.winners(values, units, 1, seed=0)
  }
  assert by['measured']['wc_samples'] == 10 and not by['measured']['note']
  assert by['flops']['wc_samples'] == 1 and by['flops']['note']


def curves():
  """WC is worse sample for sample, and better from 4 on."""
  noise = np.random.default_rng(0).normal(scale=0.1, size=200)
  level = lambda x: x + noise
  return {
    'se': {1: level(0.5), 2: level(0.6)},
    'wc': {k: level(0.45 + 0.05 * (k - 1) / 3) + 0.001 for k in range(1, 7)},
  }


UNITS = {
  'number': {'wc': 1, 'se': 1},
  'flops': {'wc': 1.0, 'se': 3.0},
  'measured': {'wc': 1.0, 'se': 3.99999999999},
  'price': {'wc': 0.3, 'se': 10.5},
  'seconds': {'wc': None, 'se': 1.0},
}


def test_the_winner_flips_with_the_matching():
  rows = ledger.winners(curves(), UNITS, 1, seed=0)
  by = {row['matching']: row for row in rows}
  assert {name: row['wc_samples'] for name, row in by.items()} == {
    'number': 1,
    'flops': 3,
    'measured': 4,  # a rounding error is not a sample
    'price': 6,
    'seconds': None,
  }
  assert {name: row['winner'] for name, row in by.items()} == {
    'number': 'se',
    'flops': 'se',
    'measured': 'wc',
    'price': 'wc',
    'seconds': None,
  }
  assert by['number']['absolute'].value == pytest.approx(-0.049)
  assert by['measured']['relative'].value == pytest.approx(0.001 / 0.5, rel=0.1)
  assert by['price']['note'] == (
    '35 samples of WC would match; there are 6: sample more, or give SE another'
    ' number'
  )
  assert by['seconds']['note'] == 'a cost is not known'
  assert by['measured']['note'] == '' and ledger.flips(rows)
  unmatched = [row for row in rows if row['matching'] != 'measured']
  assert not ledger.flips(unmatched)  # what is not matched decides nothing


def test_an_interval_with_zero_is_undecided():
  rng = np.random.default_rng(0)
  values = {'wc': {1: rng.random(50)}, 'se': {1: rng.random(50)}}
  (row,) = ledger.winners(values, {'number': UNITS['number']}, 1, seed=0)
  assert row['winner'] == 'undecided' and row['absolute'].low < 0


def test_seeds_are_a_second_level():
  rng = np.random.default_rng(0)
  seeds = rng.normal(scale=0.2, size=(3, 1))
  values = {
    'wc': {1: rng.normal(scale=0.1, size=(3, 100)) + seeds + 0.1},
    'se': {1: rng.normal(scale=0.1, size=(3, 100))},
  }
  (row,) = ledger.winners(values, {'number': UNITS['number']}, 1, seed=0)
  assert row['winner'] == 'undecided'
  means = {arm: {1: v[1].mean(axis=0)} for arm, v in values.items()}
  (row,) = ledger.winners(means, {'number': UNITS['number']}, 1, seed=0)
  assert row['winner'] == 'wc'  # as if the seeds had been all there are


def test_a_budget_without_values_is_named():
  with pytest.raises(ValueError, match=r'at 5 samples.*SE has \[1, 2\]'):
    ledger.winners(curves(), UNITS, 5, seed=0)


def arm(cost, correct, unsound=0, checked=0, problems=40):
  """Per problem: what it cost, and samples."""
  return {
    'costs': np.full(problems, cost),
    'correct': np.full(problems, correct),
    'unsound': np.full(problems, unsound),
    'checked': np.full(problems, checked),
  }


def test_false_positives_make_a_sample_dearer():
  a = arm(cost=12.0, correct=4, unsound=1, checked=3)
  made = ledger.cost_per_true_sample(*a.values(), seed=0)
  assert made.value == pytest.approx(12 / (4 * 2 / 3))


def test_at_the_break_even_rate_both_cost_the_same():
  wc = arm(cost=10.0, correct=5)
  se = arm(cost=10.0, correct=3, unsound=1, checked=10)
  rate = ledger.break_even_fpr(wc, se, seed=0).value
  assert rate == pytest.approx(1 - 0.9 * 3 / 5)
  wc |= {'unsound': np.full(40, rate), 'checked': np.ones(40)}
  costs = [
    ledger.cost_per_true_sample(*a.values(), seed=0).value for a in (wc, se)
  ]
  assert costs[0] == pytest.approx(costs[1])


def test_break_even_below_zero_means_that_se_is_cheaper_anyway():
  wc, se = arm(cost=10.0, correct=2), arm(10.0, 3, unsound=0, checked=1)
  assert ledger.break_even_fpr(wc, se, seed=0).value == pytest.approx(-0.5)


def test_break_even_interval_holds_the_truth():
  truth = 1 - 0.8 * 0.4 / 0.6
  held = []
  for seed in range(300):
    rng = np.random.default_rng(seed)
    n = 150
    wc = {'costs': np.full(n, 3.0), 'correct': rng.binomial(3, 0.6, n) / 3}
    correct = rng.binomial(1, 0.4, n)
    se = {
      'costs': np.full(n, 3.0),
      'correct': correct,
      'unsound': correct * rng.binomial(1, 0.2, n),
      'checked': correct,
    }
    made = ledger.break_even_fpr(wc, se, seed=seed, num_resamples=300)
    held.append(made.low <= truth <= made.high)
  assert 0.92 <= np.mean(held) <= 0.98


def test_nothing_checked_is_undefined():
  a = arm(cost=1.0, correct=1)
  assert ledger.cost_per_true_sample(*a.values(), seed=0).to_dict() == {
    'value': None,
    'low': None,
    'high': None,
  }
