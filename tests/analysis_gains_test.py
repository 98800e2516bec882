"""Gains against simulation."""

import functools
import math

import numpy as np
import pytest

from wcse_jax.analysis import gains, intervals
from wcse_jax.analysis import seeds as seeds_lib

rng = np.random.default_rng


def test_paired_intervals_hold_the_truth_95_times_in_100():
  def estimates(r, seed):
    skill = r.random(200)
    a = (r.random(200) < 0.2 + 0.6 * skill).astype(float)  # mean 0.5
    b = (r.random(200) < 0.6 * skill + 0.1).astype(float)  # mean 0.4
    return gains.paired_bootstrap(a, b, seed=seed, num_resamples=400)

  all_gains = [estimates(rng(seed), seed) for seed in range(1000)]
  for name, truth in (('absolute', 0.1), ('relative', 0.25)):
    held = np.mean([g[name].low <= truth <= g[name].high for g in all_gains])
    assert 0.93 <= held <= 0.97, name


@pytest.mark.parametrize('n', [1, 6, 300])
def test_no_pair_that_differs_is_not_certainty(n):
  """The interval of a gain without a discordant pair was [0, 0]."""
  bound = 1 - 0.025 ** (1 / n)
  same = np.arange(n) % 2 == 0
  shares = same / 3 + 0.5
  for values in (same, shares, np.ones(n), [values_of(same)] * 3):
    gain = gains.gain(values, values, seed=0)
    assert gain['absolute'].value == 0
    assert gain['absolute'].high == pytest.approx(bound), values
    assert gain['absolute'].low == pytest.approx(-bound), values
    relative = gain['relative']
    assert -1 <= relative.low < -bound / 2 and bound / 2 < relative.high
  many = gains.gain(4 * same, 4 * same, seed=0)  # no shares: up to 4
  assert many['absolute'].high == pytest.approx(4 * bound)


def values_of(flags):
  return [float(flag) for flag in flags]


def test_pairs_that_all_differ_alike_are_not_certainty():
  every = gains.paired_bootstrap([1.0] * 6, [0.0] * 6, seed=0)['absolute']
  assert every.value == every.high == 1 and 0 < every.low < 0.5
  some = gains.paired_bootstrap([0.5] * 6, [0.25] * 6, seed=0)
  assert some['absolute'].low < 0 < 0.25 < some['absolute'].high <= 1
  assert some['relative'].low < 0 < 1 < some['relative'].high


@pytest.mark.parametrize(('gained', 'decided'), [(3, 0), (5, 0), (8, 1)])
def test_few_pairs_that_all_gain_do_not_show_a_gain(gained, decided):
  """3 of 100 gained and none lost: the interval excluded zero."""
  base = np.arange(100) % 2 == 0
  more = base | (np.arange(100) < 2 * gained)
  gain = gains.paired_bootstrap(more, base, seed=0)
  loss = gains.paired_bootstrap(base, more, seed=0)
  for name in ('absolute', 'relative'):
    assert (gain[name].low > 0) == decided == (loss[name].high < 0), name
  assert gain['absolute'].low == -loss['absolute'].high


def test_what_pairs_of_both_ways_say_is_as_it_was():
  """Where resampling shows a spread it decides alone."""
  a, b = rng(0).random((2, 60))
  made = gains.paired_bootstrap(a, b, seed=0)['absolute']
  plain = intervals.function_bootstrap(lambda x, y: x - y, [a, b], seed=0)
  assert made == plain


@pytest.mark.parametrize('n', [6, 20, 300])
@pytest.mark.parametrize(
  ('up', 'down'),
  [(0.003, 0.0), (0.02, 0.0), (0.02, 0.02), (0.3, 0.1), (0.9, 0.0)],
)
def test_gains_of_few_discordant_pairs_hold_the_truth(n, up, down):
  """Where pairs seldom differ, it was held as seldom."""
  paired, over_seeds = [], []
  for seed in range(250):
    r = rng(seed)
    turn, base = r.random(n), r.random(n) < 0.5
    ups, downs = turn < up, (turn >= up) & (turn < up + down)
    a = np.where(ups, 1.0, np.where(downs, 0.0, base))
    b = np.where(ups, 0.0, np.where(downs, 1.0, base))
    options = {'seed': seed, 'num_resamples': 200}
    paired.append(gains.paired_bootstrap(a, b, **options)['absolute'])
    over_seeds.append(gains.two_level_gain([a] * 3, [b] * 3)['absolute'])
  assert held(paired, up - down) >= 0.93
  if (n, up, down) != (300, 0.02, 0.0):  # rare and skew: t holds it 91 in 100
    assert held(over_seeds, up - down) >= 0.93


