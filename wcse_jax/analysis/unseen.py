"""What problems that were not seen may be like, which resampling cannot tell.

It never goes beyond what was seen: problems that are all alike show no spread,
however few they are. But a share of all problems may be unlike them, up to
`1 - ((1 - confidence) / 2)^(1 / P)`: if more were, P problems would nearly
always hold one (Clopper and Pearson 1934, 0 of P).

  P  problems     C  columns     E  extremes
"""

from collections.abc import Sequence
import math

import numpy as np
import numpy.typing as npt

_ROUNDING = 1e-12  # a spread that comes of rounding alone


def seen_share(count: float, confidence: float) -> float:
  """Returns the least share of all that may be like those that were seen.

  Args:
    count: How many were seen, all of them alike; at least 1.
    confidence: How often the interval is to hold the truth, 0-1.

  >>> round(seen_share(300, 0.95), 3)
  0.988
  """
  return ((1 - confidence) / 2) ** (1 / count)


def means(
  means_C: npt.ArrayLike,
  extremes_ExC: Sequence[npt.ArrayLike],
  count: float,
  confidence: float,
) -> list[np.ndarray]:
  """Returns the means if as many as may be are unseen, for each extreme.

  Args:
    means_C: Those of the problems seen.
    extremes_ExC: What the columns of those unseen may be.
    count: As in `seen_share`.
    confidence: As in `seen_share`.

  >>> [float(x.round(3)) for x in means(0.5, [0.0, 1.0], 300, 0.95)]
  [0.494, 0.506]
  """
  seen, of_seen = seen_share(count, confidence), np.asarray(means_C)
  return [seen * of_seen + (1 - seen) * np.asarray(of) for of in extremes_ExC]


def ends(
  value: float,
  interval: tuple[float, float],
  alone: np.ndarray,
  others: Sequence[float],
) -> tuple[float, float]:
  """Returns an interval whose ends are moved where resampling stops.

  Args:
    value: The estimate.
    interval: Its lower and its upper end.
    alone: What each problem would give by itself: there resampling stops.
    others: What the estimate would be with those that may be unseen.

  >>> ends(0.0, (0.0, 0.0), np.zeros(9), [-0.25, 0.25])
  (-0.25, 0.25)
  >>> ends(0.5, (0.25, 0.75), np.array([0.0, 1.0]), [0.0, 1.0])
  (0.25, 0.75)
  """
  low, high = interval
  if 0 < high - low < _ROUNDING:
    return low, high
  alone = alone[~np.isnan(alone)]
  down = up = ()
  if low in (high, alone.min(initial=math.inf)):
    down = [x + (low - value) for x in others]
  if high in (low, alone.max(initial=-math.inf)):
    up = [x + (high - value) for x in others]
  return min([low, *down]), max([high, *up])


def one_way(differences_P: np.ndarray, confidence: float) -> float:
  """Returns how far the other way differences of one sign may be, if so few.

  As if of those that differ as many as may be differed the other way, by as
  much as any does.

  Args:
    differences_P: One for each problem, many of them 0.
    confidence: As in `seen_share`.

  Returns:
    The lower bound of the mean of positive ones, the upper bound of negative
    ones; nan if that has their sign, and if there are both, or none.

  That 3 of 100 problems gained, and none lost, does not show a gain:

  >>> round(one_way(np.array([1.0] * 3 + [0.0] * 97), 0.95), 3)
  -0.012
  """
  some = differences_P[differences_P != 0]
  if not some.size or some.min() < 0 < some.max():
    return math.nan
  farthest = some[np.abs(some).argmax()]
  (bound,) = means(some.mean(), [-farthest], some.size, confidence)
  if bound * farthest > 0:
    return math.nan
  return float(bound * some.size / differences_P.size)
