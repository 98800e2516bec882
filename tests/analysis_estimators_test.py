"""Estimators against brute force, intervals against simulation."""

import itertools
import math

import numpy as np
import pytest

from wcse_jax.analysis import estimators as metrics

rng = np.random.default_rng


def draws(items, k):
  return list(itertools.combinations(items, k))


@pytest.mark.parametrize('M', [1, 2, 5, 7])
def test_coverage_equals_enumeration(M):
  for k, c in itertools.product(range(1, M + 1), range(M + 1)):
    flags = [True] * c + [False] * (M - c)
    expected = np.mean([any(draw) for draw in draws(flags, k)])
    assert metrics.coverage_at_k(M, [c], k) == pytest.approx([expected])


def test_coverage_is_exact_at_its_ends_and_stable_for_many_samples():
  M = 100_000
  covered = metrics.coverage_at_k(M, [0, 1, M], M)
  np.testing.assert_array_equal(covered, [0, 1, 1])
  expected = 1 - math.comb(M - 3, 500) / math.comb(M, 500)
  assert metrics.coverage_at_k(M, [3], 500)[0] == pytest.approx(
    expected, rel=1e-12
  )


def test_coverage_takes_problems_with_unequal_samples():
  np.testing.assert_allclose(
    metrics.coverage_at_k([4, 2], [1, 1], 2), [0.5, 1.0]
  )


@pytest.mark.parametrize('M, c, k', [(3, 1, 4), (3, 1, 0), (3, 4, 1)])
def test_impossible_counts_are_refused(M, c, k):
  with pytest.raises(ValueError, match='samples'):
    metrics.coverage_at_k(M, [c], k)


@pytest.mark.parametrize('counts', [[], [1], [3], [2, 1, 1], [1] * 6])
def test_diversity_equals_enumeration(counts):
  M = 6
  solutions = [i for i, m in enumerate(counts) for _ in range(m)]
  solutions += [None] * (M - len(solutions))  # wrong ones
  for k in range(1, M + 1):
    expected = np.mean([len(set(d) - {None}) for d in draws(solutions, k)])
    actual = metrics.diversity_at_k([counts], M, k)
    assert actual == pytest.approx([expected])


def test_diversity_lies_between_coverage_and_its_bounds():
  M = 12
  for seed in range(20):
    counts = rng(seed).multinomial(M, rng(seed).dirichlet([0.5] * 6))[1:]
    counts = counts[counts > 0]
    for k in range(1, M + 1):
      diversity = metrics.diversity_at_k([counts], M, k)[0]
      coverage = metrics.coverage_at_k(M, [counts.sum()], k)[0]
      assert coverage - 1e-12 <= diversity <= min(k, len(counts)) + 1e-12
    assert diversity == len(counts)  # at k = M nothing is left to chance


def test_solution_key_collapses_white_space_alone():
  assert metrics.solution_key(' 1 +\n 2 ') == '1 + 2'
  assert metrics.solution_key('1 + 2') != metrics.solution_key('2 + 1')
  counts = metrics.multiplicities(['b', 'a', ' b', 'b\n'])
  np.testing.assert_array_equal(counts, [3, 1])


def test_unknown_counts_as_not_correct_and_in_the_upper_bound():
  verdicts = ['correct', 'unknown', 'wrong']
  assert metrics.correct_flags(verdicts).tolist() == [True, False, False]
  assert metrics.correct_flags(verdicts, upper=True).tolist() == [
    True,
    True,
    False,
  ]


def test_pass_at_1_is_coverage_at_1():
  M, c = [4, 1, 1], [3, 1, 0]
  np.testing.assert_allclose(
    metrics.pass_at_1(M, c), metrics.coverage_at_k(M, c, 1)
  )


