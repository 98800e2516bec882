"""The expected number of samples is that of drawing many times."""

import random

import numpy as np
import pytest

from wcse_jax.analysis.enough import Enough
from wcse_jax.analysis.expected import expected

NAMES = [f'p/{i}' for i in range(60)]


def world(enough, numbers, seed, pilot=150):
  """What counts, and is left of that; and what was expected of both.

  Of other problems there is a pilot, and of the first of these a sample each.
  """
  rng = random.Random(seed)
  flags, known = {}, {}
  for name in [*NAMES, *(f'q/{i}' for i in range(pilot))]:
    chance = rng.betavariate(0.5, 1.0)
    found = {(name, i): rng.random() < chance for i in range(max(numbers))}
    if name in NAMES[:5]:
      known[name, 0] = found[name, 0]
    (flags if name in NAMES else known).update(found)
  counting = {
    (name, i)
    for most in numbers
    for name, tried in enough.counted(NAMES, most, flags)
    for i in range(tried)
  }
  told = expected(enough, NAMES, numbers, known)
  return len(counting), len(counting - known.keys()), *told


@pytest.mark.parametrize(
  ('enough', 'numbers'),
  [
    (Enough(right=1), [5]),
    (Enough(right=3), [8]),
    (Enough(rows=20), [4]),
    (Enough(right=2, rows=30), [3, 8]),
    (Enough(right=2, rows=10_000), [6]),
  ],
)
def test_it_is_the_mean_of_what_is_drawn(enough, numbers):
  samples, left, told, told_left = np.array(
    [world(enough, numbers, seed) for seed in range(60)]
  ).T
  for found, true in ((told, samples), (told_left, left)):
    error = np.std(found - true) / len(true) ** 0.5
    assert abs(np.mean(found - true)) < 3 * error + 0.02 * np.mean(true)
  most = max(numbers) * len(NAMES)
  assert np.mean(samples) < 0.9 * most, 'or this tests nothing'


def test_what_is_known_of_all_is_no_guess():
  rng = random.Random(0)
  right = {(name, i): rng.random() < 0.4 for name in NAMES for i in range(6)}
  for enough in (Enough(right=1), Enough(rows=9), Enough(2, 15)):
    tried = [n for _, n in enough.counted(NAMES, 6, right)]
    found = expected(enough, NAMES, [6], right)
    assert found.samples == pytest.approx(sum(tried)) and found.left < 1e-9


def test_that_samples_ended_with_a_right_one_biases_nothing():
  """A pilot that ended so has too many right ones, of too few samples."""
  true, told = [], []
  for seed in range(40):
    rng = random.Random(seed)
    chances = {name: rng.betavariate(0.5, 1.0) for name in NAMES}
    drawn = lambda c, rng=rng: next(
      (i + 1 for i in range(6) if rng.random() < c), 6
    )
    pilot = {}
    for i in range(200):
      chance = rng.betavariate(0.5, 1.0)
      for j in range(6):
        pilot[f'q/{i}', j] = rng.random() < chance
        if pilot[f'q/{i}', j]:
          break
    true.append(sum(drawn(c) for c in chances.values()))
    told.append(expected(Enough(right=1), NAMES, [6], pilot).samples)
  assert np.mean(told) == pytest.approx(np.mean(true), rel=0.03)


def test_without_samples_nobody_knows():
  assert expected(Enough(right=1), NAMES, [6], {}) is None
