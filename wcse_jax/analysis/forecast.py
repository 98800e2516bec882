"""Coverage and diversity of a large budget, foretold from a small pilot.

Solve rates are beta-distributed, for each arm and level (`solve_rates`), so one
arm covers `coverage@k = E[1 - (1 - p)^k]` of a level. What one arm finds hard,
the other does, too: with probability rho a problem has the same rank u among
both arms' rates, else two independent ones. So k_a samples of each arm leave a
problem unsolved with the chance

  rho E[prod_a (1 - p_a(u))^k_a] + (1 - rho) prod_a E[(1 - p_a)^k_a].

After i correct solutions of a problem the next one is new with the chance
`theta / (theta + i)` (Ewens 1972). So a solution has a share s of the correct
ones, there being `theta (1 - s)^(theta - 1) / s ds` of them.

The pilot's samples are the first of those foretold: only what is drawn beyond
them is left to chance, and in which order theirs came.

Solve rates and theta of each arm and level, and rho, have posteriors, and draws
from them give intervals. A pilot has few samples of an arm at a level, so arms
learn from each other (`solve_rates`). Problems of the pilot keep what was
learnt of them. It does not matter why the pilot stopped: the likelihood is the
same if it depended on outcomes.

  P  problems   A  arms   L  levels   R  draws   U  quantiles   G  grid cells
  S  shares of a solution
  X  distinct states: level, and samples tried and correct of each arm
"""

from collections.abc import Iterator, Sequence
import dataclasses
import math

import numpy as np
import numpy.typing as npt

from wcse_jax.analysis import intervals, solve_rates
from wcse_jax.analysis.intervals import Estimate

_RHOS = np.linspace(0, 1, 11)
_THETAS = np.exp(np.linspace(-5, 5, 41))
_SHARE_S = 1 / (1 + np.exp(-np.arange(-24.0, 17.0)))  # s, of a solution
_ROUNDING = 1e-9  # shares that differ by less are the same
_LOG_REST_S = -np.log1p(np.exp(np.arange(-24.0, 17.0)))  # log(1 - s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split:
  """A way to spend a budget.

  Attributes:
    samples: Samples per problem of each arm.
    coverage: The share of problems of which one of these samples is correct.
    diversity: Unique correct solutions per problem; None if not foretold.
    chance_best: The chance that no other split covers more. Of those that cover
      the same each has it.
  """

  samples: tuple[int, ...]
  coverage: Estimate
  diversity: Estimate | None
  chance_best: float


def splits(
  budget: float, costs: Sequence[float], most: int = 100
) -> list[tuple[int, int]]:
  """Returns the ways to split a budget between two arms.

  Args:
    budget: What may be spent per problem.
    costs: The cost of a sample of each arm, in the same unit.
    most: How many ways to return at most; of more, so many are taken at even
      distances, both ends among them.

  Returns:
    Samples per problem of both arms: of the second from none to as many as the
    budget pays for, of the first what is left, rounded down.

  >>> splits(7, [1, 3])
  [(7, 0), (4, 1), (1, 2)]
  """
  first, second = costs
  whole = lambda x: math.floor(x * (1 + 1e-9) + 1e-9)
  last = whole(budget / second)
  number = min(last + 1, most)
  return [
    (whole((budget - second * k) / first), k)
    for k in np.linspace(0, last, number).round().astype(int).tolist()
  ]


