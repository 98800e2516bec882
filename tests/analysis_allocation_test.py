"""Allocation spends where it should; its estimators are unbiased."""

import itertools

import numpy as np
import pytest

from wcse_jax.analysis import allocation

FIRST = (2, 6)


def simulate(p_AxP, seed, **kwargs):
  """Adaptive allocation in a world of known rates; checks what it asks for."""
  rng = np.random.default_rng(seed)
  p_AxP = np.asarray(p_AxP)
  seen = np.zeros(p_AxP.shape, int)

  def draw(arms, problems, indices):
    assert len(set(problems)) == len(problems)
    np.testing.assert_array_equal(indices, seen[arms, problems])
    seen[arms, problems] += 1
    return rng.random(len(arms)) < p_AxP[arms, problems]

  none = np.zeros(p_AxP.shape, int)
  options = {
    'chances': lambda tried, correct: np.ones(p_AxP.shape),
    'costs_A': [1.0] * len(p_AxP),
    'limits_A': [10**6] * len(p_AxP),
    'tried_AxP': none,
    'correct_AxP': none,
    **kwargs,
  }
  return allocation.adaptive(draw, **options)


def test_solved_problems_get_no_more():
  made = simulate([[1.0, 0.0, 0.0]], 0, budget=11, batch=2)
  assert made.tried_AxP.tolist() == [[1, 5, 5]]
  assert made.correct_AxP.tolist() == [[1, 0, 0]]
  assert made.spent == 11 and made.covered == pytest.approx(1 / 3)


def test_a_target_of_several_stops_exactly_there():
  made = simulate([[0.7] * 50, [0.4] * 50], 0, budget=1e4, target=3)
  assert (made.correct_AxP.sum(axis=0) == 3).all()


def test_the_budget_is_spent_and_never_passed():
  costs = [1.0, 3.0]
  made = simulate([[0.0] * 7] * 2, 0, budget=100, costs_A=costs)
  assert made.spent == 100
  assert (made.tried_AxP.sum(axis=1) * costs).sum() == 100
  made = simulate([[0.0] * 7], 0, budget=100, limits_A=[4])
  assert made.spent == 28 and (made.tried_AxP == 4).all()


def test_a_dear_arm_is_used_where_it_is_worth_its_cost():
  chances = np.array([[0.3, 0.1, 0.0], [0.6, 0.6, 0.0]])
  made = simulate(
    chances,
    0,
    budget=4,
    costs_A=[1.0, 3.0],
    chances=lambda tried, correct: chances,
    batch=1,
    limits_A=[1, 1],
  )
  assert made.tried_AxP.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_what_is_left_goes_to_an_arm_that_it_pays_for():
  made = simulate(
    np.zeros((2, 5)),
    0,
    budget=10,
    costs_A=[1.0, 3.0],
    chances=lambda tried, correct: np.array([[0.1] * 5, [0.9] * 5]),
    batch=1,
  )
  assert made.tried_AxP.sum(axis=1).tolist() == [1, 3]


def test_a_first_round_beyond_the_budget_is_refused():
  with pytest.raises(ValueError, match='first round costs 6 of 5'):
    simulate([[0.5] * 6], 0, budget=5, tried_AxP=np.ones((1, 6), int))


def test_it_covers_more_than_uniform_allocation_for_the_same():
  p = np.random.default_rng(0).beta(0.4, 0.9, size=(1, 2000))
  made = simulate(p, 0, budget=6000)
  first, uniform = (1 - (1 - p) ** k for k in (1, 3))
  more = (made.covered - first.mean()) / (uniform.mean() - first.mean()) - 1
  assert more > 0.1


def outcomes(target, cap):
  """Every way in which sampling can end: (outcomes, tried, correct)."""
  for flags in itertools.product((0, 1), repeat=cap):
    done = np.flatnonzero(np.cumsum(flags) == target)
    tried = done[0] + 1 if done.size else cap
    yield flags, tried, sum(flags[:tried])


@pytest.mark.parametrize('target, cap', [(1, 4), (2, 5), (3, 5)])
def test_stopped_coverage_is_unbiased_by_enumeration(target, cap):
  p = 0.35
  for k in range(1, cap + 1):
    expected = sum(
      p ** sum(flags)
      * (1 - p) ** (cap - sum(flags))
      * allocation.stopped_coverage_at_k([tried], [correct], target, k)[0]
      for flags, tried, correct in outcomes(target, cap)
    )
    assert expected == pytest.approx(1 - (1 - p) ** k), k


def test_estimators_are_unbiased_under_adaptive_allocation():
  """The plain share of correct samples is far off; these are not."""
  P, first, later, target = 300, *FIRST, 2
  rng = np.random.default_rng(0)
  p = rng.beta(0.5, 1.0, size=P)
  errors = {'plain': [], 'first': [], 'stopped': []}
  for seed in range(200):
    made = simulate([p], seed, budget=1e6, limits_A=[later], target=target)
    tried, correct = made.tried_AxP[0], made.correct_AxP[0]
    truth = 1 - (1 - p) ** first
    errors['plain'].append((correct / tried - p).mean())
    errors['stopped'].append(
      (
        allocation.stopped_coverage_at_k(tried, correct, target, first) - truth
      ).mean()
    )
    errors['first'].append(
      (allocation.stopped_coverage_at_k(tried, correct, target, 1) - p).mean()
    )
  z = {
    name: np.mean(e) / (np.std(e) / np.sqrt(len(e)))
    for name, e in errors.items()
  }
  assert abs(z['stopped']) < 3.5 and abs(z['first']) < 3.5, z
  assert z['plain'] > 10, 'the test must be able to see a bias'


def test_stopping_at_a_budget_leaves_the_first_round_unbiased():
  """Which samples come later depends on outcomes; the first ones do not."""
  rng = np.random.default_rng(1)
  p = rng.beta(0.5, 1.0, size=200)
  errors = []
  for seed in range(150):
    made = simulate([p], seed, budget=2.5 * p.size)  # all had one or two
    estimate = allocation.stopped_coverage_at_k(
      made.tried_AxP[0], made.correct_AxP[0], 1, 1
    )
    errors.append((estimate - p).mean())
  assert abs(np.mean(errors)) < 3.5 * np.std(errors) / np.sqrt(150)


def test_too_few_samples_for_k_are_refused():
  with pytest.raises(ValueError, match='smaller k'):
    allocation.stopped_coverage_at_k([5, 2], [0, 0], 1, 3)
  with pytest.raises(ValueError, match='more than 1 correct'):
    allocation.stopped_coverage_at_k([5], [2], 1, 3)
  stopped = allocation.stopped_coverage_at_k([2, 5], [1, 1], 1, 3)
  assert stopped.tolist() == [1.0, 0.0]


def test_inverse_probability_corrects_for_who_was_seen():
  rng = np.random.default_rng(0)
  value = rng.random(400)
  chance = 0.2 + 0.7 * value  # the good ones are seen more often
  plain, weighted = [], []
  for _ in range(300):
    seen = rng.random(400) < chance
    hidden = np.where(seen, value, np.nan)
    plain.append(np.nanmean(hidden) - value.mean())
    weighted.append(
      allocation.inverse_probability_mean(hidden, seen, chance) - value.mean()
    )
  error = np.std(weighted) / np.sqrt(300)
  assert abs(np.mean(weighted)) < 3.5 * error
  assert np.mean(plain) > 0.05
