"""Adaptive allocation: samples for unsolved problems, none for solved ones.

Samples are drawn in rounds, at most one per problem in each: the next one goes
where a correct sample is likeliest for its cost, from whichever arm, until the
problem has enough correct ones or the budget is spent. So how many a problem
gets depends on what it gave, and the plain share of correct samples is biased
upwards; the estimators below are not.

  P  problems          A  arms
"""

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np
import numpy.typing as npt

from wcse_jax.analysis import estimators

# (arms, problems, sample indices) -> which samples are correct
Draw = Callable[[np.ndarray, np.ndarray, np.ndarray], npt.ArrayLike]
# (tried_AxP, correct_AxP) -> chance that the next sample is correct, (A, P)
Chances = Callable[[np.ndarray, np.ndarray], npt.ArrayLike]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allocated:
  """What was drawn.

  Attributes:
    tried_AxP: How many samples of each pool: those of index 0 to tried - 1.
    correct_AxP: How many of these are correct.
    spent: What they cost, in the unit of the costs.
  """

  tried_AxP: npt.NDArray[np.int64]
  correct_AxP: npt.NDArray[np.int64]
  spent: float

  @property
  def covered(self) -> float:
    """Share of problems with a correct sample."""
    return float(self.correct_AxP.any(axis=0).mean())


def adaptive(
  draw: Draw,
  chances: Chances,
  costs_A: Sequence[float],
  budget: float,
  *,
  limits_A: Sequence[int],
  tried_AxP: npt.ArrayLike,
  correct_AxP: npt.ArrayLike,
  target: int = 1,
  batch: int = 128,
) -> Allocated:
  """Spends what a first, uniform round has left of a budget.

  Args:
    draw: Draws samples, and returns which of them are correct.
    chances: Returns the chance that each arm's next sample is correct, e.g.
      `forecast.Forecast.chances`; constants give every unsolved problem its
      turn, the least tried first.
    costs_A: The cost of a sample of each arm.
    budget: What may be spent, in the same unit, the first round included.
    limits_A: How many samples of a problem each arm has at most.
    tried_AxP: How many samples the first round drew.
    correct_AxP: How many of these are correct.
    target: The number of correct samples after which a problem is done.
    batch: How many samples are drawn at a time, of as many problems.

  Raises:
    ValueError: The first round cost more than the budget.

  One of two problems was solved in the first round; the other one is given
  what is left, until it is solved, too:

  >>> made = adaptive(
  ...   lambda arms, problems, indices: indices == 3,
  ...   lambda tried, correct: np.ones(tried.shape),
  ...   costs_A=[1.0], budget=10, limits_A=[9],
  ...   tried_AxP=[[1, 1]], correct_AxP=[[1, 0]],
  ... )
  >>> made.tried_AxP.tolist(), made.spent, made.covered
  ([[1, 4]], 5.0, 1.0)
  """
  tried_AxP, correct_AxP = np.array(tried_AxP), np.array(correct_AxP)
  costs_Ax1 = np.reshape(costs_A, (-1, 1))
  limits_Ax1 = np.reshape(limits_A, (-1, 1))
  spent = float((tried_AxP * costs_Ax1).sum())
  if spent > budget * (1 + 1e-9):
    raise ValueError(f'the first round costs {spent:.4g} of {budget:.4g}')
  while True:
    value_AxP = np.asarray(chances(tried_AxP, correct_AxP)) / costs_Ax1
    open_AxP = (correct_AxP.sum(axis=0) < target) & (tried_AxP < limits_Ax1)
    open_AxP &= costs_Ax1 <= budget - spent + 1e-9 * budget
    value_AxP = np.where(open_AxP, value_AxP, -1.0)
    arm_P = value_AxP.argmax(axis=0)
    # Of equal value, the least tried first.
    order_P = np.lexsort((tried_AxP.sum(axis=0), -value_AxP.max(axis=0)))
    order_P = order_P[open_AxP.any(axis=0)[order_P]][:batch]
    bill = np.cumsum(costs_Ax1[arm_P[order_P], 0])
    chosen = order_P[bill <= budget - spent + 1e-9 * budget]
    if not chosen.size:
      return Allocated(
        tried_AxP=tried_AxP, correct_AxP=correct_AxP, spent=spent
      )
    arms = arm_P[chosen]
    correct = np.asarray(draw(arms, chosen, tried_AxP[arms, chosen]), bool)
    tried_AxP[arms, chosen] += 1
    correct_AxP[arms, chosen] += correct
    spent += float(costs_Ax1[arms, 0].sum())


def stopped_coverage_at_k(
  tried_P: npt.ArrayLike, correct_P: npt.ArrayLike, target: int, k: int
) -> npt.NDArray[np.float64]:
  """Estimates coverage@k of an arm that stops at `target` correct samples.

  Unbiased where a problem that is not done had at least k samples, that number
  having been fixed beforehand. Of all orders in which the outcomes may have
  come, those with no success among the first k leave the problem unsolved
  (Girshick, Mosteller and Savage 1946). N samples, the last of them the r-th
  correct one, give `1 - C(N - 1 - k, r - 1) / C(N - 1, r - 1)`; one that is not
  done, `estimators.coverage_at_k` (Chen et al. 2021).

  Args:
    tried_P: N, the samples of each problem.
    correct_P: How many of these are correct, at most `target`.
    target: r, at least 1.
    k: How many samples coverage is to be of, at least 1.

  Returns:
    The chance for each problem, shape (P,).

  Raises:
    ValueError: A problem has fewer than k samples and is not done, or more
      correct ones than the target.

  The second of the correct ones came fourth: one of three orders had the first
  one at once.

  >>> stopped_coverage_at_k([4], [2], target=2, k=1).round(3).tolist()
  [0.333]
  """
  tried_P, correct_P = np.asarray(tried_P), np.asarray(correct_P)
  done_P = correct_P == target
  if (correct_P > target).any() or (tried_P[~done_P] < k).any():
    raise ValueError(
      f'more than {target} correct samples, or fewer than k = {k} of a problem'
      ' that is not done: take a smaller k'
    )
  covered_P = np.ones(tried_P.shape)
  covered_P[~done_P] = estimators.coverage_at_k(
    tried_P[~done_P], correct_P[~done_P], k
  )
  before_P = done_P & (tried_P > k)  # its last success came after k
  covered_P[before_P] = estimators.coverage_at_k(
    tried_P[before_P] - 1, target - 1, k
  )
  return covered_P


def inverse_probability_mean(
  values_P: npt.ArrayLike, seen_P: npt.ArrayLike, chances_P: npt.ArrayLike
) -> float:
  """Estimates the mean over all problems from those that happened to be seen.

  `mean(seen * value / chance)`, unbiased where whether a problem is seen was
  left to chance (Horvitz and Thompson 1952): e.g. coverage@k where k samples
  were given to some problems only.

  Args:
    values_P: The value of each problem; any number where it was not seen.
    seen_P: Whether the problem was seen.
    chances_P: The chance of being seen, more than 0, as fixed before.

  >>> inverse_probability_mean([3.0, 0.0], [True, False], [0.5, 0.5])
  3.0
  """
  seen_P = np.asarray(seen_P, bool)
  weights_P = np.where(seen_P, 1 / np.asarray(chances_P, np.float64), 0.0)
  return float((weights_P * np.where(seen_P, values_P, 0.0)).mean())
