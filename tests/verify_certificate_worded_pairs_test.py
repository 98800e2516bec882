"""Pairs with words: none is wrongly accepted, nearly all are decided."""

import pytest

from wcse_jax import verify
from wcse_jax.verify.certificate import worded_pairs


def _faults(task):
  pairs = [p for line in worded_pairs.lines(task).values() for p in line]
  grades = verify.grade_many(
    task,
    golds=[p.gold for p in pairs],
    texts=[p.text for p in pairs],
    questions=[p.question for p in pairs],
    timeout_s=60,
  )
  return pairs, [
    (pair, grade)
    for pair, grade in zip(pairs, grades, strict=True)
    if (grade.verdict == 'correct') != pair.right
  ]


@pytest.mark.parametrize('task', ['math', 'gsm8k'])
def test_worded_pairs(task):
  pairs, faults = _faults(task)
  assert len(pairs) > 80
  assert not [fault for fault in faults if not fault[0].right]
  assert len(faults) <= 0.03 * len(pairs), faults


def test_pairs_are_of_both_halves():
  pairs = [
    p
    for task in ('math', 'gsm8k')
    for line in worded_pairs.lines(task).values()
    for p in line
  ]
  right = sum(p.right for p in pairs)
  assert len(pairs) >= 300
  assert 0.4 < right / len(pairs) < 0.6
  assert set(worded_pairs.lines('math')) >= {
    'words', 'equations', 'denials', 'prose'
  }  # fmt: skip
