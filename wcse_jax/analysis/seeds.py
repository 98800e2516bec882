"""Means over finetuning seeds and problems, and how far they may be off.

The letters that name the dimensions of arrays:

  P  problems
  S  finetuning seeds
"""

from collections.abc import Iterable
import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from wcse_jax.analysis.intervals import (
  SHARE,
  Estimate,
  of_alike,
  t_quantile,
  within,
)
from wcse_jax.experiment import arguments
from wcse_jax.experiment.sections import ReportSpec


@dataclasses.dataclass(frozen=True)
class Spread:
  """How far apart the seeds of a student are: variances of the mean of one.

  Attributes:
    between: The variance of the seeds' means over problems.
    rest: The part of it that chance on the problems explains.
    df_between: The degrees of freedom of `between`.
    df_rest: The degrees of freedom of `rest`.
  """

  between: float
  rest: float
  df_between: float
  df_rest: float

  @property
  def variance(self) -> float:
    """What seeds add beside the problems."""
    return max(self.between - self.rest, 0.0)


def pooled(values_SxP: Iterable[npt.ArrayLike]) -> Spread | None:
  """Returns the spread that students have in common, of each several seeds.

  The seeds of one student are few: three have two degrees of freedom. What
  they are finetuned on changes their mean, hardly how far apart they are; so
  the variances of all students are averaged, by their degrees of freedom.

  Args:
    values_SxP: Of each student a value per seed and problem, shape (S, P). What
      has fewer than two of either, or no seeds, is left out.

  Returns:
    The spread; None if no student has two seeds and two problems.

  >>> spread = pooled([[[0.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]])
  >>> spread.between, spread.rest, spread.df_between
  (0.3125, 0.0625, 2.0)
  """
  parts = []
  for values in values_SxP:
    y_SxP = np.asarray(values, np.float64)
    if y_SxP.ndim == 2 and min(y_SxP.shape) > 1:
      parts.append((*_variances(y_SxP)[1:], *y_SxP.shape))
  if not parts:
    return None
  df_between = sum(S - 1 for *_, S, _ in parts)
  df_rest = sum((S - 1) * (P - 1) for *_, S, P in parts)
  return Spread(
    sum(between * (S - 1) for between, _, S, _ in parts) / df_between,
    sum(rest * (S - 1) * (P - 1) for _, rest, S, P in parts) / df_rest,
    float(df_between),
    float(df_rest),
  )


def two_level(
  values_SxP: npt.ArrayLike,
  *,
  confidence: float = 0.95,
  is_share: bool = False,
  bounds: tuple[float, float] | None = None,
  **options: Any,
) -> Estimate:
  """Estimates the mean over finetuning seeds and problems.

  A value is taken as `mean + seed + problem + rest`, all three random. With the
  mean squares of that layout the mean has the variance
  `(MS_P + max(MS_S - MS_rest, 0)) / (S P)`, and the interval is Student's with
  Satterthwaite's degrees of freedom (1946). It is no bootstrap: with 3 seeds,
  simulated, it holds the truth 92 to 97 times in 100, however much seeds
  matter; resampling both levels, 98 times where they do not, 79 where they
  decide.

  Args:
    values_SxP: One per seed and problem, all seeds on the same problems.
    confidence: How often the interval is to hold the truth, 0-1.
    is_share: Whether the mean is a share: its interval is within 0 and 1.
    bounds: The least and the largest value, 0 and 1 of a share: where all
      values are alike, the interval is that of P problems, as in
      `intervals.function_bootstrap`.
    **options: The options of `variance`.

  Raises:
    ValueError: There are fewer than two seeds or problems.

  Two seeds that differ say less than their problems alone do:

  >>> estimate = two_level([[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]])
  >>> estimate.value, round(estimate.low, 2)
  (4.0, -1.41)
  """
  arguments.check(ReportSpec, confidence=confidence)
  y_SxP = np.asarray(values_SxP, np.float64)
  mean, squared, df = variance(y_SxP, **options)
  half = 0.0
  if squared > 0:
    half = t_quantile((1 + confidence) / 2, df) * math.sqrt(squared)
  estimate = Estimate(mean, mean - half, mean + half)
  if is_share:
    bounds, estimate = SHARE, within(estimate, *SHARE)
  if half or not bounds:
    return estimate
  return of_alike(estimate, y_SxP, bounds, y_SxP.shape[1], confidence)


def variance(
  y_SxP: np.ndarray, spread: Spread | None = None, students: float = 1
) -> tuple[float, float, float]:
  """Returns the mean, its variance, and the degrees of freedom of that.

  Args:
    y_SxP: As in `two_level`, as are the errors.
    spread: That of one student's seeds, of more students than these; None: as
      far as these seeds tell.
    students: How many finetuned students the values are of: 2 of a difference
      of two, each weighed by its square; with a spread alone.

  >>> mean, variance_, df = variance(np.array([[1, 2, 6], [3, 5, 7]]))
  >>> round(variance_, 4), round(df, 4)
  (2.6667, 2.8055)
  """
  S, P = y_SxP.shape
  if min(S, P) < 2:
    raise ValueError(f'{S} seeds on {P} problems: give at least 2 of each')
  mean, mean_P = float(y_SxP.mean()), y_SxP.mean(axis=0)
  v_problems = float(mean_P.var(ddof=1)) / P
  if spread is None:
    own = Spread(*_variances(y_SxP)[1:], S - 1, (S - 1) * (P - 1))
    if v_problems == 0 and own.between <= own.rest:  # alike in sum, by chance
      return mean, own.rest / S, own.df_rest
    spread, students = own, 1
  scale = students / S
  total = v_problems + scale * spread.variance
  if not total > 0:
    return mean, 0.0, 1.0
  squares = v_problems**2 / (P - 1)
  if spread.variance:
    squares += (scale * spread.between) ** 2 / spread.df_between
    squares += (scale * spread.rest) ** 2 / spread.df_rest
  return mean, total, total**2 / squares


def _variances(y_SxP: np.ndarray) -> tuple[float, float, float]:
  """The mean; the variance of seeds' means; what the rest explains of it."""
  S, P = y_SxP.shape
  mean, mean_S, mean_P = y_SxP.mean(), y_SxP.mean(axis=1), y_SxP.mean(axis=0)
  rest_SxP = y_SxP - mean_S[:, None] - mean_P + mean
  rest = (rest_SxP**2).sum() / ((S - 1) * (P - 1)) / P
  return float(mean), float(mean_S.var(ddof=1)), float(rest)
