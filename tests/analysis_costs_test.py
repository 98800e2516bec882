"""Costs by every measure."""

import msgspec
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
    active_params=2.5e9,
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
  assert made.measured_flops == pytest.approx((250 + 150 + 20 + 15) * 5e9)
  totals = {name: made.total(name) for name in ledger.MATCHINGS}
  assert totals == pytest.approx(
    {
      'number': 3,
      'flops': 3 * 80 * 4e9,
      'measured': made.measured_flops,
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
  assert msgspec.structs.asdict(cost(spent=grown)) == pytest.approx(
    msgspec.structs.asdict(cost(spent=SPENT))
  )


def test_what_nobody_measured_is_none():
  api = cost(usd=0.5)
  assert api.total('seconds') is None and api.usd == 0.5
  assert cost().total('price') is None
  assert cost(spent=SPENT, usd=9.0, usd_per_device_hour=1.0).usd == 9.0


def test_decoding_alone_is_no_measured_cost():
  """Of samples from a file of a model whose size is known there is no more."""
  assert cost().decode_flops and cost().measured_flops is None
  whole = cost(spent=SPENT)
  for name in ('decode', 'prefill', 'padding', 'idle'):
    part = msgspec.structs.replace(whole, **{f'{name}_flops': None})
    assert part.measured_flops is None and part.total('measured') is None


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


def test_arms_whose_problems_are_all_alike_have_no_certain_cost():
  """Of six problems with one sound sample each the interval was a point."""
  one, none = np.ones(6), np.zeros(6)
  each = ledger.cost_per_true_sample(2 * one, one, none, one, seed=0)
  assert each.value == 2 and each.low <= 2 and each.high > 3
  wc = {'costs': one, 'correct': one}
  se = {'costs': 2 * one, 'correct': one, 'checked': one, 'unsound': none}
  rate = ledger.break_even_fpr(wc, se, seed=0)
  assert rate.value == 0.5 and rate.low < 0.2 and rate.high > 0.7
