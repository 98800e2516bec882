"""What a student's answers come to."""

import pytest

from wcse_jax.report import results


def answers(*greedy, right=0):
  return [
    {
      'level': 1,
      'greedy': verdict,
      'answers': ['1', '2'],
      'verdicts': ['correct'] * right + ['wrong'] * (2 - right),
    }
    for verdict in greedy
  ]


def test_a_family_counts_once_and_only_if_all_its_variants_are_solved():
  seeds = [
    answers('correct', 'correct', 'correct', 'wrong', right=1),
    answers('correct', 'wrong', 'wrong', 'unknown', right=1),
  ]
  test = results.Test(seeds, ['a', 'a', 'b', 'b'])
  assert test.greedy().tolist() == [0.5, 0]
  # Each variant has one right sample of two; both must be found.
  assert test.coverage(1) == pytest.approx([0.25, 0.25])
  assert test.coverage(2).tolist() == [1, 1]
  assert test.unknown() == 1
  alone = results.Test(seeds)
  assert alone.greedy().tolist() == [1, 0.5, 0.5, 0]