class Forecast:
  """What a pilot tells of all problems.

  Half of 40 problems were tried, twice each, and 4 of them solved:

  >>> tried, correct = [[2] * 20 + [0] * 20], [[1] * 4 + [0] * 36]
  >>> told = Forecast([1] * 40, tried, correct, seed=0)
  >>> few, many = told.coverage(2), told.coverage(50)
  >>> 0.1 < few.value < many.value < 1
  True
  """

  def __init__(
    self,
    levels_P: npt.ArrayLike,
    tried_AxP: npt.ArrayLike,
    correct_AxP: npt.ArrayLike,
    unique_AxP: npt.ArrayLike | None = None,
    *,
    seed: int,
    draws: int = 200,
    confidence: float = 0.95,
  ):
    """Fits the model.

    Args:
      levels_P: The level of each problem that the forecast is for.
      tried_AxP: Samples of the pilot; 0 for problems outside it.
      correct_AxP: How many of these are correct.
      unique_AxP: Unique solutions among these, for `diversity`.
      seed: The seed of all draws.
      draws: How many draws to take from the posterior.
      confidence: How often the intervals are to hold the truth, 0-1.

    Raises:
      ValueError: More correct than tried, or shapes that do not fit.
    """
    self._levels, self._level_P = np.unique(
      np.asarray(levels_P), return_inverse=True
    )
    self._confidence = confidence
    self._rng = np.random.Generator(np.random.PCG64(seed))
    states = _states(self._level_P, tried_AxP, correct_AxP)
    self._states, self._of_P = states, states.of_P
    log_likelihood_AxLxG = [
      [
        _log_likelihood(states, arm, level)
        for level in range(len(self._levels))
      ]
      for arm in range(len(states.tried_AxX))
    ]
    self._cells_AxLxR = solve_rates.draw_alike(
      self._rng, np.array(log_likelihood_AxLxG), draws
    )
    self._p_AxLxRxU = solve_rates.quantiles()[self._cells_AxLxR]
    self._base_AxXxRxU = self._likelihoods(states)
    self._rho_R = self._draw_rho()
    self._tells_diversity = unique_AxP is not None
    if unique_AxP is not None:
      both = np.asarray(correct_AxP), np.asarray(unique_AxP)
      self._thetas_AxLxR = np.array(
        [self._draw_thetas(*rows) for rows in zip(*both, strict=True)]
      )

  def coverage(self, *samples: int) -> Estimate:
    """Estimates the coverage of all problems.

    The interval is for what those samples will cover, not for its mean.

    Args:
      *samples: Samples per problem of each arm.
    """
    return self._of_coverage(self._missed(samples))

  def rank(self, ways: Sequence[Sequence[int]]) -> list[Split]:
    """Returns the splits, best first: the first is recommended.

    That is by coverage; of those that cover the same, to a tenth of a percent,
    by diversity, where it is foretold.

    Args:
      ways: The ways to split a budget, e.g. from `splits`.
    """
    missed_WxXxR = np.array([self._missed(way) for way in ways])
    covered_WxR = 1 - self._states.count_X @ missed_WxXxR / self._of_P.size
    best_WxR = covered_WxR >= covered_WxR.max(axis=0) - _ROUNDING
    made = [
      Split(
        samples=tuple(way),
        coverage=self._of_coverage(missed_XxR),
        diversity=self.diversity(*way) if self._tells_diversity else None,
        chance_best=float(best_R.mean()),
      )
      for way, missed_XxR, best_R in zip(
        ways, missed_WxXxR, best_WxR, strict=True
      )
    ]
    return sorted(made, key=_rank, reverse=True)

  def diversity(self, *samples: int) -> Estimate:
    """Estimates the unique correct solutions per problem, mean over problems.

    A solution that several arms give counts once for each.

    Args:
      *samples: Samples per problem of each arm.
    """
    share_L = np.bincount(self._level_P) / self._level_P.size
    mean_R = np.zeros(self._rho_R.size)
    for arm, k in enumerate(samples):
      if not k:
        continue
      # Over s, its log-odds in steps of 1; beyond the last one s is 1.
      weight_LxRxS = self._thetas_AxLxR[arm, ..., None] * np.exp(
        self._thetas_AxLxR[arm, ..., None] * _LOG_REST_S
      )
      weight_LxRxS[..., -1] *= 0.5 + 1 / self._thetas_AxLxR[arm]
      p_LxRxU = self._p_AxLxRxU[arm]
      for s, weight_LxR in zip(
        _SHARE_S, np.moveaxis(weight_LxRxS, -1, 0), strict=True
      ):
        found_LxR = -np.expm1(k * np.log1p(-p_LxRxU * s)).mean(axis=-1)
        mean_R += share_L @ (weight_LxR * found_LxR)
    return self._interval(mean_R, mean_R)

  def worlds(self, number: int) -> Iterator[np.ndarray]:
    """Yields solve rates that the problems might have, (A, P), so many times.

    They are draws from the posterior: of what is known, and of each problem's
    rank among the rates of its level.
    """
    same_XxR, other_XxR = _couplings(self._base_AxXxRxU)
    same_XxR = self._rho_R * same_XxR
    alike_XxR = same_XxR / (same_XxR + (1 - self._rho_R) * other_XxR)
    for r in self._rng.integers(self._rho_R.size, size=number):
      alike_P = self._rng.random(self._of_P.size) < alike_XxR[self._of_P, r]
      at_P = self._rng.random(self._of_P.size)
      base_AxXxU = self._base_AxXxRxU[:, :, r]
      rates = []
      for arm, own_XxU in enumerate(base_AxXxU):
        cdf_PxU = np.where(
          alike_P[:, None],
          base_AxXxU.prod(axis=0)[self._of_P],
          own_XxU[self._of_P],
        ).cumsum(axis=1)
        at_P = np.where(alike_P, at_P, self._rng.random(at_P.size))
        u_P = (cdf_PxU < at_P[:, None] * cdf_PxU[:, -1:]).sum(axis=1)
        rates.append(self._p_AxLxRxU[arm, self._level_P, r, u_P])
      yield np.array(rates)

  def chances(
    self,
    levels_P: npt.ArrayLike,
    tried_AxP: npt.ArrayLike,
    correct_AxP: npt.ArrayLike,
  ) -> npt.NDArray[np.float64]:
    """Returns the chance that each arm's next sample is correct, (A, P).

    Args:
      levels_P: The levels of any problems, each one that the pilot was given.
      tried_AxP: How many samples there are so far.
      correct_AxP: How many of these are correct.
    """
    level_P = np.searchsorted(self._levels, levels_P)
    states = _states(level_P, tried_AxP, correct_AxP)
    base_AxXxRxU = self._likelihoods(states)
    now_X = self._mixed(base_AxXxRxU).mean(axis=1)
    chance_AxX = []
    for arm, p_LxRxU in enumerate(self._p_AxLxRxU):
      solved_AxXxRxU = base_AxXxRxU.copy()
      solved_AxXxRxU[arm] *= p_LxRxU[states.level_X]
      chance_AxX.append(self._mixed(solved_AxXxRxU).mean(axis=1) / now_X)
    return np.array(chance_AxX)[:, states.of_P]

  def _missed(self, samples: Sequence[int]) -> np.ndarray:
    """Returns the chance that none of the first samples is correct, (X, R)."""
    states = self._states
    old_AxX = np.minimum(np.reshape(samples, (-1, 1)), states.tried_AxX)
    new_AxX = np.reshape(samples, (-1, 1)) - old_AxX
    log_wrong_AxLxRxU = np.log1p(-self._p_AxLxRxU)
    wrong_AxXxRxU = np.exp(
      log_wrong_AxLxRxU[:, states.level_X] * new_AxX[..., None, None]
    )
    # Of the pilot's samples, in any order, those that count are all wrong.
    old_X = np.prod(
      [
        [
          math.comb(m - c, k) / math.comb(m, k)
          for m, c, k in zip(*rows, strict=True)
        ]
        for rows in zip(
          states.tried_AxX.tolist(),
          states.correct_AxX.tolist(),
          old_AxX.tolist(),
          strict=True,
        )
      ],
      axis=0,
    )
    new_XxR = self._mixed(self._base_AxXxRxU * wrong_AxXxRxU)
    return old_X[:, None] * new_XxR / self._mixed(self._base_AxXxRxU)

  def _likelihoods(self, states: '_States') -> np.ndarray:
    """Returns that of what each arm did, for rank u of it, (A, X, R, U)."""
    p_AxXxRxU = self._p_AxLxRxU[:, states.level_X]
    correct = states.correct_AxX[..., None, None]
    wrong = states.tried_AxX[..., None, None] - correct
    return p_AxXxRxU**correct * (1 - p_AxXxRxU) ** wrong

  def _mixed(self, of_arms_AxXxRxU: np.ndarray) -> np.ndarray:
    """Returns the expectation over the arms' joint distribution, (X, R)."""
    same, other = _couplings(of_arms_AxXxRxU)
    return self._rho_R * same + (1 - self._rho_R) * other

  def _draw_rho(self) -> np.ndarray:
    """Draws rho from its posterior given the rest, flat before, (R,)."""
    same, other = _couplings(self._base_AxXxRxU)
    rho = _RHOS[:, None, None]
    log_GxXxR = np.log(rho * same + (1 - rho) * other)
    log_RxG = np.einsum('x,gxr->rg', self._states.count_X, log_GxXxR)
    return _RHOS[[solve_rates.draw(self._rng, row, 1)[0] for row in log_RxG]]

  def _draw_thetas(
    self, correct_P: np.ndarray, unique_P: np.ndarray
  ) -> np.ndarray:
    """Draws theta from its posteriors, log-normal about 1 before, (L, R)."""
    log_LxG = np.tile(
      -((np.log(_THETAS) / 1.5) ** 2) / 2, (len(self._levels), 1)
    )
    for level, c, u in zip(self._level_P, correct_P, unique_P, strict=True):
      steps = np.log(_THETAS[:, None] + np.arange(c)).sum(axis=1)
      log_LxG[level] += u * np.log(_THETAS) - steps
    return _THETAS[
      [solve_rates.draw(self._rng, row, self._rho_R.size) for row in log_LxG]
    ]

  def _of_coverage(self, missed_XxR: np.ndarray) -> Estimate:
    chance_XxR = 1 - np.clip(missed_XxR, 0, 1)
    count_X, n = self._states.count_X, self._of_P.size
    seen_R = self._rng.binomial(count_X[:, None], chance_XxR).sum(axis=0) / n
    return self._interval(count_X @ chance_XxR / n, seen_R)

  def _interval(self, mean_R: np.ndarray, seen_R: np.ndarray) -> Estimate:
    return intervals.of_draws(mean_R, seen_R, confidence=self._confidence)