def test_maj_at_k_by_hand():
  answers = ['5', '7', '7', '5']
  correct = [True, False, False, True]

  def maj(k):
    return metrics.maj_at_k([answers], [correct], k)[0]

  assert maj(1) == 0.5
  assert maj(2) == 0.5  # ties to the first seen: 5, 7, 7, 5
  assert maj(3) == 0.5  # 577, 775, 755, 557
  assert maj(4) == 0.5  # one tie, seen from each start


def test_maj_at_k_ignores_missing_answers():
  assert metrics.maj_at_k(
    [['', '', '5'], ['', '', '']], [[0, 0, 1], [0, 0, 0]], 3
  ).tolist() == [1, 0]


def test_maj_at_k_is_unbiased():
  """Its mean over many problems equals the chance by enumeration."""
  chances = {'5': 0.5, '7': 0.3, '9': 0.2}
  expected = 0.0
  for run in itertools.product(chances, repeat=3):
    top = max(run.count(a) for a in run)
    winner = next(a for a in run if run.count(a) == top)
    expected += (winner == '5') * np.prod([chances[a] for a in run])
  answers = rng(0).choice(
    list(chances), p=list(chances.values()), size=(4000, 5)
  )
  estimate = metrics.maj_at_k(answers.tolist(), list(answers == '5'), 3)
  assert estimate.mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize('k', [0, 3])
def test_maj_at_k_needs_k_answers(k):
  with pytest.raises(ValueError, match='of 2 answers'):
    metrics.maj_at_k([['1', '2']], [[True, False]], k)


def test_false_positives_leave_out_what_was_not_checked():
  unsound, checked = metrics.false_positive_counts(
    [[True, False, None], [], [False]]
  )
  assert unsound.tolist() == [1, 0, 1]
  assert checked.tolist() == [2, 0, 1]
  assert metrics.false_positive_rate(unsound, checked) == pytest.approx(2 / 3)
  assert math.isnan(metrics.false_positive_rate([0], [0]))


def test_bootstrap_is_seeded_and_does_not_depend_on_blocks(monkeypatch):
  values = rng(0).random(50)
  first = metrics.bootstrap(values, seed=1)
  assert first == metrics.bootstrap(values, seed=1)
  assert first != metrics.bootstrap(values, seed=2)
  monkeypatch.setattr(metrics, '_BLOCK', 120)
  assert first == metrics.bootstrap(values, seed=1)


def test_no_success_in_16_problems_is_not_certainty():
  """The interval of 0 of 16 was [0, 0]."""
  none = metrics.bootstrap([0.0] * 16, seed=0, is_share=True)
  assert (none.low, none.high) == (0, pytest.approx(0.2059, abs=1e-4))
  every = metrics.bootstrap([1.0] * 300, seed=0, is_share=True)
  assert (every.low, every.high) == (pytest.approx(0.9878, abs=1e-4), 1)
  rate = metrics.ratio_bootstrap([0, 0, 0], [4, 0, 2], seed=0, is_share=True)
  assert (rate.low, rate.high) == (0, pytest.approx(0.8419, abs=1e-4))
  values = rng(0).random(50)
  plain = metrics.bootstrap(values, seed=0)
  assert metrics.bootstrap(values, seed=0, is_share=True) == plain


def test_bootstrap_without_problems_is_refused():
  with pytest.raises(ValueError, match='no problems'):
    metrics.bootstrap([], seed=0)


def coverage_of_intervals(make_estimate, truth, trials=1000):
  estimates = [make_estimate(rng(seed), seed) for seed in range(trials)]
  return np.mean([e.low <= truth <= e.high for e in estimates])


def test_intervals_hold_the_truth_95_times_in_100():
  def estimate(r, seed):
    values = (r.random(200) < 0.4).astype(float)
    return metrics.bootstrap(values, seed=seed, num_resamples=400)

  assert 0.93 <= coverage_of_intervals(estimate, 0.4) <= 0.97


