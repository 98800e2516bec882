"""Estimates with the intervals that hold the truth as often as they say.

The letters that name the dimensions of arrays:

  P  problems             R  resamples
  C  columns              E  extremes
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import math
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from wcse_jax.analysis import unseen
from wcse_jax.analysis.estimators import divide
from wcse_jax.experiment import arguments
from wcse_jax.experiment.rules import at_least
from wcse_jax.experiment.sections import ReportSpec

Number = int | float
_BLOCK = 2**22  # resampled values held at a time
SHARE = (0.0, 1.0)  # the least and the largest


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A value and its interval; nan where it is undefined.

  Attributes:
    value: The estimate.
    low: The lower end of its interval.
    high: The upper end.
  """

  value: float
  low: float
  high: float

  def to_dict(self) -> dict[str, float | None]:
    """Returns `{value, low, high}`, JSON-able: None where not finite.

    >>> Estimate(0.5, 0.25, math.inf).to_dict()
    {'value': 0.5, 'low': 0.25, 'high': None}
    """
    return {
      name: number if math.isfinite(number) else None
      for name, number in vars(self).items()
    }


UNDEFINED = Estimate(math.nan, math.nan, math.nan)


def function_bootstrap(
  function: Callable[..., Any],
  columns_CxP: Sequence[npt.ArrayLike],
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  extremes_ExC: Sequence[Sequence[float]] = (),
) -> Estimate:
  """Estimates any function of the means of C columns.

  The percentile interval is too short where problems are few, and misses on
  one side where their values are skew. So its tails are those of Student's t
  (Hesterberg 2015, arXiv 1411.5279, section 5.3), accelerated, as in BCa
  (Efron 1987), by a sixth of the skewness that the jackknife finds; the bias
  correction is that of a mean, equal to the acceleration.

  Resampling never goes beyond what was seen, so an end of the interval at which
  it stops is moved as far as problems that are `unseen` may move the estimate.

  Args:
    function: Takes C means: numbers, or arrays element by element.
    columns_CxP: E.g. costs and correct samples of each problem.
    seed: The seed of the resampling.
    num_resamples: How often the problems are resampled.
    confidence: How often the interval is to hold the truth, 0-1.
    extremes_ExC: What the columns of a problem may be at the most unlike those
      seen; without any, an end at which resampling stops is not moved.

  Raises:
    ValueError: There are no problems, or an option makes no sense.

  >>> cost_P, correct_P = [4.0, 2.0, 6.0], [1, 1, 2]
  >>> function_bootstrap(divide, [cost_P, correct_P], seed=0).value
  3.0
  """
  arguments.check_as(int, at_least(1), num_resamples=num_resamples)
  arguments.check(ReportSpec, confidence=confidence)
  values_CxP = np.array(columns_CxP, np.float64)
  resampled_R = function(*_resampled_means(values_CxP, seed, num_resamples))
  means_C = values_CxP.mean(axis=1)
  value = float(function(*means_C))
  resampled_R = resampled_R[~np.isnan(resampled_R)]
  if math.isnan(value) or not resampled_R.size:
    return UNDEFINED
  tails = _tails(function, values_CxP, confidence)
  low, high = np.quantile(resampled_R, tails)
  unlike = unseen.means(means_C, extremes_ExC, values_CxP.shape[1], confidence)
  others = [float(function(*of)) for of in unlike]
  interval = float(low), float(high)
  return Estimate(
    value, *unseen.ends(value, interval, function(*values_CxP), others)
  )


def bootstrap(
  values_P: npt.ArrayLike,
  *,
  is_share: bool = False,
  most: float | None = None,
  confidence: float = 0.95,
  **options: Any,
) -> Estimate:
  """Estimates the mean over problems; see `function_bootstrap`.

  Args:
    values_P: One value per problem.
    is_share: Whether the mean is a share: values are from 0 to 1.
    most: The largest value of others, the least being 0; None if not known.
    confidence: As in `function_bootstrap`.
    **options: The other options of `function_bootstrap`.

  That none of 16 problems was solved does not show that none ever is:

  >>> round(bootstrap([0.0] * 16, is_share=True, seed=0).high, 3)
  0.206
  """
  most = 1.0 if is_share else most
  estimate = function_bootstrap(
    lambda mean: mean,
    [values_P],
    confidence=confidence,
    extremes_ExC=[] if most is None else [[0.0], [most]],
    **options,
  )
  return estimate if most is None else within(estimate, 0.0, most)


