"""What a pilot foretells, against worlds in which the truth is known."""

import functools

import numpy as np
import pytest

from wcse_jax.analysis import estimators, forecast

KS = (1, 3, 10)
A_AND_B = np.array(
  [(0.9, 0.3), (1.0, 1.3), (0.4, 1.3), (0.4, 8.0), (0.3, 12.0)]
)


@functools.cache
def world(problems=1500, seed=0):
  """Levels, and solve rates (A, P), alike but not the same for both arms."""
  rng = np.random.default_rng(seed)
  levels = np.arange(problems) % 5
  hard = rng.normal(size=problems)
  p = np.zeros((2, problems))
  for arm, shapes in enumerate((A_AND_B, A_AND_B - [0.0, 0.1])):
    score = hard + 0.5 * rng.normal(size=problems)
    for level, (a, b) in enumerate(shapes):
      here = np.flatnonzero(levels == level)
      rates = np.sort(rng.beta(a, b, size=here.size))
      p[arm, here[np.argsort(score[here])]] = rates
  return levels, p


def covered(p_AxP, *samples):
  return 1 - np.prod(
    [(1 - p) ** k for p, k in zip(p_AxP, samples, strict=True)], axis=0
  )


def pilot(p_AxP, share, samples, seed):
  rng = np.random.default_rng(1000 + seed)  # not the world's
  chosen = rng.random(p_AxP.shape[1]) < share
  tried = chosen * np.array(samples)[:, None]
  return tried, rng.binomial(tried, p_AxP)


def test_5_percent_of_a_large_pool_foretell_coverage():
  """Of 7,500 problems, as MATH has, 800 are tried, 5 and 3 times each.

  That is 5% of what 10 samples of SE cost, at a third of the price for WC.
  """
  levels, p = world(7500)
  errors, held = [], []
  for seed in range(12):
    tried, correct = pilot(p, 0.107, (5, 3), seed)
    made = forecast.Forecast(levels, tried, correct, seed=seed, draws=100)
    for samples in [(k, 0) for k in (*KS, 30)] + [(0, k) for k in KS]:
      told, truth = made.coverage(*samples), covered(p, *samples).mean()
      errors.append(abs(told.value - truth))
      held.append(told.low <= truth <= told.high)
  assert np.mean(errors) < 0.015
  assert np.mean(np.array(errors) < 0.03) >= 0.85
  assert np.mean(held) >= 0.85


def test_much_data_is_repeated():
  """With 40 samples of every problem there is nothing to foretell."""
  levels, p = world(300)
  tried, correct = pilot(p, 1.1, (40, 40), 0)
  made = forecast.Forecast(levels, tried, correct, seed=0, draws=50)
  for arm, k in ((0, 3), (0, 30), (1, 10)):
    samples = (k, 0) if arm == 0 else (0, k)
    seen = estimators.coverage_at_k(40, correct[arm], k).mean()
    assert made.coverage(*samples).value == pytest.approx(seen, abs=0.015)


def test_what_the_pilot_has_seen_is_not_left_to_chance():
  levels, p = world(100)
  tried, correct = pilot(p, 1.1, (12, 4), 0)
  made = forecast.Forecast(levels, tried, correct, seed=0, draws=20)
  for samples, solved in (
    ((12, 0), correct[0] > 0),
    ((0, 4), correct[1] > 0),
    ((12, 4), correct.any(axis=0)),
  ):
    told = made.coverage(*samples)
    assert (told.value, told.low, told.high) == pytest.approx(
      [solved.mean()] * 3
    )
  seen = estimators.coverage_at_k(12, correct[0], 5).mean()
  assert made.coverage(5, 0).value == pytest.approx(seen)  # in any order
  more = made.coverage(24, 0)
  assert (correct[0] > 0).mean() <= more.low < more.value < more.high
  (split, *_) = made.rank([(12, 4)])
  assert split.coverage.low == split.coverage.high


def test_few_problems_give_wide_intervals():
  levels, p = world()
  widths = []
  for share in (0.01, 0.2):
    tried, correct = pilot(p, share, (4, 2), 0)
    told = forecast.Forecast(levels, tried, correct, seed=0).coverage(0, 10)
    widths.append(told.high - told.low)
  assert widths[0] > 2 * widths[1]


def test_one_model_at_three_prices_is_bought_at_the_lowest():
  """Both arms solve the same problems: a second one adds nothing."""
  levels, p = world()
  same = p[[0, 0]]
  tried, correct = pilot(same, 0.3, (5, 5), 0)
  made = forecast.Forecast(levels, tried, correct, seed=0)
  ways = forecast.splits(30, (1, 3))
  ranked = made.rank(ways)
  assert ranked[0].samples[1] <= 2
  assert ranked[-1].samples == (0, 10)
  assert sum(split.chance_best for split in ranked) == pytest.approx(1)
  best = max(ways, key=lambda way: covered(same, *way).mean())
  regret = (
    covered(same, *best).mean() - covered(same, *ranked[0].samples).mean()
  )
  assert regret < 0.01
  truth = covered(same, *ranked[0].samples).mean()
  assert ranked[0].coverage.low <= truth <= ranked[0].coverage.high


def test_what_one_arm_finds_hard_the_other_may_not():
  """Coverage of both together tells arms alike from independent ones."""
  rng = np.random.default_rng(0)
  p = rng.beta(0.4, 1.3, size=1500)
  together = []
  for other in (p, rng.permutation(p)):
    both = np.array([p, other])
    tried, correct = pilot(both, 0.4, (6, 6), 0)
    made = forecast.Forecast(np.zeros(p.size), tried, correct, seed=0)
    told, truth = made.coverage(10, 10).value, covered(both, 10, 10).mean()
    assert told == pytest.approx(truth, abs=0.03)
    together.append(told)
  assert together[1] > together[0] + 0.1


