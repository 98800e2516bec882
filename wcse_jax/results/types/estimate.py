"""Numbers that may not exist, with their intervals."""

import math

import msgspec

from wcse_jax.analysis import intervals
from wcse_jax.analysis.intervals import Number as Number


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
  """A number with its confidence interval.

  Attributes:
    value: The number; None where it is not defined.
    low: The lower bound of the interval.
    high: The upper bound of the interval.

  >>> Estimate(value=0.3, low=0.1, high=0.4).direction
  1
  >>> Estimate(value=0.3, low=-0.1, high=0.4).direction
  0
  """

  value: Number | None
  low: Number | None
  high: Number | None

  @classmethod
  def of(cls, estimate: intervals.Estimate) -> 'Estimate':
    """The estimate as it is written: without NaN and infinities."""
    return cls(**estimate.to_dict())

  @property
  def direction(self) -> int:
    """1 if it is above zero, -1 if below, 0 if the interval includes zero."""
    if self.low is None or self.high is None or self.low <= 0 <= self.high:
      return 0
    return 1 if self.low > 0 else -1


def finite(value: float) -> float | None:
  """The number, None for NaN and infinities."""
  return value if math.isfinite(value) else None
