"""Estimates of means over problems, all with the run's own settings."""

import dataclasses
from typing import Any

import numpy as np

from wcse_jax.analysis import intervals, seeds
from wcse_jax.analysis.estimators import divide
from wcse_jax.experiment.config import Config
from wcse_jax.results.types import Estimate

# Unsound and checked samples, or unique ones and whether solved, by problem.
Counts = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Intervals:
  """How intervals are computed.

  Attributes:
    seed: The seed of the resampling.
    num_resamples: How often the problems are resampled.
    confidence: The share of intervals that hold the truth, e.g. 0.95.

  >>> intervals = Intervals(seed=0, num_resamples=100, confidence=0.9)
  >>> intervals.share(np.array([0.0, 1.0, 1.0, 1.0])).value
  0.75
  """

  seed: int
  num_resamples: int
  confidence: float

  @classmethod
  def of(cls, config: Config) -> 'Intervals':
    """The settings of a config."""
    spec = config.report
    return cls(config.seed, spec.bootstrap_samples, spec.confidence)

  @property
  def options(self) -> dict[str, Any]:
    """As arguments of `analysis.intervals` and `analysis.costs`."""
    return dataclasses.asdict(self)

  def mean(self, values_P: np.ndarray, most: float) -> Estimate:
    """The mean over problems of values from 0 to `most`."""
    return Estimate.of(intervals.bootstrap(values_P, most=most, **self.options))

  def share(
    self, values: np.ndarray, spread: seeds.Spread | None = None
  ) -> Estimate:
    """A share: of problems, or, of shape (S, P), of seeds and problems.

    With the spread of a student's seeds, if that is known of more students.
    """
    if np.ndim(values) == 2 and values.shape[1] > 1:
      made = seeds.two_level(
        values, confidence=self.confidence, is_share=True, spread=spread
      )
    else:
      values_P = np.atleast_2d(values).mean(axis=0)
      made = intervals.bootstrap(values_P, is_share=True, **self.options)
    return Estimate.of(made)

  def quotient(self, counts: Counts, most: float) -> Estimate:
    """The quotient of two sums over problems, of each from 1 to `most`."""
    made = intervals.function_bootstrap(
      divide, counts, extremes_ExC=[[1.0, 1.0], [most, 1.0]], **self.options
    )
    return Estimate.of(intervals.within(made, 1.0, most))

  def rate(self, counts: Counts) -> Estimate | None:
    """A rate of false positives; None if no sample was checked."""
    if not counts[1].sum():
      return None
    return Estimate.of(
      intervals.ratio_bootstrap(*counts, is_share=True, **self.options)
    )
