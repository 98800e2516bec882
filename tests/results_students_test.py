"""What students scored, over seeds and families of problems."""

import dataclasses

import msgspec
import numpy as np
import pytest

from wcse_jax.experiment import config
from wcse_jax.experiment.plan import Base, Mix
from wcse_jax.records import Answers
from wcse_jax.results import students
from wcse_jax.results.committed import Trained
from wcse_jax.results.intervals import Intervals

INTERVALS = Intervals(seed=0, num_resamples=200, confidence=0.95)


def answers(greedy, level=1):
  """A seed's answers to problems."""
  return [
    Answers(
      problem_id=f'p/{i}',
      level=level + i % 2,
      greedy='correct' if right else 'wrong',
      verdicts=['correct', 'wrong'],
      answers=['1', '2'],
    )
    for i, right in enumerate(greedy)
  ]


def seeds(rates):
  """Seeds that solve so many problems, from the first on: easy ones first."""
  rng = np.random.default_rng(0)
  ease = np.arange(100) / 100 + rng.normal(scale=0.05, size=100)
  return students.Answered([answers(ease < rate) for rate in rates])


def width(estimate):
  return estimate.high - estimate.low


def test_a_student_has_each_seeds_value():
  several = students.score(seeds((0.2, 0.5, 0.8)), (1, 2), INTERVALS)
  assert [of.pass_at_1 for of in several.by_seed] == pytest.approx(
    [0.2, 0.5, 0.8], abs=0.08
  )
  assert several.by_seed[0].maj_at_k == {2: 0.5}
  one = students.score(seeds((0.5,)), (1, 2), INTERVALS)
  assert len(one.by_seed) == 1
  assert width(several.pass_at_1) > 3 * width(one.pass_at_1)
  assert several.pass_at_1.low >= 0 and several.pass_at_1.high <= 1
  assert set(several.by_level) == {1, 2}


def test_seeds_on_one_problem_are_taken_as_one():
  test = students.Answered([answers([True]), answers([False])])
  assert students.score(test, (1,), INTERVALS).pass_at_1.value == 0.5


def test_samples_are_scored_on_the_problems_that_have_some():
  """The greedy solution is of all problems, maj@k and coverage@k of a part."""
  greedy = [True, False, False, True]

  def asked(sampled):
    return [
      a if i < sampled else dataclasses.replace(a, verdicts=[], answers=[])
      for i, a in enumerate(answers(greedy))
    ]

  test = students.Answered([asked(2)])
  whole = students.Answered([answers(greedy)])
  assert test.greedy.tolist() == whole.greedy.tolist()
  for k in (1, 2):
    assert test.majority(k).tolist() == whole.majority(k)[:2].tolist()
    assert test.coverage(k).tolist() == whole.coverage(k)[:2].tolist()
  scores = students.score(test, (1, 2), INTERVALS)
  assert scores.pass_at_1.value == 0.5
  assert scores.coverage_at_k[2].value == 1
  two = students.Answered([asked(3), asked(3)], ['a', 'a', 'b', 'b'])
  assert two.majority(1).shape == (2, 1)  # family b lacks samples of one
  assert two.greedy.shape == (2, 2)


def test_a_family_counts_once_and_only_if_all_its_variants_are_solved():
  of_seeds = [
    answers([True, True, True, False]),
    answers([True, False, False, False]),
  ]
  test = students.Answered(of_seeds, ['a', 'a', 'b', 'b'])
  assert test.greedy.tolist() == [[1, 0], [0, 0]]
  # Each variant has one right sample of two; both must be found.
  assert test.coverage(1) == pytest.approx(np.full((2, 2), 0.25))
  assert test.coverage(2).tolist() == [[1, 1], [1, 1]]
  of_seeds[1][3] = dataclasses.replace(of_seeds[1][3], greedy='unknown')
  assert test.unknown == 1
  alone = students.Answered(of_seeds[:1])
  assert alone.greedy.tolist() == [1, 1, 1, 0]


def test_false_positives_are_of_right_greedy_solutions_that_were_checked():
  right = [True, True, True, False]
  sound = [True, False, None, False]  # the last is wrong anyhow
  seed = [
    dataclasses.replace(of, greedy_sound=said)
    for of, said in zip(answers(right), sound, strict=True)
  ]
  of = students.Answered([seed, answers(right)])
  unsound_P, checked_P = of.false_positives()
  assert unsound_P.tolist() == [0, 1, 0, 0]
  assert checked_P.tolist() == [1, 1, 0, 0]
  assert students.score(of, (1,), INTERVALS).fpr.value == 0.5
  assert students.score(seeds((0.5,)), (1,), INTERVALS).fpr is msgspec.UNSET


class _Committed:
  """What `answered` reads of what was committed."""

  def __init__(self, labels):
    self.labels, self.tests = labels, ('test', 'other')
    checked = [
      dataclasses.replace(a, greedy_sound=False) for a in answers([True, True])
    ]
    trained = Trained(answers={'test': checked, 'other': checked})
    self.students = {
      Base(): [trained],
      Mix(config.SE, 'low'): [trained, trained],
    }


def test_people_decide_what_students_reasoning_is_worth():
  """Their own false positives: by people where no check of steps is exact."""
  mix = Mix(config.SE, 'low')
  labels = {('se-low', 'p/1', -1): True, ('se', 'p/0', 0): True}
  found = students.answered(_Committed(labels))
  unsound, checked = found[mix, 'test'].false_positives()
  assert (unsound.tolist(), checked.tolist()) == ([0, 0], [0, 1])
  assert not found[Base(), 'test'].false_positives()[1].any(), 'unlabelled'
  unsound, _ = found[mix, 'other'].false_positives()
  assert unsound.tolist() == [2, 2], 'nobody labels other tests'
  # Of pools alone, they say nothing of students.
  found = students.answered(_Committed({('se', 'p/0', 0): True}))
  assert found[mix, 'test'].false_positives()[0].tolist() == [2, 2]