def test_paired_intervals_hold_the_truth_95_times_in_100():
  def estimates(r, seed):
    skill = r.random(200)
    a = (r.random(200) < 0.2 + 0.6 * skill).astype(float)  # mean 0.5
    b = (r.random(200) < 0.6 * skill + 0.1).astype(float)  # mean 0.4
    return metrics.paired_bootstrap(a, b, seed=seed, num_resamples=400)

  gains = [estimates(rng(seed), seed) for seed in range(1000)]
  for name, truth in (('absolute', 0.1), ('relative', 0.25)):
    held = np.mean([g[name].low <= truth <= g[name].high for g in gains])
    assert 0.93 <= held <= 0.97, name


def test_ratio_intervals_hold_the_truth_with_clustered_samples():
  """Samples of a problem are alike: resampling samples would hold about 75%."""

  def estimate(r, seed):
    checked = r.integers(1, 11, size=200)
    unsound = checked * (r.random(200) < 0.3)
    return metrics.ratio_bootstrap(
      unsound, checked, seed=seed, num_resamples=400
    )

  assert 0.93 <= coverage_of_intervals(estimate, 0.3) <= 0.97


def test_pairing_narrows_the_interval():
  skill = rng(0).random(300)
  gain = metrics.paired_bootstrap(skill + 0.1, skill, seed=0)['absolute']
  assert gain.low == pytest.approx(0.1) and gain.high == pytest.approx(0.1)


def test_undefined_is_none_in_json_not_a_number():
  ratio = metrics.ratio_bootstrap([0, 0], [0, 0], seed=0)
  assert ratio.to_dict() == {'value': None, 'low': None, 'high': None}
  gain = metrics.paired_bootstrap([1.0, 0.0], [0.0, 0.0], seed=0)
  assert gain['relative'].to_dict()['value'] is None
  assert gain['absolute'].value == 0.5


def test_rare_empty_resamples_do_not_spoil_a_ratio():
  ratio = metrics.ratio_bootstrap([1, 0, 0], [2, 0, 0], seed=0)
  assert (ratio.value, ratio.low, ratio.high) == (0.5, 0.5, 0.5)


def test_minimum_detectable_effect_is_found_80_times_in_100():
  size = metrics.minimum_detectable_effect(*rng(0).normal(size=(2, 5000)))
  assert size == pytest.approx(
    (1.95996 + 0.84162) * math.sqrt(2 / 5000), rel=0.05
  )
  found = []
  for seed in range(1000):
    d = rng(seed).normal(size=100)
    d = (d - d.mean()) / d.std(ddof=1)  # the observed variance is the true one
    effect = metrics.minimum_detectable_effect(d, np.zeros(100))
    shown = effect + rng(seed + 1000).normal(scale=0.1)
    found.append(abs(shown) > 1.95996 * 0.1)
  assert 0.77 <= np.mean(found) <= 0.83
  assert math.isnan(metrics.minimum_detectable_effect([1.0], [0.0]))


def held(estimates, truth):
  return np.mean([e.low <= truth <= e.high for e in estimates])


@pytest.mark.parametrize('n', [30, 60])
def test_intervals_of_few_problems_hold_the_truth(n):
  """The plain percentile interval held 91 to 93% here: t tails, accelerated."""
  shares, gains, rates = [], [], []
  for seed in range(800):
    r = rng(10**6 + seed)
    options = {'seed': seed, 'num_resamples': 300}
    p = r.beta(0.4, 0.8, n)
    c = r.binomial(10, p)
    coverage = metrics.coverage_at_k(10, c, 3)
    shares.append(metrics.bootstrap(coverage, is_share=True, **options))
    skill = r.random(n)
    a, b = (r.random(n) < low + 0.6 * skill for low in (0.2, 0.1))
    gains.append(metrics.paired_bootstrap(a, b, **options)['relative'])
    unsound = r.binomial(c, r.beta(1, 4, n))
    rates.append(metrics.ratio_bootstrap(unsound, c, is_share=True, **options))
  truth = np.mean(1 - (1 - rng(0).beta(0.4, 0.8, 10**6)) ** 3)
  assert 0.93 <= held(shares, truth) <= 0.97
  assert 0.93 <= held(gains, 0.25) <= 0.97
  assert 0.925 <= held(rates, 0.2) <= 0.97


