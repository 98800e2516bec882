"""How hard problems are: beta-distributed solve rates, on a grid.

A sample solves a problem with a chance of the problem's own, `p ~ Beta(a, b)`;
so of m samples c are correct by the beta-binomial distribution. A cell of the
grid is a mean, `a / (a + b)`, and the lesser of a and b: where problems are
hard that is a, by which coverage goes on rising (arXiv 2502.17578). Its
distribution is held as quantiles, over which expectations are means.

Before any sample is seen, the mean has Jeffreys' distribution, so it counts as
half a sample of each outcome does, and the lesser one is log-normal about a
half: models solve most problems nearly always or nearly never.

Arms are alike: at each level another arm's logit of the mean is that of the
first, with a shift that is the same at all levels, and normal noise; the
logarithm of the lesser one is near the first one's, too. So what one arm's
samples say of a level counts for the other.

  A  arms   L  levels   R  draws   M  means   N  lesser ones
  G  cells of the grid, M x N      U  quantiles
"""

import functools
import itertools
import math

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.float64]

_LOGITS = np.linspace(-5, 5, 41)
_LEASTS = np.exp(np.linspace(math.log(0.05), math.log(5), 15))
MEAN_G, _LEAST_G = (
  grid.ravel()
  for grid in np.meshgrid(1 / (1 + np.exp(-_LOGITS)), _LEASTS, indexing='ij')
)
SIZE_G = _LEAST_G / np.minimum(MEAN_G, 1 - MEAN_G)
_QUANTILES = 40
_SHIFTS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)  # in logits, each as likely
_NOISE = 0.5  # standard deviation, in logits; of the log of the lesser one, too


@functools.cache
def quantiles() -> Grid:
  """Returns rates at the midpoints of U equal parts of each cell, (G, U).

  >>> bool(np.allclose(quantiles().mean(axis=1), MEAN_G, atol=0.01))
  True
  """
  x = np.linspace(-14, 14, 561)  # logit of p, with density p^a (1 - p)^b
  log_p, log_q = -np.log1p(np.exp(-x)), -np.log1p(np.exp(x))
  u = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
  rates = []
  for a, b in zip(MEAN_G * SIZE_G, (1 - MEAN_G) * SIZE_G, strict=True):
    density = np.exp(a * log_p + b * log_q)
    inner = (density[1:] + density[:-1]) / 2 * (x[1] - x[0])
    left, right = density[0] / a, density[-1] / b  # beyond the grid
    cdf = left + np.concatenate([[0.0], np.cumsum(inner)])
    rates.append(np.interp(u, cdf / (cdf[-1] + right), np.exp(log_p)))
  return np.array(rates)


def log_prior() -> Grid:
  """Returns the logarithm of the prior, up to a constant, (G,)."""
  return np.log(MEAN_G * (1 - MEAN_G)) / 2 - np.log(2 * _LEAST_G) ** 2 / 2


@functools.cache
def log_likelihood(tried: int, correct: int) -> Grid:
  """Returns that of a problem's outcome, up to a constant, (G,).

  Args:
    tried: How many samples there are.
    correct: How many of these are correct.

  A single sample is as likely correct as the mean of a cell says:

  >>> bool(np.allclose(np.exp(log_likelihood(1, 1)), MEAN_G, atol=0.01))
  True
  """
  p_GxU = quantiles()
  return np.log((p_GxU**correct * (1 - p_GxU) ** (tried - correct)).mean(1))


def draw_alike(
  rng: np.random.Generator, log_likelihood_AxLxG: Grid, size: int
) -> npt.NDArray[np.int64]:
  """Draws cells of all arms and levels from their posterior, (A, L, R).

  Args:
    rng: The source of randomness.
    log_likelihood_AxLxG: That of the outcomes of an arm's problems of a level,
      up to a constant each.
    size: R, how many draws to take.
  """
  A, L, G = log_likelihood_AxLxG.shape
  peaks = log_likelihood_AxLxG.max(axis=-1, keepdims=True)
  like_AxLxMxN = np.exp(log_likelihood_AxLxG - peaks).reshape(
    A, L, _LOGITS.size, _LEASTS.size
  )
  near_NxN = _kernel(np.log(_LEASTS))
  cells_AxLxR = np.zeros((A, L, size), np.int64)
  first_LxG = np.exp(log_prior()) * like_AxLxMxN[0].reshape(L, G)
  shifts = list(itertools.product(_SHIFTS, repeat=A - 1))
  weights = []  # of the first arm's cells, given each
  for way in shifts:
    others = [
      (_kernel(_LOGITS, shift) @ like_LxMxN @ near_NxN.T).reshape(L, G)
      for like_LxMxN, shift in zip(like_AxLxMxN[1:], way, strict=True)
    ]
    weights.append(np.prod([first_LxG, *others], axis=0))
  evidence = np.log(np.sum(weights, axis=-1)).sum(axis=-1)
  way_R = draw(rng, evidence, size)
  for level in range(L):
    cell_R = _pick(rng, np.array(weights)[way_R, level])
    cells_AxLxR[0, level] = cell_R
    m_R, n_R = np.divmod(cell_R, _LEASTS.size)
    for arm in range(1, A):
      beside_WxMxM = np.array([_kernel(_LOGITS, w[arm - 1]) for w in shifts])
      weights_RxMxN = (
        like_AxLxMxN[arm, level]
        * beside_WxMxM[way_R, m_R][..., None]
        * near_NxN[n_R][:, None]
      )
      cells_AxLxR[arm, level] = _pick(rng, weights_RxMxN.reshape(size, G))
  return cells_AxLxR


def _kernel(values: Grid, shift: float = 0.0) -> Grid:
  """Returns the chance of each value beside each: normal, and shifted."""
  weights = np.exp(-(((values - values[:, None] - shift) / _NOISE) ** 2) / 2)
  return weights / weights.sum(axis=1, keepdims=True)


def _pick(rng: np.random.Generator, weights_RxG: Grid) -> np.ndarray:
  cdf_RxG = weights_RxG.cumsum(axis=1)
  at_Rx1 = rng.random((len(cdf_RxG), 1)) * cdf_RxG[:, -1:]
  return (cdf_RxG < at_Rx1).sum(axis=1)


def draw(
  rng: np.random.Generator, log_weights: npt.NDArray[np.float64], size: int
) -> npt.NDArray[np.int64]:
  """Draws indices, each as often as the exponential of its weight says.

  >>> rng = np.random.default_rng(0)
  >>> bool((draw(rng, np.log([1e-9, 1, 1]), 9) > 0).all())
  True
  """
  weights = np.exp(log_weights - log_weights.max())
  return rng.choice(weights.size, size=size, p=weights / weights.sum())
