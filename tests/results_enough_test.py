"""What is estimated of samples that end with enough right ones is unbiased."""

import dataclasses
import random

import made_data as made
import numpy as np
import pytest

from wcse_jax import results
from wcse_jax.analysis.enough import Enough
from wcse_jax.experiment import config as config_lib
from wcse_jax.report import costs, outcomes
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


def found(rates=(0.4, 0.7), number=40, seed=0, **budget):
  """What a run found whose WC and SE are right so often."""
  rng = random.Random(seed)
  arms = 'se', 'wc_compute_matched', 'wc_number_matched'
  sizes = {'low': MOST, 'high': MOST, **budget}
  config = dataclasses.replace(
    made.config(arms), budget=config_lib.BudgetSpec(**sizes)
  )
  said = lambda rate, most: [
    [True if rng.random() < rate else None for _ in range(most)]
    for _ in range(number)
  ]
  drawn = {
    pool: made.sampled(
      str(pool), said(rate, most), parts=[made.part()], num_prefix_tokens=100
    )
    for pool, rate, most in zip(
      (made.WC, made.SE), rates, (3 * MOST, MOST), strict=True
    )
  }
  of = made.committed(drawn, config)
  of = dataclasses.replace(of, problems={**of.problems, 'test': []})
  return results.make(of)


def test_the_ledger_has_what_every_arm_of_a_pool_takes():
  """That of fewer samples a problem asks more problems: it read them, too."""
  of = found(rows=30)
  deep, wide = (
    of.arms[arm]['high'].samples
    for arm in ('wc_compute_matched', 'wc_number_matched')
  )
  of_each = deep // (3 * MOST) * MOST  # of the problems that both have
  assert deep % (3 * MOST) == 0 and wide // MOST > deep // (3 * MOST)
  assert of.ledger['wc'].planned_samples == deep + wide - of_each
  assert of.ledger['se'].planned_samples == of.arms['se']['high'].samples


def test_arms_that_end_by_rows_are_told_by_what_a_right_solution_costs():
  (of_data,) = found(rows=60).winners
  rows = {row.matching: row for row in of_data.rows}
  assert of_data.metric == 'rows_per_cost' and of_data.flips
  # WC is right 4 times where SE is 7 times, and costs a third.
  assert rows['number'].winner == 'se' and rows['flops'].winner == 'wc'
  assert rows['number'].relative.value == pytest.approx(0.4 / 0.7 - 1, abs=0.2)
  assert rows['flops'].relative.value == pytest.approx(1.2 / 0.7 - 1, abs=0.5)
  assert rows['price'].relative is None and rows['price'].note
  assert costs.does_it_flip(found(rows=60)).caption.endswith('cost gives.')
  assert costs.does_it_flip(found()).caption.endswith('pays for.')
  same = found((0.6, 0.6), rows=60).winners[0].rows
  assert same[0].winner == 'undecided'


def test_they_have_a_rate_of_false_positives_that_breaks_even():
  rates = {row.a: row.fpr for row in found(rows=60).break_even}
  told = rates['wc_compute_matched-high']
  # All of SE's are sound.
  assert told['flops'].value == pytest.approx(1 - 0.7 / 1.2, abs=0.2)
  assert told['number'].value < 0
  all_ = found()
  plain = {row.a: row.fpr for row in all_.break_even}
  assert plain['wc_compute_matched-high']['flops'].value == pytest.approx(
    1 - 0.7 / 1.2, abs=0.15
  )


def test_estimates_are_said_to_be_of_what_they_are():
  """They leave out the problem that brought the last row."""
  of = found(rows=30)
  cell = of.arms['se']['high']
  problems = cell.samples // MOST
  assert cell.estimated_of == problems - 1
  said = outcomes.main(of)[0]
  assert f'each of {problems} problems, ' in said
  assert f'of the first {problems - 1} are solved' in said
  assert 'of the problems are solved' in outcomes.main(found(right=1))[0]


def test_what_ends_with_enough_right_is_not_said_to_cost_in_proportion():
  """Of a problem that has enough, twice as many at most cost no more."""
  notes = [
    row.note
    for of in found((0.05, 0.9), right=1).winners
    for row in of.rows
    if row.note and row.matching == 'number'
  ]
  assert notes and all('would match' not in note for note in notes)
  assert any('at most 1 samples of WC cost' in note for note in notes)
