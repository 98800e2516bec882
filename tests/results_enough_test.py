"""What is estimated of samples that end with enough right ones is unbiased."""

import random

import made_data as made
import numpy as np
import pytest

from wcse_jax.analysis.enough import Enough
from wcse_jax.results import pools

N, MOST = 60, 4
CHANCES = [i % 5 / 6 for i in range(N)]  # of a right sample, by problem


def runs(enough, number=150):
  """Pools of as many runs, each with its own samples and order of problems."""
  for seed in range(number):
    rng = random.Random(seed)
    said = [
      [True if rng.random() < c else None for _ in range(MOST)] for c in CHANCES
    ]
    # As a seeded order has them.
    problems = rng.sample(made.problems(N), N)
    yield pools.drawn(problems, made.sampled('wc', said), MOST, enough=enough)


@pytest.mark.parametrize('k', [1, 2, MOST])
@pytest.mark.parametrize(
  'enough', [Enough(right=1), Enough(right=2), Enough(rows=9), Enough(2, 9)]
)
def test_coverage_is_that_of_drawing_all(enough, k):
  found = [of.unbiased.coverage(k).mean() for of in runs(enough)]
  true = np.mean([1 - (1 - c) ** k for c in CHANCES])
  error = np.std(found) / len(found) ** 0.5
  assert abs(np.mean(found) - true) < 3 * error


def test_counting_alone_would_be_wrong():
  """The last of a problem's samples is right because it is the last."""
  true = np.mean(CHANCES)
  share, error = zip(
    *[
      (
        of.num_right_P.sum() / of.num_drawn_P.sum(),
        of.unbiased.coverage(1).mean(),
      )
      for of in runs(Enough(right=1), 50)
    ],
    strict=True,
  )
  assert np.mean(share) < true - 0.05 < np.mean(error)
  ended = [of.coverage(1).mean() for of in runs(Enough(rows=9))]
  left_out = [of.unbiased.coverage(1).mean() for of in runs(Enough(rows=9))]
  assert np.mean(ended) > np.mean(left_out) + 0.01


def test_rows_are_as_many_as_are_asked_for_and_those_of_the_first_problems():
  for of in [*runs(Enough(rows=9), 20)]:
    assert sum(map(len, of.right)) == 9
    assert (
      len(of.problems) < N and len(of.unbiased.problems) == len(of.problems) - 1
    )
  everything = next(runs(Enough(rows=10_000), 1))
  assert everything.unbiased.problems == everything.problems
  assert len(everything.problems) == N


def test_unknown_samples_would_end_it_sooner():
  """Coverage at most: had the first been right, nothing had come after it."""
  said = [[None, True, True]]
  pool = made.sampled('wc', said)
  unknown = [
    v if v.sample_index else v.__class__(**{**v.__dict__, 'verdict': 'unknown'})
    for v in pool.verdicts
  ]
  pool = made.Sampled(samples=pool.samples, verdicts=unknown)
  of = pools.drawn(made.problems(1), pool, 3, enough=Enough(right=1))
  assert of.num_drawn_P.tolist() == [2]
  assert of.coverage(1).tolist() == [0] and of.coverage(1, upper=True) == [1]