@pytest.mark.parametrize('n', [40, 300])
def test_gains_of_quotients_hold_the_truth(n):
  """Of solved problems, 1 to 3 unique solutions against 1 to 2."""

  def estimates(seed):
    r = rng(seed)
    skill = r.random(n)
    solved_a, solved_b = r.random(n) < 0.9 * skill, r.random(n) < 0.7 * skill
    unique_a = solved_a * (1 + r.binomial(2, 0.8 * skill))
    unique_b = solved_b * (1 + r.binomial(1, 0.8 * skill))
    return gains.quotient_gain(
      (unique_a, solved_a),
      (unique_b, solved_b),
      most=(3, 2),
      seed=seed,
      num_resamples=300,
    )

  # E[unique] / E[solved]: 1 + 2 * 0.8 E[skill^2] / E[skill], and half of that.
  a, b = 1 + 1.6 * 2 / 3, 1 + 0.8 * 2 / 3
  found = [estimates(seed) for seed in range(600)]
  for name, truth in (('absolute', a - b), ('relative', a / b - 1)):
    held = np.mean([g[name].low <= truth <= g[name].high for g in found])
    assert 0.92 <= held <= 0.975, (name, held)


@pytest.mark.parametrize(('most', 'certain'), [(1, True), (10, False)])
def test_equal_quotients_are_certain_only_where_there_is_no_other(
  most, certain
):
  solved = np.arange(30) % 3 > 0
  side = (solved, solved)
  gain = gains.quotient_gain(side, side, most=(most, most), seed=0)['absolute']
  assert gain.value == 0
  assert (gain.low == gain.high == 0) == certain
  assert gain.low <= -0.3 or certain


def test_pairing_narrows_the_interval():
  skill = rng(0).random(300)
  gain = gains.paired_bootstrap(skill + 0.1, skill, seed=0)['absolute']
  assert gain.low == pytest.approx(0.1) and gain.high == pytest.approx(0.1)


def test_undefined_is_none_in_json_not_a_number():
  ratio = intervals.ratio_bootstrap([0, 0], [0, 0], seed=0)
  assert ratio.to_dict() == {'value': None, 'low': None, 'high': None}
  gain = gains.paired_bootstrap([1.0, 0.0], [0.0, 0.0], seed=0)
  assert gain['relative'].to_dict()['value'] is None
  assert gain['absolute'].value == 0.5


def test_minimum_detectable_effect_is_found_80_times_in_100():
  size = gains.minimum_detectable_effect(*rng(0).normal(size=(2, 5000)))
  assert size == pytest.approx(
    (1.95996 + 0.84162) * math.sqrt(2 / 5000), rel=0.05
  )
  found = []
  for seed in range(1000):
    d = rng(seed).normal(size=100)
    d = (d - d.mean()) / d.std(ddof=1)  # the observed variance is the true one
    effect = gains.minimum_detectable_effect(d, np.zeros(100))
    shown = effect + rng(seed + 1000).normal(scale=0.1)
    found.append(abs(shown) > 1.95996 * 0.1)
  assert 0.77 <= np.mean(found) <= 0.83
  assert math.isnan(gains.minimum_detectable_effect([1.0], [0.0]))


def held(estimates, truth):
  return np.mean([e.low <= truth <= e.high for e in estimates])


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
  all_gains = [
    gains.rate_gain(*unsound_samples(rng(seed), problems, samples, spread))
    for seed in range(1000)
  ]
  for name in ('absolute', 'relative'):
    defined = [g[name] for g in all_gains if not math.isnan(g[name].value)]
    assert len(defined) > 600
    assert 0.93 <= held(defined, 0.0) <= most, name
  for gain in all_gains:
    absolute = gain['absolute']
    assert absolute.low <= absolute.value <= absolute.high


def test_a_gain_of_rates_is_that_of_the_counts():
  a, b = ([3, 0, 1], [4, 4, 4]), ([1, 0, 0], [4, 2, 0])
  gain = gains.rate_gain(a, b)
  assert gain['absolute'].value == pytest.approx(1 / 3 - 1 / 6)
  assert gain['relative'].value == pytest.approx(1.0)
  assert gain['relative'].low < 1 < gain['relative'].high
  none = gains.rate_gain(([0] * 3, [4] * 3), ([0] * 3, [4] * 3))
  assert none['absolute'].low < 0 < none['absolute'].high
  assert math.isnan(none['relative'].value)
  unknown = gains.rate_gain(a, ([0] * 3, [0] * 3))
  assert math.isnan(unknown['absolute'].value)


