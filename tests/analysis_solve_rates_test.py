"""The grid of beta distributions against closed forms."""

import math

import numpy as np
import pytest

from wcse_jax.analysis import solve_rates

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


def test_cells_are_drawn_by_weight():
  rng = np.random.default_rng(0)
  drawn = solve_rates.draw(rng, np.log([0.2, 1e-30, 0.6]) + 800, 4000)
  shares = np.bincount(drawn, minlength=3) / 4000
  np.testing.assert_allclose(shares, [0.25, 0, 0.75], atol=0.03)


def test_of_one_arm_cells_are_drawn_from_their_own_posterior():
  rng = np.random.default_rng(0)
  likelihood = solve_rates.log_likelihood(10, 3)
  cells = solve_rates.draw_alike(rng, np.array([[likelihood]]), 4000)
  assert cells.shape == (1, 1, 4000)
  weights = np.exp(solve_rates.log_prior() + likelihood)
  mean = np.dot(weights, solve_rates.MEAN_G) / weights.sum()
  drawn = solve_rates.MEAN_G[cells[0, 0]]
  assert drawn.mean() == pytest.approx(mean, abs=3.5 * drawn.std() / 4000**0.5)


def test_an_arm_learns_from_the_other_where_it_knows_little():
  """At the second level it is as much above as at the first, seen or not."""
  know = lambda tried, correct: 20 * solve_rates.log_likelihood(tried, correct)
  nothing = np.zeros(solve_rates.MEAN_G.size)
  logit = lambda cells: np.log(
    solve_rates.MEAN_G[cells] / (1 - solve_rates.MEAN_G[cells])
  )

  def second_level(of_second):
    cells = solve_rates.draw_alike(
      np.random.default_rng(0),
      np.array(
        [[know(10, 5), know(10, 2)], [know(10, 7), of_second]]  # arms, levels
      ),
      1000,
    )
    return logit(cells[1, 1]) - logit(cells[0, 1])

  told, seen = second_level(nothing), second_level(know(10, 1))
  assert told.mean() == pytest.approx(math.log(7 / 3), abs=0.35)
  assert seen.mean() == pytest.approx(math.log(1 / 9 * 4), abs=0.35)
  assert seen.std() < told.std() < 1