def _rank(split: Split) -> tuple[float, float, float]:
  """A key by which the best is the largest."""
  diversity = split.diversity.value if split.diversity else 0.0
  return round(split.coverage.value, 3), diversity, split.coverage.value


@dataclasses.dataclass(frozen=True, kw_only=True)
class _States:
  """Distinct states of problems.

  Attributes:
    level_X: The index of the level.
    tried_AxX: How many samples there are.
    correct_AxX: How many of these are correct.
    count_X: How many problems are in the state.
    of_P: The state of each problem.
  """

  level_X: np.ndarray
  tried_AxX: np.ndarray
  correct_AxX: np.ndarray
  count_X: np.ndarray
  of_P: np.ndarray


def _states(level_P, tried_AxP, correct_AxP) -> _States:
  tried_AxP = np.asarray(tried_AxP, np.int64)
  correct_AxP = np.asarray(correct_AxP, np.int64)
  if tried_AxP.shape != (len(correct_AxP), *level_P.shape):
    raise ValueError('levels, tried, correct: give them of the same problems')
  if (correct_AxP < 0).any() or (correct_AxP > tried_AxP).any():
    raise ValueError('more correct samples than samples, or fewer than none')
  distinct, of_P = np.unique(
    np.vstack([level_P, tried_AxP, correct_AxP]), axis=1, return_inverse=True
  )
  tried_AxX, correct_AxX = np.split(distinct[1:], 2)
  return _States(
    level_X=distinct[0],
    tried_AxX=tried_AxX,
    correct_AxX=correct_AxX,
    count_X=np.bincount(of_P),
    of_P=of_P,
  )


def _log_likelihood(states: _States, arm: int, level: int) -> np.ndarray:
  """Returns that of an arm's outcomes in a level, (G,)."""
  log_G = np.zeros(solve_rates.MEAN_G.size)
  for x in np.flatnonzero(states.level_X == level):
    tried, correct = states.tried_AxX[arm, x], states.correct_AxX[arm, x]
    log_G += states.count_X[x] * solve_rates.log_likelihood(
      int(tried), int(correct)
    )
  return log_G


def _couplings(of_arms_AxXxRxU: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns expectations for arms of one rank, and of independent ones."""
  return (
    of_arms_AxXxRxU.prod(axis=0).mean(axis=-1),
    of_arms_AxXxRxU.mean(axis=-1).prod(axis=0),
  )