def test_a_mix_weighs_each_generator_by_its_right_samples():
  right = [[3, 1], [4, 0]]
  all_checked = metrics.mixed_counts(right, [[1, 1], [0, 0]], right)
  assert np.array(all_checked).tolist() == [[1, 1], [7, 1]]
  unsound, checked = metrics.mixed_counts(right, [[1, 0], [0, 0]], [[1, 0]] * 2)
  # One of each was checked, which stands for 4 each: the rate is 4 of 8.
  assert unsound.sum() / checked.sum() == 1 / 2 and checked.sum() == 2
  unsound, checked = metrics.mixed_counts(
    right, [[2, 0], [0, 0]], [[2, 0], [1, 0]]
  )
  assert unsound.sum() / checked.sum() == pytest.approx(1 / 2)
  _, none = metrics.mixed_counts(right, [[1, 0], [0, 0]], [[1, 0], [0, 0]])
  assert not none.any()  # nothing is known of the second
  nothing = metrics.mixed_counts(
    [[2, 2], [0, 0]], [[1, 0], [0, 0]], [[1, 1], [0, 0]]
  )
  assert np.array(nothing).tolist() == [[1, 0], [1, 1]]


def test_the_rate_of_a_mix_that_was_checked_in_part_holds_the_truth():
  """60 of each are checked, of about 320 and 125: by these it would be 0.18."""
  rates = []
  for seed in range(500):
    r = rng(seed)
    ease = r.beta(0.4, 0.8, 75)
    right = np.array([r.binomial(15, 0.85 * ease), r.binomial(5, ease)])
    checked = np.array(
      [r.multivariate_hypergeometric(row, min(60, row.sum())) for row in right]
    )
    own = r.beta([[3], [0.5]], [[7], [9.5]], (2, 75))
    counts = metrics.mixed_counts(right, r.binomial(checked, own), checked)
    rates.append(metrics.ratio_bootstrap(*counts, seed=seed, num_resamples=300))
  assert 0.93 <= held(rates, (0.3 * 12.75 + 0.05 * 5) / 17.75) <= 0.97


def unsound_samples(r, problems, samples, spread, rate=0.05):
  """Unsound and right samples of an SE of S samples and a WC of 3 S.

  Args:
    r: The random numbers.
    problems: How many.
    samples: S.
    spread: Of a problem's own rate: the smaller, the more its samples are
      alike.
    rate: Of false positives, of both.
  """
  ease = r.beta(0.4, 0.8, problems)
  for number, chance in ((3 * samples, 0.85 * ease), (samples, ease)):
    right = r.binomial(number, chance)
    own = r.beta(rate * spread, (1 - rate) * spread, problems)
    yield r.binomial(right, own), right


@pytest.mark.parametrize(
  ('problems', 'samples', 'spread', 'most'),
  [
    (75, 1, 20, 0.985),  # 1 of 25 unsound: wider than it had to be
    (75, 10, 20, 0.97),
    (300, 1, 20, 0.97),
    (300, 10, 20, 0.97),
    (300, 10, 5, 0.97),
  ],
)
def test_gains_of_rare_false_positives_hold_the_truth(
  problems, samples, spread, most
):
  """That of the bootstrapped difference held 85% in the first, 93 in others."""
  gains = [
    metrics.rate_gain(*unsound_samples(rng(seed), problems, samples, spread))
    for seed in range(1000)
  ]
  for name in ('absolute', 'relative'):
    defined = [g[name] for g in gains if not math.isnan(g[name].value)]
    assert len(defined) > 600
    assert 0.93 <= held(defined, 0.0) <= most, name
  for gain in gains:
    absolute = gain['absolute']
    assert absolute.low <= absolute.value <= absolute.high


