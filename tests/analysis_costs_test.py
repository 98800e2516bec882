"""Costs by every measure, and who wins by each."""

import dataclasses

import numpy as np
import pytest

from wcse_jax.analysis import costs as ledger

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
    prefill_tokens=150,
    **kwargs,
  )


def test_an_arm_bears_its_share_of_the_pool():
  made = cost(spent=SPENT, usd_per_device_hour=3.6, verify_seconds=7.0)
  assert made.rule_flops == 3 * 80 * 2 * 2e9
  assert made.decode_flops == 250 * 5e9
  assert made.truncated_flops == 100 * 5e9
  assert made.prefill_flops == 150 * 5e9  # its own, however many samples
  assert made.padding_flops == pytest.approx(150 * 5e9 * 40 / 300)
  assert made.idle_flops == pytest.approx(60 * 5e9 / 4)
  assert made.device_seconds == 5.0
  assert made.usd == pytest.approx(0.005)
  assert made.verify_seconds == 7.0 and made.training_flops is None
  assert made.sampling_flops == pytest.approx((250 + 150 + 20 + 15) * 5e9)
  assert made.to_dict()['sampling_flops'] == made.sampling_flops
  totals = {name: made.total(name) for name in ledger.MATCHINGS}
  assert totals == pytest.approx(
    {
      'number': 3,
      'flops': 3 * 80 * 4e9,
      'measured': made.sampling_flops,
      'price': 0.005,
      'seconds': 5,
    }
  )
  assert made.fixed('measured') == pytest.approx((150 + 20) * 5e9)
  assert {made.fixed(name) for name in ('number', 'flops', 'seconds')} == {0}


def test_what_others_drew_of_the_pool_does_not_change_the_flops_of_an_arm():
  """A pool that grew used to charge each arm its prefill once more."""
  grown = {name: 5 * spent for name, spent in SPENT.items()}
  grown |= {'prefill_tokens': 600, 'prefill_padding': 80}  # in two sessions
  assert cost(spent=grown).to_dict() == pytest.approx(
    cost(spent=SPENT).to_dict()
  )


def test_what_nobody_measured_is_none():
  api = cost(usd=0.5)
  assert api.total('seconds') is None and api.usd == 0.5
  assert cost().total('price') is None
  assert cost(spent=SPENT, usd=9.0, usd_per_device_hour=1.0).usd == 9.0


def test_decoding_alone_is_no_measured_cost():
  """Of samples from a file of a model whose size is known there is no more."""
  assert cost().decode_flops and cost().sampling_flops is None
  whole = cost(spent=SPENT)
  for name in ('decode', 'prefill', 'padding', 'idle'):
    part = dataclasses.replace(whole, **{f'{name}_flops': None})
    assert part.sampling_flops is None and part.total('measured') is None


def test_dollars_by_the_hour_where_no_price_is_known():
  assert cost(spent=SPENT, usd=None, usd_per_device_hour=3.6).usd == 0.005


def test_parts_of_an_arm_add_up():
  a, b = cost(spent=SPENT, usd=0.25), cost(usd=0.5)
  total = ledger.add([a, b])
  assert total.samples == 6 and total.usd == 0.75
  assert total.decode_flops == a.decode_flops + b.decode_flops
  assert total.device_seconds is None  # of b it is not known
  assert ledger.add([]).samples == 0


def test_problems_bear_their_tokens_or_all_the_same():
  by = cost(spent=SPENT).by_problem([50, 150, 0, 50])
  assert set(by) == {'number', 'flops', 'measured', 'seconds'}
  np.testing.assert_allclose(by['number'], 3 / 4)
  np.testing.assert_allclose(by['seconds'], [1, 3, 0, 1])
  for matching, costs in by.items():
    assert costs.sum() == pytest.approx(cost(spent=SPENT).total(matching))


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
    k: ledger.Cost(
      samples=k,
      prefill_flops=fixed,
      **flops,
      **{names[matching]: k * unit for matching, unit in units.items()},
    )
    for k in range(1, 41)
  }


def by_matching(values, costs, se_samples=1, **options):
  rows = ledger.winners(values, costs, se_samples, seed=0, **options)
  return {row['matching']: row for row in rows}


def flat(*ks):
  """Values of 9 problems at these samples of WC."""
  return {'se': {1: np.zeros(9)}, 'wc': {k: np.arange(9.0) for k in ks}}


def test_a_little_more_matches_where_nothing_is_near_below():
  costs = {
    'wc': linear(measured=1.0, flops=1.0),
    'se': linear(measured=9.7, flops=9.0),
  }
  by = by_matching(flat(1, 10), costs)
  assert by['measured']['wc_samples'] == 10 and not by['measured']['note']
  assert by['flops']['wc_samples'] == 1 and by['flops']['note']


def test_prefill_is_paid_once_however_many_samples_match():
  """SE pays 100 + 48, WC 36 + 16k: seven, and not the nine of 148 / 16."""
  costs = {
    'wc': linear(fixed=36.0, measured=16.0),
    'se': linear(fixed=100.0, measured=48.0),
  }
  everything = by_matching(flat(*range(1, 41)), costs)['measured']
  assert everything['wc_samples'] == 7 and not everything['note']
  # Whichever other samples there are.
  assert by_matching(flat(1, 7), costs)['measured'] == everything
  few = by_matching(flat(1, 3), costs)['measured']
  assert few['wc_samples'] == 3
  assert few['note'] == (
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
  assert row['wc_samples'] == k and (row['note'] == '') == is_matched
  if not is_matched:
    assert row['note'] == (
      f'{unit:g} samples of WC would match; 1 cost {1 / unit:.1%} of what SE'
      ' does: give SE another number'
    )
    students = by_matching(flat(1, 2), costs, remedy='no student is nearer')
    assert students['flops']['note'].endswith('does: no student is nearer')


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
  rows = ledger.winners(curves(), COSTS, 1, seed=0)
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
    '35 samples of WC would match; 6 cost 17.1% of what SE does: sample more,'
    ' or give SE another number'
  )
  assert by['seconds']['note'] == 'a cost is not known'
  assert by['measured']['note'] == '' and ledger.flips(rows)
  unmatched = [row for row in rows if row['matching'] != 'measured']
  assert not ledger.flips(unmatched)  # what is not matched decides nothing


def test_an_interval_with_zero_is_undecided():
  rng = np.random.default_rng(0)
  values = {'wc': {1: rng.random(50)}, 'se': {1: rng.random(50)}}
  row = by_matching(values, COSTS)['number']
  assert row['winner'] == 'undecided' and row['absolute'].low < 0


def test_seeds_are_a_second_level():
  rng = np.random.default_rng(0)
  seeds = rng.normal(scale=0.2, size=(3, 1))
  values = {
    'wc': {1: rng.normal(scale=0.1, size=(3, 100)) + seeds + 0.1},
    'se': {1: rng.normal(scale=0.1, size=(3, 100))},
  }
  row = by_matching(values, COSTS)['number']
  assert row['winner'] == 'undecided'
  means = {arm: {1: v[1].mean(axis=0)} for arm, v in values.items()}
  row = by_matching(means, COSTS)['number']
  assert row['winner'] == 'wc'  # as if the seeds had been all there are


def test_a_budget_without_values_is_named():
  with pytest.raises(ValueError, match=r'at 5 samples.*SE has \[1, 2\]'):
    ledger.winners(curves(), COSTS, 5, seed=0)


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