def test_chances_fall_with_failures_and_rise_with_success():
  levels, p = world()
  tried, correct = pilot(p, 1.1, (6, 6), 0)
  made = forecast.Forecast(levels, tried, correct, seed=0, draws=50)
  failures = np.array([0, 1, 5, 20])
  chance = made.chances([2] * 4, [failures, [0] * 4], np.zeros((2, 4)))
  q = p[0][levels == 2]
  expected = [
    (q * (1 - q) ** m).mean() / ((1 - q) ** m).mean() for m in failures
  ]
  np.testing.assert_allclose(chance[0], expected, atol=0.03)
  assert (np.diff(chance[1]) < 0).all()  # SE finds it hard, too
  solved = made.chances([2], [[5], [0]], [[4], [0]])
  assert (solved[:, 0] > chance[:, 0]).all()


def test_diversity_of_a_large_budget_from_a_small_one():
  """Solutions of a problem are drawn from a few ways, some of them rare."""
  rng = np.random.default_rng(1)
  levels, p = world()
  ways = [rng.dirichlet([0.5] * 8) for _ in levels]
  draws = [
    [
      rng.choice(8, size=rng.binomial(m, q), p=way)
      for q, way in zip(p[0], ways, strict=True)
    ]
    for m in (4, 20)
  ]
  small, large = ([np.unique(d).size for d in row] for row in draws)
  made = forecast.Forecast(
    levels,
    np.full((1, levels.size), 4),
    [[d.size for d in draws[0]]],
    [small],
    seed=0,
  )
  assert made.diversity(4).value == pytest.approx(np.mean(small), rel=0.05)
  told = made.diversity(20)
  assert told.value == pytest.approx(np.mean(large), rel=0.12)
  assert made.diversity(1).value == pytest.approx(
    made.coverage(1).value, abs=0.01
  )


@pytest.mark.parametrize('k', [1, 7, 5000])
def test_diversity_is_that_of_samples_drawn_by_the_model(k):
  """Each correct solution is new with the chance theta / (theta + i)."""
  levels, p = world(50)
  tried, correct = pilot(p, 1.1, (4, 2), 0)
  made = forecast.Forecast(levels, tried, correct, correct, seed=0, draws=20)
  new = made._thetas_AxLxR[0, ..., None]
  new = new / (new + np.arange(k))
  unique = np.pad(new.cumsum(axis=-1), ((0, 0), (0, 0), (1, 0)))
  drawn = np.random.default_rng(0).binomial(
    k, made._p_AxLxRxU[0], size=(20, *made._p_AxLxRxU[0].shape)
  )
  each = [
    np.take_along_axis(unique, counts, axis=-1).mean() for counts in drawn
  ]
  told = made.diversity(k, 0).value  # all levels have as many problems
  assert told == pytest.approx(np.mean(each), rel=0.01)


def test_diversity_of_two_arms_is_the_sum():
  levels, p = world(200)
  tried, correct = pilot(p, 1.1, (4, 2), 0)
  made = forecast.Forecast(levels, tried, correct, correct, seed=0)
  wc, se, both = (made.diversity(*k).value for k in ((6, 0), (0, 2), (6, 2)))
  assert both == pytest.approx(wc + se)


def test_worlds_are_like_the_one_the_pilot_came_from():
  """In the mean they solve what is foretold, and keep what was seen."""
  levels, p = world(600)
  tried, correct = pilot(p, 0.5, (8, 8), 0)
  made = forecast.Forecast(levels, tried, correct, seed=0, draws=100)
  worlds = list(made.worlds(100))
  for samples in ((3, 0), (0, 10), (6, 6)):
    drawn = np.mean([covered(world, *samples).mean() for world in worlds])
    assert drawn == pytest.approx(made.coverage(*samples).value, abs=0.01)
  rates = np.mean(worlds, axis=0)
  for arm in (0, 1):
    assert rates[arm][correct[arm] == 8].min() > 0.7
    assert rates[arm][(correct[arm] == 0) & (tried[arm] == 8)].max() < 0.3


def test_splits_spend_the_budget():
  assert forecast.splits(10, (1, 3)) == [(10, 0), (7, 1), (4, 2), (1, 3)]
  assert forecast.splits(0.3, (0.1, 0.3)) == [(3, 0), (0, 1)]
  assert forecast.splits(2, (1, 3)) == [(2, 0)]
  assert forecast.splits(40, (1, 3), most=4) == [
    *((40, 0), (28, 4), (13, 9), (1, 13))
  ]
  many = forecast.splits(12e6, (1, 1e3))
  assert (many[0], len(many), many[-1]) == ((12_000_000, 0), 100, (0, 12_000))


@pytest.mark.parametrize(
  'tried, correct, message',
  [
    ([[1, 1]], [[2, 0]], 'more correct'),
    ([[1, 1]], [[-1, 0]], 'fewer than none'),
    ([[1, 1, 1]], [[0, 0, 0]], 'same problems'),
    ([[1, 1]], [[0, 0], [0, 0]], 'same problems'),
  ],
)
def test_impossible_pilots_are_refused(tried, correct, message):
  with pytest.raises(ValueError, match=message):
    forecast.Forecast([1, 2], tried, correct, seed=0)


def test_it_is_seeded():
  levels, p = world(100)
  tried, correct = pilot(p, 0.5, (4, 2), 0)
  make = lambda seed: forecast.Forecast(levels, tried, correct, seed=seed)
  assert (
    make(1).coverage(5, 5) == make(1).coverage(5, 5) != make(2).coverage(5, 5)
  )