def test_a_gain_of_rates_is_that_of_the_counts():
  a, b = ([3, 0, 1], [4, 4, 4]), ([1, 0, 0], [4, 2, 0])
  gain = metrics.rate_gain(a, b)
  assert gain['absolute'].value == pytest.approx(1 / 3 - 1 / 6)
  assert gain['relative'].value == pytest.approx(1.0)
  assert gain['relative'].low < 1 < gain['relative'].high
  none = metrics.rate_gain(([0] * 3, [4] * 3), ([0] * 3, [4] * 3))
  assert none['absolute'].low < 0 < none['absolute'].high
  assert math.isnan(none['relative'].value)
  unknown = metrics.rate_gain(a, ([0] * 3, [0] * 3))
  assert math.isnan(unknown['absolute'].value)


def test_pairing_narrows_the_interval_of_a_gain_of_rates():
  a, _ = unsound_samples(rng(0), 300, 10, 5)
  same = metrics.rate_gain(a, a)['absolute']
  others = metrics.rate_gain(a, tuple(np.roll(a, 1, axis=1)))['absolute']
  assert same.high - same.low < (others.high - others.low) / 3


def test_clusters_are_resampled_whole():
  """30 templates of 10 variants each, alike: problems alone would hold 55%."""
  templates = [f't{i // 10}' for i in range(300)]
  estimates, gains, naive = [], [], []
  for seed in range(400):
    skill = np.repeat(rng(seed).random(30), 10)
    a = rng(seed + 10**6).random(300) < skill
    b = rng(seed + 2 * 10**6).random(300) < skill / 2
    options = {'seed': seed, 'num_resamples': 300}
    naive.append(metrics.bootstrap(a, **options))
    options['clusters_P'] = templates
    estimates.append(metrics.bootstrap(a, **options))
    gains.append(metrics.paired_bootstrap(a, b, **options)['absolute'])
  assert 0.93 <= held(estimates, 0.5) <= 0.97
  assert 0.93 <= held(gains, 0.25) <= 0.97
  assert held(naive, 0.5) < 0.8


def test_clusters_of_one_are_problems_and_unequal_ones_count_by_size():
  values = rng(0).random(40)
  alone = metrics.bootstrap(values, seed=0, clusters_P=np.arange(40))
  assert vars(alone) == pytest.approx(vars(metrics.bootstrap(values, seed=0)))
  pair = metrics.bootstrap([1, 1, 1, 0], seed=0, clusters_P=[7, 7, 7, 3])
  assert (pair.value, pair.low, pair.high) == (0.75, 0, 1)


def test_a_function_of_means_is_resampled_with_its_columns():
  a = rng(0).random(50)
  half = metrics.function_bootstrap(lambda x, y: x / y, [a, 2 * a], seed=0)
  assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.5, 0.5))
  same = metrics.function_bootstrap(lambda x, y: x - y, [a, a / 2], seed=0)
  assert vars(same) == pytest.approx(vars(metrics.bootstrap(a / 2, seed=0)))


def students(r, seeds, hard, sd, shift):
  """Whether students that differ by seed solve each problem."""
  of_seed = sd * r.normal(size=(seeds, 1))
  of_both = 0.5 * r.normal(size=(seeds, hard.size))
  logit = shift + hard + of_seed + of_both
  return r.random(logit.shape) < 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize('sd', [0.1, 0.15])
