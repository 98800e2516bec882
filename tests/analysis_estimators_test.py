"""Estimators against brute force."""

import itertools
import math

import numpy as np
import pytest

from wcse_jax.analysis import estimators

rng = np.random.default_rng


def draws(items, k):
  return list(itertools.combinations(items, k))


@pytest.mark.parametrize('M', [1, 2, 5, 7])
def test_coverage_equals_enumeration(M):
  for k, c in itertools.product(range(1, M + 1), range(M + 1)):
    flags = [True] * c + [False] * (M - c)
    expected = np.mean([any(draw) for draw in draws(flags, k)])
    assert estimators.coverage_at_k(M, [c], k) == pytest.approx([expected])


def test_coverage_is_exact_at_its_ends_and_stable_for_many_samples():
  M = 100_000
  covered = estimators.coverage_at_k(M, [0, 1, M], M)
  np.testing.assert_array_equal(covered, [0, 1, 1])
  expected = 1 - math.comb(M - 3, 500) / math.comb(M, 500)
  assert estimators.coverage_at_k(M, [3], 500)[0] == pytest.approx(
    expected, rel=1e-12
  )


def test_coverage_takes_problems_with_unequal_samples():
  np.testing.assert_allclose(
    estimators.coverage_at_k([4, 2], [1, 1], 2), [0.5, 1.0]
  )


@pytest.mark.parametrize('M, c, k', [(3, 1, 4), (3, 1, 0), (3, 4, 1)])
def test_impossible_counts_are_refused(M, c, k):
  with pytest.raises(ValueError, match='samples'):
    estimators.coverage_at_k(M, [c], k)


@pytest.mark.parametrize('counts', [[], [1], [3], [2, 1, 1], [1] * 6])
def test_diversity_equals_enumeration(counts):
  M = 6
  solutions = [i for i, m in enumerate(counts) for _ in range(m)]
  solutions += [None] * (M - len(solutions))  # wrong ones
  for k in range(1, M + 1):
    expected = np.mean([len(set(d) - {None}) for d in draws(solutions, k)])
    actual = estimators.diversity_at_k([counts], M, k)
    assert actual == pytest.approx([expected])


def test_diversity_lies_between_coverage_and_its_bounds():
  M = 12
  for seed in range(20):
    counts = rng(seed).multinomial(M, rng(seed).dirichlet([0.5] * 6))[1:]
    counts = counts[counts > 0]
    for k in range(1, M + 1):
      diversity = estimators.diversity_at_k([counts], M, k)[0]
      coverage = estimators.coverage_at_k(M, [counts.sum()], k)[0]
      assert coverage - 1e-12 <= diversity <= min(k, len(counts)) + 1e-12
    assert diversity == len(counts)  # at k = M nothing is left to chance


def test_solution_key_collapses_white_space_alone():
  assert estimators.solution_key(' 1 +\n 2 ') == '1 + 2'
  assert estimators.solution_key('1 + 2') != estimators.solution_key('2 + 1')
  counts = estimators.multiplicities(['b', 'a', ' b', 'b\n'])
  np.testing.assert_array_equal(counts, [3, 1])


def test_unknown_counts_as_not_correct_and_in_the_upper_bound():
  verdicts = ['correct', 'unknown', 'wrong']
  assert estimators.correct_flags(verdicts).tolist() == [True, False, False]
  assert estimators.correct_flags(verdicts, upper=True).tolist() == [
    True,
    True,
    False,
  ]


def test_pass_at_1_is_coverage_at_1():
  M, c = [4, 1, 1], [3, 1, 0]
  np.testing.assert_allclose(np.divide(c, M), estimators.coverage_at_k(M, c, 1))


def test_maj_at_k_by_hand():
  answers = ['5', '7', '7', '5']
  correct = [True, False, False, True]

  def maj(k):
    return estimators.maj_at_k([answers], [correct], k)[0]

  assert maj(1) == 0.5
  assert maj(2) == 0.5  # ties to the first seen: 5, 7, 7, 5
  assert maj(3) == 0.5  # 577, 775, 755, 557
  assert maj(4) == 0.5  # one tie, seen from each start


def test_maj_at_k_ignores_missing_answers():
  assert estimators.maj_at_k(
    [['', '', '5'], ['', '', '']], [[0, 0, 1], [0, 0, 0]], 3
  ).tolist() == [1, 0]


def test_maj_at_k_is_unbiased():
  """Its mean over many problems equals the chance by enumeration."""
  chances = {'5': 0.5, '7': 0.3, '9': 0.2}
  expected = 0.0
  for run in itertools.product(chances, repeat=3):
    top = max(run.count(a) for a in run)
    winner = next(a for a in run if run.count(a) == top)
    expected += (winner == '5') * np.prod([chances[a] for a in run])
  answers = rng(0).choice(
    list(chances), p=list(chances.values()), size=(4000, 5)
  )
  estimate = estimators.maj_at_k(answers.tolist(), list(answers == '5'), 3)
  assert estimate.mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize('k', [0, 3])
def test_maj_at_k_needs_k_answers(k):
  with pytest.raises(ValueError, match='of 2 answers'):
    estimators.maj_at_k([['1', '2']], [[True, False]], k)


def test_false_positives_leave_out_what_was_not_checked():
  unsound, checked = estimators.false_positive_counts(
    [[True, False, None], [], [False]]
  )
  assert unsound.tolist() == [1, 0, 1]
  assert checked.tolist() == [2, 0, 1]


def test_a_mix_weighs_each_generator_by_its_right_samples():
  right = [[3, 1], [4, 0]]
  all_checked = estimators.mixed_counts(right, [[1, 1], [0, 0]], right)
  assert np.array(all_checked).tolist() == [[1, 1], [7, 1]]
  unsound, checked = estimators.mixed_counts(
    right, [[1, 0], [0, 0]], [[1, 0]] * 2
  )
  # One of each was checked, which stands for 4 each: the rate is 4 of 8.
  assert unsound.sum() / checked.sum() == 1 / 2 and checked.sum() == 2
  unsound, checked = estimators.mixed_counts(
    right, [[2, 0], [0, 0]], [[2, 0], [1, 0]]
  )
  assert unsound.sum() / checked.sum() == pytest.approx(1 / 2)
  _, none = estimators.mixed_counts(right, [[1, 0], [0, 0]], [[1, 0], [0, 0]])
  assert not none.any()  # nothing is known of the second
  nothing = estimators.mixed_counts(
    [[2, 2], [0, 0]], [[1, 0], [0, 0]], [[1, 1], [0, 0]]
  )
  assert np.array(nothing).tolist() == [[1, 0], [1, 1]]