def test_pairing_narrows_the_interval_of_a_gain_of_rates():
  a, _ = unsound_samples(rng(0), 300, 10, 5)
  same = gains.rate_gain(a, a)['absolute']
  others = gains.rate_gain(a, tuple(np.roll(a, 1, axis=1)))['absolute']
  assert same.high - same.low < (others.high - others.low) / 3


@pytest.mark.parametrize('n', [6, 30])
def test_gains_of_rates_without_a_discordant_pair_hold_the_truth(n):
  """Of (0.5, 0.02) the interval held it 68 times in 100."""
  checked = np.ones(n)
  for rate, more in ((0.3, 0.05), (0.5, 0.02)):
    found = []
    for seed in range(300):
      r = rng(seed)
      b = r.random(n) < rate
      a = b | (r.random(n) < more)
      found.append(gains.rate_gain((a, checked), (b, checked)))
    absolute = [gain['absolute'] for gain in found]
    assert held(absolute, (1 - rate) * more) >= 0.93
    relative = [g['relative'] for g in found if g['relative'].value >= -1]
    assert held(relative, (1 - rate) * more / rate) >= 0.93


def test_a_gain_is_by_what_there_is():
  a, b = rng(0).random((2, 3, 30))
  options = {'seed': 0, 'num_resamples': 200}
  assert gains.gain(a, b, **options) == gains.two_level_gain(a, b)
  paired = gains.paired_bootstrap(a[0], b[0], **options)
  assert gains.gain(a[0], b[0], **options) == paired
  means = gains.gain(a[:, :1], b[:, :1], **options)
  assert means['absolute'].value == pytest.approx((a - b)[:, 0].mean())


def test_what_could_have_been_shown_is_of_students_and_of_data():
  """Three seeds of each of eight students: not two degrees of freedom."""
  a, b = rng(0).normal(size=(2, 3, 300))
  least = functools.partial(gains.minimum_detectable_effect, a, b)
  flat = gains.minimum_detectable_effect(a.mean(0), b.mean(0))
  assert least() == flat
  shift = rng(1).normal(scale=0.3, size=(8, 3, 1))
  students = rng(2).normal(size=(8, 3, 300)) + shift
  spread = seeds_lib.pooled(students)
  assert spread.df_between == 16
  assert spread.variance == pytest.approx(
    shift[..., 0].var(1, ddof=1).mean(), rel=0.2
  )
  of_data = least(spread=spread)
  # 2 / 3 of the variance of one student's seeds, beside that of problems.
  error = math.sqrt(2 * spread.variance / 3 + (a - b).mean(0).var() / 300)
  assert of_data == pytest.approx(2.9 * error, rel=0.1)
  against_base = least(spread=spread, students=1)
  assert least() < against_base < of_data
  one = gains.minimum_detectable_effect(a[:, :1], b[:, :1])
  assert math.isnan(one)


def test_gains_with_a_pooled_spread_hold_the_truth():
  """With their own spread alone, intervals of three seeds are twice as wide."""

  def estimates(seed):
    r = rng(seed)
    skill = r.normal(scale=0.5, size=300)
    students = (
      skill
      + r.normal(scale=0.08, size=(6, 3, 1))
      + r.normal(scale=0.5, size=(6, 3, 300))
    )
    a, b = students[0] + 1.1, students[1] + 1.0
    spread = seeds_lib.pooled(students)
    return (
      gains.two_level_gain(a, b, spread=spread),
      gains.two_level_gain(a, b),
    )

  found = [estimates(seed) for seed in range(500)]
  of = lambda i, name: [gain[i][name] for gain in found]
  assert 0.93 <= held(of(0, 'absolute'), 0.1) <= 0.97
  assert 0.92 <= held(of(0, 'relative'), 0.1) <= 0.975
  width = lambda i: np.median([x.high - x.low for x in of(i, 'absolute')])
  assert width(0) < 0.8 * width(1)


def test_two_levels_need_two_of_each_and_something_that_differs():
  with pytest.raises(ValueError, match='1 seeds on 5 problems'):
    seeds_lib.two_level(np.ones((1, 5)))
  same = seeds_lib.two_level(np.ones((3, 5)))
  assert (same.value, same.low, same.high) == (1, 1, 1)
  gain = gains.two_level_gain(rng(0).random((3, 5)), np.zeros((3, 5)))
  assert gain['relative'].to_dict()['value'] is None