def ratio_bootstrap(
  numerators_P: npt.ArrayLike,
  denominators_P: npt.ArrayLike,
  *,
  is_share: bool = False,
  confidence: float = 0.95,
  **options: Any,
) -> Estimate:
  """Estimates sum(numerators) / sum(denominators), problems resampled whole.

  For the false positive rate; also for means over problems that are variants
  of templates, with one entry per template.

  Args:
    numerators_P: One per problem.
    denominators_P: One per problem.
    is_share: As in `bootstrap`, where P is the number of problems whose
      denominator is not 0.
    confidence: As in `function_bootstrap`.
    **options: The other options of `function_bootstrap`.

  >>> rate = ratio_bootstrap([0, 0, 0], [4, 0, 2], is_share=True, seed=0)
  >>> rate.value, round(rate.high, 3)
  (0.0, 0.842)
  """
  estimate = function_bootstrap(
    divide, [numerators_P, denominators_P], confidence=confidence, **options
  )
  units = int(np.count_nonzero(denominators_P))
  if not is_share or not units:
    return estimate
  alone_P = divide(np.asarray(numerators_P), np.asarray(denominators_P))
  return within(of_alike(estimate, alone_P, SHARE, units, confidence), *SHARE)


@functools.cache
def t_quantile(probability: float, df: float) -> float:
  """Returns a quantile of Student's t.

  Args:
    probability: Of a value below the quantile.
    df: The degrees of freedom, taken as at least 1.

  Raises:
    ValueError: The probability is not between 0 and 1.

  >>> round(t_quantile(0.975, 2), 2)
  4.3
  """
  if not 0 < probability < 1:
    raise ValueError(f'probability = {probability}: give between 0 and 1')
  return float(special.stdtrit(max(df, 1.0), probability))


def _resampled_means(
  values_CxP: np.ndarray, seed: int, num_resamples: int
) -> npt.NDArray[np.float64]:
  """Returns means over the same resampled problems for every row, (C, R)."""
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
  """Returns the quantiles of the resampled values that bound the interval."""
  P = values_CxP.shape[1]
  if P == 1:
    return [0.0, 1.0]
  others_CxP = values_CxP.sum(axis=1, keepdims=True) - values_CxP
  without_P = function(*(others_CxP / (P - 1)))
  known = without_P[~np.isnan(without_P)]  # none, where each problem is needed
  pull_P = np.nan_to_num((known.mean() if known.size else 0) - without_P)
  squares = (pull_P**2).sum()
  a = float((pull_P**3).sum() / squares**1.5 / 6) if squares > 0 else 0.0
  z = math.sqrt(P / (P - 1)) * t_quantile((1 + confidence) / 2, P - 1)
  cdf = statistics.NormalDist().cdf
  return [cdf(a + (a + x) / (1 - a * (a + x))) for x in (-z, z)]


def of_draws(
  values_R: npt.ArrayLike,
  seen_R: npt.ArrayLike | None = None,
  *,
  confidence: float = 0.95,
) -> Estimate:
  """Estimates what draws from a distribution are of.

  Args:
    values_R: What is expected in each draw; the value is their mean.
    seen_R: What comes out in each draw, if that is not what is expected.
    confidence: How often the interval is to hold it, 0-1.

  Returns:
    The mean, and an interval of what is expected and of what comes out, so that
    the mean is in it; to 12 digits after the point, free of rounding.

  >>> of_draws([0.9] * 99 + [0.5], [1.0] * 100)
  Estimate(value=0.896, low=0.896, high=1.0)
  """
  tail = (1 - confidence) / 2
  both = [values_R] if seen_R is None else [values_R, seen_R]
  both = np.asarray(both, np.float64)
  ends = np.quantile(both, [tail, 1 - tail], axis=1)
  value, *ends = np.round([both[0].mean(), *ends.ravel()], 12).tolist()
  return Estimate(value, min(value, *ends), max(value, *ends))


def within(estimate: Estimate, least: float, most: float) -> Estimate:
  """Returns an estimate whose interval keeps within what is possible.

  >>> within(Estimate(0.5, -0.5, 1.5), 0.0, 1.0)
  Estimate(value=0.5, low=0.0, high=1.0)
  """
  low, high = max(estimate.low, least), min(estimate.high, most)
  return Estimate(estimate.value, low, high)


def of_alike(
  estimate: Estimate,
  alone: np.ndarray,
  bounds: tuple[float, float],
  count: int,
  confidence: float,
) -> Estimate:
  """Returns a mean of values within bounds, with what is unseen of them."""
  value, interval = estimate.value, (estimate.low, estimate.high)
  others = [float(x) for x in unseen.means(value, bounds, count, confidence)]
  return Estimate(value, *unseen.ends(value, interval, alone, others))
