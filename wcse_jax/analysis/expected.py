"""How many samples it takes until enough are right, by those that are there.

A sample is right with a chance of the problem's own, which is beta-distributed
over problems (`solve_rates`); which beta it is, samples that are there tell,
more or less surely. That a problem's samples ended with a right one changes
nothing of what they tell of it.

  C  betas         J  problems, in the order in which they are asked
  F  right samples of a problem, from those that are there on
"""

import collections
from collections.abc import Mapping, Sequence
import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from wcse_jax.analysis import solve_rates
from wcse_jax.analysis.enough import Enough, Key

Array = npt.NDArray[np.float64]
_LEAST = 1e-2  # of the weight of the likeliest beta: what is less says nothing


class Expected(NamedTuple):
  """What will have been drawn once there is enough, in the mean.

  Attributes:
    samples: The samples that count, those included that are there.
    left: Those of them that are not there.
  """

  samples: float
  left: float


class _Outlook(NamedTuple):
  """What may come of problems; `left`: samples to draw, `rows`: right ones."""

  left: Array
  rows: Array
  variance: Array


def expected(
  enough: Enough,
  problems: Sequence[str],
  numbers: Sequence[int],
  right: Mapping[Key, bool],
) -> Expected | None:
  """Returns how many samples are expected to count.

  Rows of many problems are normally distributed, nearly.

  Args:
    enough: When no more samples are drawn.
    problems: The problems, in the order in which they are asked.
    numbers: The samples of a problem that budgets pay for, ascending; what
      counts for one of them counts.
    right: Whether a sample is right, as far as samples are there; also of other
      problems.

  Returns:
    The samples; None if none is there, so that nobody knows.

  Example:
    Of ten problems half are solved always, half never:

    >>> names = [f'p/{i}' for i in range(10)]
    >>> seen = {(f'{i}', j): i < 90 for i in range(180) for j in range(9)}
    >>> found = expected(Enough(right=1), names, [5], seen)
    >>> bool(28 < found.samples == found.left < 32)  # 1 or 5 of each
    True
  """
  if not right:
    return None
  tried, correct = collections.Counter(), collections.Counter()
  for (problem, _), is_right in right.items():
    tried[problem] += 1
    correct[problem] += is_right
  outcomes = collections.Counter(
    (n, correct[name]) for name, n in tried.items()
  )
  log_C = solve_rates.log_prior() + sum(
    times * solve_rates.log_likelihood(*outcome)
    for outcome, times in outcomes.items()
  )
  weight_C = np.exp(log_C - log_C.max())
  likely = weight_C > _LEAST
  mean_C, size_C = solve_rates.MEAN_G[likely], solve_rates.SIZE_G[likely]
  betas = mean_C * size_C, (1 - mean_C) * size_C
  samples_C = left_C = asked_CxJ = np.zeros(1)
  for most in reversed(numbers):  # of fewer samples more problems are asked
    states = [
      _state(right, problem, most, enough.right) for problem in problems
    ]
    of = functools.cache(lambda t, f, m=most: _of(betas, t, f, m, enough.right))
    several = [of(*state) for state in states]
    there_J = np.array([there for there, _ in states])
    left_CxJ, *rows = (
      np.stack(each, axis=1) for each in zip(*several, strict=True)
    )
    now_CxJ = _asked(enough.rows, *rows)
    more_CxJ = now_CxJ - asked_CxJ
    left_C = left_C + (more_CxJ * left_CxJ).sum(axis=1)
    samples_C = samples_C + (more_CxJ * (left_CxJ + there_J)).sum(axis=1)
    asked_CxJ = now_CxJ
  mean = lambda of_C: float(np.average(of_C, weights=weight_C[likely]))
  return Expected(mean(samples_C), mean(left_C))


def _state(
  right: Mapping[Key, bool], problem: str, most: int, target: int | None
) -> tuple[int, int]:
  """The samples of a problem that are there and count; how many are right."""
  tried = found = 0
  while tried < most and found != target and (problem, tried) in right:
    found += right[problem, tried]
    tried += 1
  return tried, found


def _of(
  betas: tuple[Array, Array],
  tried: int,
  found: int,
  most: int,
  target: int | None,
) -> _Outlook:
  """What is to come of a problem, by each beta.

  Args:
    betas: The parameters of each, (C,).
    tried: How many of its samples are there.
    found: How many of them are right.
    most: How many samples it may have.
    target: The right ones after which no more are drawn.
  """
  a_Cx1, b_Cx1 = (of_C[:, None] for of_C in betas)
  more = most - tried
  further_F = np.arange(1 + (more if target is None else target - found))
  chance_CxF = np.zeros((a_Cx1.size, further_F.size))
  chance_CxF[:, 0] = 1
  goes_on_F = np.array(
    [target is None or found + f < target for f in further_F]
  )
  left_C = np.zeros(a_Cx1.size)
  for drawn in range(tried, most):
    drawing_CxF = chance_CxF * goes_on_F
    left_C += drawing_CxF.sum(axis=1)
    next_CxF = (a_Cx1 + found + further_F) / (a_Cx1 + b_Cx1 + drawn)
    moved_CxF = drawing_CxF * next_CxF
    chance_CxF -= moved_CxF
    chance_CxF[:, 1:] += moved_CxF[:, :-1]
  mean_C = chance_CxF @ further_F
  variance_C = chance_CxF @ further_F**2 - mean_C**2
  return _Outlook(left_C, found + mean_C, variance_C)


def _asked(rows: int | None, rows_CxJ: Array, variance_CxJ: Array) -> Array:
  """The chance that each problem is asked: there are too few rows before it."""
  if rows is None:
    return np.ones_like(rows_CxJ)
  before = lambda of_CxJ: np.cumsum(of_CxJ, axis=1) - of_CxJ
  lacking_CxJ = rows - 0.5 - before(rows_CxJ)
  deviation_CxJ = np.sqrt(np.maximum(before(variance_CxJ), 1e-9))
  return special.ndtr(lacking_CxJ / deviation_CxJ)