def test_two_levels_hold_the_truth_with_three_seeds(sd):
  """Resampling both levels holds 98% where seeds are alike, else down to 79."""
  means, gains = [], {'absolute': [], 'relative': []}
  for seed in range(1000):
    r = rng(seed)
    hard = 2 * r.normal(size=200)
    a, b = (students(r, 3, hard, sd, shift) for shift in (0.3, -0.3))
    means.append(metrics.two_level(a))
    for name, gain in metrics.two_level_gain(a, b).items():
      gains[name].append(gain)
  logit = rng(0).normal(scale=math.hypot(2, sd, 0.5), size=10**6)
  A, B = (np.mean(1 / (1 + np.exp(-logit - shift))) for shift in (0.3, -0.3))
  assert 0.93 <= held(means, A) <= 0.97
  assert 0.93 <= held(gains['absolute'], A - B) <= 0.97
  assert 0.93 <= held(gains['relative'], A / B - 1) <= 0.97


def test_two_levels_by_hand():
  """Variances and degrees of freedom of a 2 x 3 layout."""
  y = np.array([[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]])
  made = metrics.two_level(y, confidence=0.9)
  problems, seeds = (
    np.var([2, 3.5, 6.5], ddof=1) / 3,
    np.var([3, 5], ddof=1) / 2,
  )
  rest = np.sum((y - [[3], [5]] - [2, 3.5, 6.5] + 4) ** 2) / 2 / 6
  variance = problems + seeds - rest
  df = variance**2 / (problems**2 / 2 + seeds**2 + rest**2 / 2)
  t = metrics._t_quantile(0.95, df)
  assert made.value == 4
  assert made.high - 4 == pytest.approx(t * math.sqrt(variance)) == 4 - made.low


def test_a_share_over_seeds_stays_a_share():
  one = np.zeros((3, 20))
  assert metrics.two_level(one, is_share=True).high == pytest.approx(
    1 - 0.025 ** (1 / 20)  # that of 0 of 20
  )
  one[0, :2] = 1
  assert metrics.two_level(one).low < 0
  share = metrics.two_level(one, is_share=True)
  assert share.low == 0 and share.high == metrics.two_level(one).high


def test_a_gain_is_by_what_there_is():
  a, b = rng(0).random((2, 3, 30))
  options = {'seed': 0, 'num_resamples': 200}
  assert metrics.gain(a, b, **options) == metrics.two_level_gain(a, b)
  paired = metrics.paired_bootstrap(a[0], b[0], **options)
  assert metrics.gain(a[0], b[0], **options) == paired
  means = metrics.gain(a[:, :1], b[:, :1], **options)
  assert means['absolute'].value == pytest.approx((a - b)[:, 0].mean())


def test_what_seeds_could_have_shown_grows_with_their_spread():
  a, b = rng(0).normal(size=(2, 3, 300))
  few = metrics.minimum_detectable_effect(a, b)
  flat = metrics.minimum_detectable_effect(a.mean(0), b.mean(0))
  assert few == pytest.approx(flat, rel=0.5)
  spread = a + np.array([[-1.0], [0.0], [1.0]])
  assert metrics.minimum_detectable_effect(spread, b) > 5 * few
  assert math.isnan(metrics.minimum_detectable_effect(a[:, :1], b[:, :1]))


def test_two_levels_need_two_of_each_and_something_that_differs():
  with pytest.raises(ValueError, match='1 seeds on 5 problems'):
    metrics.two_level(np.ones((1, 5)))
  same = metrics.two_level(np.ones((3, 5)))
  assert (same.value, same.low, same.high) == (1, 1, 1)
  gain = metrics.two_level_gain(rng(0).random((3, 5)), np.zeros((3, 5)))
  assert gain['relative'].to_dict()['value'] is None


@pytest.mark.parametrize(
  'probability, df, expected',
  [
    (0.975, 1, 12.7062),
    (0.975, 2, 4.30265),
    (0.95, 5, 2.01505),
    (0.975, 30, 2.04227),
    (0.975, 10**9, 1.95996),
    (0.5, 3, 0.0),
  ],
)
def test_quantiles_of_students_t(probability, df, expected):
  assert metrics._t_quantile(probability, df) == pytest.approx(
    expected, rel=2e-4, abs=1e-3
  )
