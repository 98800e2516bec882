"""The grid of beta distributions against closed forms."""

import math

import numpy as np
import pytest

from wcse_jax import solve_rates

A = solve_rates.MEAN_G * solve_rates.SIZE_G
B = (1 - solve_rates.MEAN_G) * solve_rates.SIZE_G
log_beta = np.vectorize(
  lambda a, b: math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
)


def test_quantiles_have_the_moments_of_their_distribution():
  p_GxU = solve_rates.quantiles()
  assert (np.diff(p_GxU) >= 0).all()
  np.testing.assert_allclose(p_GxU.mean(1), solve_rates.MEAN_G, atol=0.005)
  for k in (3, 30):
    exact = np.exp(log_beta(A, B + k) - log_beta(A, B))
    np.testing.assert_allclose(((1 - p_GxU) ** k).mean(1), exact, atol=0.01)


@pytest.mark.parametrize('tried, correct', [(4, 0), (4, 3), (10, 10)])
def test_likelihood_is_beta_binomial(tried, correct):
  exact = log_beta(A + correct, B + tried - correct) - log_beta(A, B)
  found = solve_rates.log_likelihood(tried, correct)
  np.testing.assert_allclose(np.exp(found), np.exp(exact), atol=0.01)


def test_counts_are_beta_binomial():
  cells = np.array([[0, 300], [111, 614]])
  chance = solve_rates.correct_counts(cells, 5)
  a, b = A[cells], B[cells]
  for c in range(6):
    exact = math.comb(5, c) * np.exp(
      log_beta(a + c, b + 5 - c) - log_beta(a, b)
    )
    np.testing.assert_allclose(chance[..., c], exact, rtol=1e-9)


def test_cells_are_drawn_by_weight():
  rng = np.random.default_rng(0)
  drawn = solve_rates.draw(rng, np.log([0.2, 1e-30, 0.6]) + 800, 4000)
  shares = np.bincount(drawn, minlength=3) / 4000
  np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=0.03)
