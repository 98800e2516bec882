"""Quality of data and students, with intervals: numpy alone.

Estimators return one value per problem, so that bootstraps can resample and
pair problems. 'Correct' is a flag the caller gives: `correct_flags` counts
'unknown' verdicts as not correct, or, for the upper bound, as correct.

  P  problems          M  samples of a problem      R  resamples
  S  finetuning seeds  C  columns
"""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
import functools
import math
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 2**22  # resampled values held at a time


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A value and its interval; nan where it is undefined."""

  value: float
  low: float
  high: float

  def to_dict(self) -> dict[str, float | None]:
    """`{value, low, high}`, JSON-able: None where not finite."""
    return {
      name: number if math.isfinite(number) else None
      for name, number in dataclasses.asdict(self).items()
    }


def correct_flags(
  verdicts: Iterable[str], *, upper: bool = False
) -> npt.NDArray[np.bool_]:
  """Which verdicts count as correct; with `upper`, 'unknown' ones do too."""
  accepted = ('correct', 'unknown') if upper else ('correct',)
  return np.array([verdict in accepted for verdict in verdicts], bool)


def solution_key(text: str) -> str:
  """What makes two solutions the same: their text, white space collapsed."""
  return ' '.join(text.split())


def multiplicities(texts: Iterable[str]) -> npt.NDArray[np.int64]:
  """How often each unique solution occurs, in the order first seen."""
  counts = collections.Counter(map(solution_key, texts))
  return np.array(list(counts.values()), np.int64)


def coverage_at_k(
  num_samples_P: npt.ArrayLike, num_correct_P: npt.ArrayLike, k: int
) -> npt.NDArray[np.float64]:
  """Chance that k of M samples, drawn without replacement, hold a correct one.

  `1 - C(M - c, k) / C(M, k)`, the unbiased pass@k estimator (Chen et al. 2021,
  arXiv 2107.03374), as a product of k ratios.

  Args:
    num_samples_P: M, shape (P,) or a number for all.
    num_correct_P: c, shape (P,).
    k: Samples drawn, 1 <= k <= M.

  Returns:
    Shape (P,).

  Raises:
    ValueError: k or c out of range.
  """
  M_P, c_P = np.broadcast_arrays(
    np.asarray(num_samples_P, np.int64), np.asarray(num_correct_P, np.int64)
  )
  if k < 1 or (k > M_P).any():
    raise ValueError(f'k = {k} of {M_P.min(initial=k)} samples')
  if (c_P < 0).any() or (c_P > M_P).any():
    raise ValueError('more correct samples than samples, or fewer than none')
  drawn_K = np.arange(k)
  misses_PxK = np.maximum((M_P - c_P)[..., None] - drawn_K, 0)
  return 1.0 - np.prod(misses_PxK / (M_P[..., None] - drawn_K), axis=-1)


def diversity_at_k(
  multiplicities_P: Sequence[npt.ArrayLike],
  num_samples_P: npt.ArrayLike,
  k: int,
) -> npt.NDArray[np.float64]:
  """Expected number of unique correct solutions among k of M samples.

  `sum_i 1 - C(M - m_i, k) / C(M, k)` (arXiv 2408.16737, section 3).

  Args:
    multiplicities_P: For each problem, how often each of its unique correct
      solutions occurs, e.g. from `multiplicities`; may be empty.
    num_samples_P: M, shape (P,) or a number for all.
    k: Samples drawn without replacement, 1 <= k <= M.

  Returns:
    Shape (P,).

  Raises:
    ValueError: k or a multiplicity out of range.
  """
  M_P = np.broadcast_to(num_samples_P, (len(multiplicities_P),))
  return np.array(
    [
      coverage_at_k(M, counts, k).sum()
      for M, counts in zip(M_P, multiplicities_P, strict=True)
    ],
    np.float64,
  )


def pass_at_1(
  num_samples_P: npt.ArrayLike, num_correct_P: npt.ArrayLike
) -> npt.NDArray[np.float64]:
  """Share of correct samples, shape (P,); with one greedy sample, 0 or 1."""
  return np.asarray(num_correct_P, np.float64) / np.asarray(num_samples_P)


def maj_at_k(
  answers_P: Sequence[Sequence[str]],
  correct_P: Sequence[npt.ArrayLike],
  k: int,
) -> npt.NDArray[np.float64]:
  """Share of right majority votes among k of M samples.

  The mean over the M runs of k neighbouring samples, the last one's neighbour
  being the first. Each run is k independent samples, so the estimate is
  unbiased; it uses all samples and needs no random numbers. Answers vote as
  written, '' (no answer) does not vote, a tie goes to the answer seen first in
  the run, and no votes at all is not correct.

  Args:
    answers_P: For each problem, the M extracted answers.
    correct_P: For each problem, the M flags.
    k: Voters, 1 <= k <= M.

  Returns:
    Shape (P,), each a multiple of 1/M.

  Raises:
    ValueError: k out of range, or flags that do not fit the answers.
  """
  return np.array(
    [
      _majority(list(answers), np.asarray(correct, bool), k)
      for answers, correct in zip(answers_P, correct_P, strict=True)
    ],
    np.float64,
  )


def false_positive_counts(
  sound_P: Sequence[Iterable[bool | None]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
  """Unsound and checked samples per problem, each of shape (P,).

  Args:
    sound_P: For each problem, the `sound` flags of its *correct* samples; None
      (not checked) is left out.
  """
  checked = [[s for s in flags if s is not None] for flags in sound_P]
  return (
    np.array([sum(not s for s in flags) for flags in checked], np.int64),
    np.array([len(flags) for flags in checked], np.int64),
  )


def mixed_counts(
  right_GxP: npt.ArrayLike,
  unsound_GxP: npt.ArrayLike,
  checked_GxP: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
  """`false_positive_counts` of samples of G generators, of shape (P,) each.

  A checked sample counts for as many as its generator has right ones for each
  that was checked, on average for 1. So a rate is that of all right samples,
  though few of one generator were checked; where all were, these are sums.
  Generators without right samples do not count; where one that has some had
  none checked the rate is not known: nothing counts as checked.

  Args:
    right_GxP: Samples of right answer.
    unsound_GxP: From `false_positive_counts`.
    checked_GxP: From `false_positive_counts`.
  """
  right_G, checked_G = (
    np.asarray(x, np.float64).sum(axis=1) for x in (right_GxP, checked_GxP)
  )
  if (right_G[checked_G == 0] > 0).any():
    weight_G = np.zeros(right_G.shape)
  else:
    weight_G = divide(right_G * checked_G.sum(), checked_G * right_G.sum())
  unsound_P, checked_P = (
    np.nan_to_num(weight_G) @ np.asarray(x) for x in (unsound_GxP, checked_GxP)
  )
  return unsound_P, checked_P


def false_positive_rate(
  unsound_P: npt.ArrayLike, checked_P: npt.ArrayLike
) -> float:
  """Share of correct samples whose reasoning is wrong; nan if none was checked.

  Args:
    unsound_P: From `false_positive_counts`.
    checked_P: From `false_positive_counts`.
  """
  checked = np.asarray(checked_P).sum()
  return float(np.asarray(unsound_P).sum() / checked) if checked else math.nan


def bootstrap(
  values_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  is_share: bool = False,
  clusters_P: npt.ArrayLike | None = None,
) -> Estimate:
  """The mean over problems and its interval; see `function_bootstrap`.

  Args:
    values_P: One per problem.
    seed: Of the resampling.
    num_resamples: Of the problems.
    confidence: Of the interval.
    is_share: Whether the mean is a share: at 0 or 1 resampling shows no spread,
      so there the interval is the exact one (Clopper and Pearson 1934), 0 of P
      and P of P.
    clusters_P: Whose variant each problem is, e.g. a template's: variants are
      alike, so clusters are resampled whole, and count as the problems do.
  """
  estimate = function_bootstrap(
    lambda mean: mean,
    [values_P],
    seed=seed,
    num_resamples=num_resamples,
    confidence=confidence,
    clusters_P=clusters_P,
  )
  units = np.size(values_P if clusters_P is None else np.unique(clusters_P))
  return _widen(estimate, units, confidence) if is_share else estimate


def paired_bootstrap(
  a_P: npt.ArrayLike,
  b_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  clusters_P: npt.ArrayLike | None = None,
) -> dict[str, Estimate]:
  """The gain of `a` over `b` on the same problems.

  Args:
    a_P: One per problem.
    b_P: One per problem.
    seed: As in `bootstrap`.
    num_resamples: As in `bootstrap`.
    confidence: As in `bootstrap`.
    clusters_P: As in `bootstrap`.

  Returns:
    'absolute': mean(a) - mean(b); 'relative': that over mean(b), undefined
    where mean(b) is 0.
  """
  return {
    name: function_bootstrap(
      gain,
      [a_P, b_P],
      seed=seed,
      num_resamples=num_resamples,
      confidence=confidence,
      clusters_P=clusters_P,
    )
    for name, gain in (
      ('absolute', lambda a, b: a - b),
      ('relative', lambda a, b: divide(a - b, b)),
    )
  }


def ratio_bootstrap(
  numerators_P: npt.ArrayLike,
  denominators_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  is_share: bool = False,
) -> Estimate:
  """sum(numerators) / sum(denominators), problems (clusters) resampled whole.

  For the false positive rate; also for means over problems that are variants
  of templates, with one entry per template. `is_share` as in `bootstrap`, where
  P is the number of problems whose denominator is not 0.
  """
  estimate = function_bootstrap(
    divide,
    [numerators_P, denominators_P],
    seed=seed,
    num_resamples=num_resamples,
    confidence=confidence,
  )
  units = int(np.count_nonzero(denominators_P))
  return _widen(estimate, units, confidence) if is_share else estimate


def function_bootstrap(
  function: Callable[..., Any],
  columns_CxP: Sequence[npt.ArrayLike],
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  clusters_P: npt.ArrayLike | None = None,
) -> Estimate:
  """Any function of the means of C columns, and its interval.

  The percentile interval is too short where problems are few, and misses on
  one side where their values are skew. So its tails are those of Student's t
  (Hesterberg 2015, arXiv 1411.5279, section 5.3), accelerated, as in BCa
  (Efron 1987), by a sixth of the skewness that the jackknife finds; the bias
  correction is that of a mean, equal to the acceleration.

  Args:
    function: Of C means: of numbers, or of arrays element by element.
    columns_CxP: E.g. costs and correct samples of each problem.
    seed: As in `bootstrap`.
    num_resamples: As in `bootstrap`.
    confidence: As in `bootstrap`.
    clusters_P: As in `bootstrap`.
  """
  values_CxP = np.array(columns_CxP, np.float64)
  if clusters_P is not None:
    _, cluster_P = np.unique(np.asarray(clusters_P), return_inverse=True)
    rows = (*values_CxP, np.ones(cluster_P.size))
    values_CxP = np.array([np.bincount(cluster_P, row) for row in rows])
    of_sums = function
    function = lambda *sums: of_sums(*(s / sums[-1] for s in sums[:-1]))
  resampled_R = function(*_resampled_means(values_CxP, seed, num_resamples))
  value = function(*values_CxP.mean(axis=1))
  resampled_R = resampled_R[~np.isnan(resampled_R)]
  if math.isnan(value) or not resampled_R.size:
    return Estimate(math.nan, math.nan, math.nan)
  tails = _tails(function, values_CxP, confidence)
  low, high = np.quantile(resampled_R, tails)
  return Estimate(float(value), float(low), float(high))


def two_level(
  values_SxP: npt.ArrayLike,
  *,
  confidence: float = 0.95,
  is_share: bool = False,
) -> Estimate:
  """The mean over finetuning seeds and problems, and its interval.

  A value is taken as `mean + seed + problem + rest`, all three random. With the
  mean squares of that layout the mean has the variance
  `(MS_P + max(MS_S - MS_rest, 0)) / (S P)`, and the interval is Student's with
  Satterthwaite's degrees of freedom (1946). It is no bootstrap: with 3 seeds,
  simulated, it holds the truth 92 to 97 times in 100, however much seeds
  matter; resampling both levels, 98 times where they do not, 79 where they
  decide.

  Args:
    values_SxP: One per seed and problem, all seeds on the same problems.
    confidence: Of the interval.
    is_share: Whether the mean is a share: its interval is within 0 and 1, and
      at 0 or 1 that of P problems, as in `bootstrap`.

  Raises:
    ValueError: Fewer than two seeds or problems.
  """
  y_SxP = np.asarray(values_SxP, np.float64)
  mean, variance, df = _two_level(y_SxP)
  half = 0.0
  if variance > 0:
    half = _t_quantile((1 + confidence) / 2, df) * math.sqrt(variance)
  low, high = mean - half, mean + half
  if not is_share:
    return Estimate(mean, low, high)
  within = Estimate(mean, max(low, 0.0), min(high, 1.0))
  return _widen(within, y_SxP.shape[1], confidence)


def two_level_gain(
  a_SxP: npt.ArrayLike, b_SxP: npt.ArrayLike, *, confidence: float = 0.95
) -> dict[str, Estimate]:
  """The gain of `a` over `b`, over seeds and the same problems.

  Returns:
    'absolute' and 'relative', as `paired_bootstrap`, with the intervals of
    `two_level`; that of the relative gain is by linearisation, of
    `(a - ratio * b) / mean(b)`.

  Raises:
    ValueError: Fewer than two seeds or problems.
  """
  a_SxP, b_SxP = np.asarray(a_SxP, np.float64), np.asarray(b_SxP, np.float64)
  b = b_SxP.mean()
  gains = {'absolute': two_level(a_SxP - b_SxP, confidence=confidence)}
  if not b:
    return {**gains, 'relative': Estimate(math.nan, math.nan, math.nan)}
  ratio = a_SxP.mean() / b
  linear = two_level((a_SxP - ratio * b_SxP) / b, confidence=confidence)
  shifted = (ratio - 1 + x for x in (linear.value, linear.low, linear.high))
  return {**gains, 'relative': Estimate(*map(float, shifted))}


def gain(
  a: npt.ArrayLike,
  b: npt.ArrayLike,
  *,
  confidence: float = 0.95,
  **options: Any,
) -> dict[str, Estimate]:
  """The gain of `a` over `b`, by what there is.

  Args:
    a: Of each problem, shape (P,): `paired_bootstrap`; or of each seed and
      problem, shape (S, P): `two_level_gain`, or, with fewer than two of each,
      `paired_bootstrap` of the means over seeds.
    b: The same.
    confidence: Of the intervals.
    **options: Of `paired_bootstrap`.
  """
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  if a.ndim == 2 and min(a.shape) > 1:
    return two_level_gain(a, b, confidence=confidence)
  if a.ndim == 2:
    a, b = a.mean(axis=0), b.mean(axis=0)
  return paired_bootstrap(a, b, confidence=confidence, **options)


def rate_gain(
  a: tuple[npt.ArrayLike, npt.ArrayLike],
  b: tuple[npt.ArrayLike, npt.ArrayLike],
  *,
  confidence: float = 0.95,
) -> dict[str, Estimate]:
  """The gain of one rate of false positives over another, of the same problems.

  Resampling misses where few samples are unsound: with 1 of 25 against 3 of 64
  its interval of the difference held the truth 85 times in 100. So each rate
  has its score interval (Wilson 1927) at the sample size that samples of one
  problem being alike leaves (Rao and Scott 1992), with Student's t; and their
  difference, or quotient, the interval that these and the correlation over
  problems give (MOVER: Zou and Donner 2008, Donner and Zou 2012). Simulated, it
  holds the truth 93 to 97 times in 100, and 99 at so few.

  Args:
    a: Unsound and checked samples of each problem, of shape (P,) each.
    b: The same.
    confidence: Of the intervals.

  Returns:
    'absolute' and 'relative', as `paired_bootstrap`.
  """
  (of_a, pull_a_P), (of_b, pull_b_P) = (
    _score(np.asarray(u, np.float64), np.asarray(c, np.float64), confidence)
    for u, c in (a, b)
  )
  x, y = of_a.value, of_b.value
  if math.isnan(x + y):
    undefined = Estimate(math.nan, math.nan, math.nan)
    return {'absolute': undefined, 'relative': undefined}
  spread = math.sqrt((pull_a_P @ pull_a_P) * (pull_b_P @ pull_b_P))
  rho = float(pull_a_P @ pull_b_P) / spread if spread else 0.0
  down, up = (x - of_a.low, of_b.high - y), (of_a.high - x, y - of_b.low)
  below, above = (
    math.sqrt(max(0.0, s**2 + t**2 - 2 * rho * s * t)) for s, t in (down, up)
  )
  absolute = Estimate(x - y, x - y - below, x - y + above)
  if not y:
    return {
      'absolute': absolute,
      'relative': Estimate(math.nan, math.nan, math.nan),
    }

  def root(s: float, t: float, sign: int) -> float:
    """Of (x - q y)^2 = s^2 + q^2 t^2 - 2 rho q s t, in q."""
    middle, first, last = x * y - rho * s * t, y**2 - t**2, x**2 - s**2
    wide = math.sqrt(max(0.0, middle**2 - first * last))
    if sign > 0:
      return (middle + wide) / first
    return last / (middle + wide) if last > 0 else 0.0

  return {
    'absolute': absolute,
    'relative': Estimate(
      x / y - 1, root(*down, sign=-1) - 1, root(*up, sign=1) - 1
    ),
  }


def minimum_detectable_effect(
  a: npt.ArrayLike,
  b: npt.ArrayLike,
  *,
  confidence: float = 0.95,
  power: float = 0.8,
) -> float:
  """The smallest mean paired difference this many problems could have shown.

  `(z[(1 + confidence) / 2] + z[power]) * sd(a - b) / sqrt(P)`: a true
  difference of that size is found significant with probability `power`.
  Of seeds and problems, shape (S, P), the standard error is that of
  `two_level`, and z are quantiles of its t. nan for fewer than two problems,
  and where they all differ by the same: such a sample says nothing of the
  spread.
  """
  difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
  if difference.shape[-1] < 2 or np.ptp(difference) == 0:
    return math.nan
  if difference.ndim == 2:
    _, variance, df = _two_level(difference)
    quantile = functools.partial(_t_quantile, df=df)
  else:
    variance = difference.var(ddof=1) / difference.size
    quantile = statistics.NormalDist().inv_cdf
  z = quantile((1 + confidence) / 2) + quantile(power)
  return float(z * math.sqrt(variance)) if variance > 0 else math.nan


def _two_level(y_SxP: np.ndarray) -> tuple[float, float, float]:
  """The mean, its variance, and the degrees of freedom of that."""
  S, P = y_SxP.shape
  if min(S, P) < 2:
    raise ValueError(f'{S} seeds on {P} problems: give at least 2 of each')
  mean, mean_S, mean_P = y_SxP.mean(), y_SxP.mean(axis=1), y_SxP.mean(axis=0)
  rest_SxP = y_SxP - mean_S[:, None] - mean_P + mean
  # Squares over S P, the variance of the mean that each explains.
  v_seeds = mean_S.var(ddof=1) / S
  v_problems = mean_P.var(ddof=1) / P
  v_rest = (rest_SxP**2).sum() / ((S - 1) * (P - 1)) / (S * P)
  v_seeds, v_rest = (v_seeds, v_rest) if v_seeds > v_rest else (0.0, 0.0)
  variance = v_problems + v_seeds - v_rest
  if not variance > 0:
    return float(mean), 0.0, 1.0
  df = variance**2 / (
    v_problems**2 / (P - 1)
    + v_seeds**2 / (S - 1)
    + v_rest**2 / ((S - 1) * (P - 1))
  )
  return float(mean), float(variance), float(df)


def _score(
  unsound_P: np.ndarray, checked_P: np.ndarray, confidence: float
) -> tuple[Estimate, np.ndarray]:
  """A rate with its score interval, and what each problem adds to its error."""
  checked = float(checked_P.sum())
  rate = float(divide(unsound_P.sum(), checked))
  pull_P = unsound_P - rate * checked_P
  if math.isnan(rate):
    return Estimate(rate, rate, rate), pull_P
  # As many problems of equal size would weigh as much (Kish 1965).
  problems = max(2, round(checked**2 / float(checked_P @ checked_P)))
  size = float(np.count_nonzero(checked_P))
  if 0 < rate < 1:
    spread = float(pull_P @ pull_P) * problems / (problems - 1)
    size = checked
    if spread > rate * (1 - rate) * checked:
      size *= rate * (1 - rate) * checked / spread
  z2 = _t_quantile((1 + confidence) / 2, problems - 1) ** 2 / size
  middle = (rate + z2 / 2) / (1 + z2)
  half = math.sqrt(z2 * (rate * (1 - rate) + z2 / 4)) / (1 + z2)
  return Estimate(
    rate, max(0.0, middle - half), min(1.0, middle + half)
  ), pull_P


def _majority(
  answers: list[str], correct: npt.NDArray[np.bool_], k: int
) -> float:
  M = len(answers)
  if not 1 <= k <= M or len(correct) != M:
    raise ValueError(f'k = {k} of {M} answers with {len(correct)} flags')
  right = 0
  for start in range(M):
    run = (answers * 2)[start : start + k]
    votes = collections.Counter(answer for answer in run if answer)
    if votes:  # most_common keeps the order first seen among equals
      right += correct[answers.index(votes.most_common(1)[0][0])]
  return right / M


def _resampled_means(
  values_CxP: np.ndarray, seed: int, num_resamples: int
) -> npt.NDArray[np.float64]:
  """Means over the same resampled problems for every row, shape (C, R)."""
  num_problems = values_CxP.shape[1]
  if not num_problems:
    raise ValueError('no problems to resample')
  rng = np.random.Generator(np.random.PCG64(seed))
  block = max(1, _BLOCK // num_problems)
  means = []
  for start in range(0, num_resamples, block):
    rows = min(block, num_resamples - start)
    index_RxP = rng.integers(num_problems, size=(rows, num_problems))
    means.append([values_P[index_RxP].mean(-1) for values_P in values_CxP])
  return np.concatenate(means, axis=1)


def _tails(
  function: Callable[..., Any], values_CxP: np.ndarray, confidence: float
) -> list[float]:
  """The quantiles of the resampled values that bound the interval."""
  P = values_CxP.shape[1]
  if P == 1:
    return [0.0, 1.0]
  others_CxP = values_CxP.sum(axis=1, keepdims=True) - values_CxP
  without_P = function(*(others_CxP / (P - 1)))
  pull_P = np.nan_to_num(np.nanmean(without_P) - without_P)
  squares = (pull_P**2).sum()
  a = float((pull_P**3).sum() / squares**1.5 / 6) if squares > 0 else 0.0
  z = math.sqrt(P / (P - 1)) * _t_quantile((1 + confidence) / 2, P - 1)
  cdf = statistics.NormalDist().cdf
  return [cdf(a + (a + x) / (1 - a * (a + x))) for x in (-z, z)]


@functools.cache
def _t_quantile(probability: float, df: float) -> float:
  """Of Student's t: with t = sqrt(df) tan(x), x has density cos(x)^(df - 1)."""
  df = min(max(df, 1.0), 1e4)  # that many are a normal distribution's
  edges = np.linspace(-math.pi / 2, math.pi / 2, 20_001)
  density = np.cos((edges[1:] + edges[:-1]) / 2) ** (df - 1)
  cdf = np.concatenate([[0.0], np.cumsum(density)])
  x = np.interp(probability, cdf / cdf[-1], edges)
  return math.sqrt(df) * math.tan(x)


def _widen(estimate: Estimate, count: int, confidence: float) -> Estimate:
  """The exact interval of 0 of `count`, or of all; others as they are."""
  bound = ((1 - confidence) / 2) ** (1 / max(1, count))
  if estimate.value == 0:
    return Estimate(0.0, 0.0, 1 - bound)
  if estimate.value == 1:
    return Estimate(1.0, bound, 1.0)
  return estimate


def divide(a: Any, b: Any) -> Any:
  """The quotient, nan where b is 0."""
  b = np.asarray(b)
  return np.divide(a, b, out=np.full(b.shape, np.nan), where=b != 0)
