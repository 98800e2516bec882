"""Which samples are drawn, and count, if a run ends with enough right ones."""

import random

import pytest

from wcse_jax.analysis.enough import Enough
from wcse_jax.records import Problem

NAMES = [f'p/{i}' for i in range(40)]
MOST = 6
CASES = [
  Enough(right=1),
  Enough(right=3),
  Enough(right=MOST),
  Enough(rows=7),
  Enough(rows=10_000),
  Enough(right=2, rows=9),
]


def flags(seed):
  """Whether each sample would be right; problems are unlike each other."""
  rng = random.Random(seed)
  chances = [rng.choice([0, 0.1, 0.5, 1]) for _ in NAMES]
  return {
    (name, i): rng.random() < chance
    for name, chance in zip(NAMES, chances, strict=True)
    for i in range(MOST)
  }


def drawn(enough, right, width=1):
  """All that is drawn, round after round."""
  known = {}
  while batch := enough.following(NAMES, MOST, known, width):
    assert len({*batch}) == len(batch) and not known.keys() & {*batch}
    known |= {key: right[key] for key in batch}
  return known


def counting(enough, right):
  return {
    (name, i)
    for name, tried in enough.counted(NAMES, MOST, right)
    for i in range(tried)
  }


@pytest.mark.parametrize('enough', CASES, ids=str)
@pytest.mark.parametrize('seed', range(5))
def test_what_is_drawn_is_what_counts_and_no_more(enough, seed):
  right = flags(seed)
  known = drawn(enough, right)
  assert known.keys() == counting(enough, right) == counting(enough, known)
  kept = sum(known.values())
  if enough.right:
    of_each = [sum(known[k] for k in known if k[0] == name) for name in NAMES]
    assert max(of_each) == min(enough.right, max(of_each))
  if enough.rows and kept < enough.rows:  # then all that there is was drawn
    assert {name for name, _ in known} == {*NAMES}


@pytest.mark.parametrize('seed', range(5))
def test_a_round_is_as_wide_as_costs_nothing_and_what_counts_is_the_same(seed):
  enough, right = Enough(rows=20), flags(seed)
  assert len(enough.following(NAMES, MOST, {}, 100)) >= 100
  wide = drawn(enough, right, 100)
  assert counting(enough, wide) == counting(enough, right) <= wide.keys()
  assert len(wide) < len(counting(enough, right)) + 100 + MOST


def test_it_ends_with_the_sample_that_is_enough():
  right = {('p/0', 0): True, ('p/0', 1): False, ('p/0', 2): True}
  assert [*Enough(right=2).counted(['p/0'], 9, right)] == [('p/0', 3)]
  assert [*Enough(right=3).counted(['p/0'], 9, right)] == [('p/0', None)]
  assert [*Enough(right=3).counted(['p/0'], 3, right)] == [('p/0', 3)]
  assert Enough(right=3).following(['p/0'], 9, right) == [('p/0', 3)]


def test_nothing_follows_what_is_not_known_yet():
  """A problem later in the order does not count before those in front of it."""
  right = {('p/1', 0): True, ('p/1', 1): True}
  found = [*Enough(rows=2).counted(NAMES[:2], 2, right)]
  assert found == [('p/0', None), ('p/1', 2)]


def test_problems_are_in_a_seeded_order_only_where_some_may_be_left_out():
  problems = [
    Problem(
      problem_id=name,
      split='train',
      question='?',
      prompt='?',
      solution='',
      gold='1',
      level=1,
    )
    for name in NAMES
  ]
  assert Enough(right=2).order(problems) == problems
  first, again, other = (
    Enough(rows=3, seed=seed).order(problems) for seed in (0, 0, 1)
  )
  assert first == again != other
  assert first != problems and {*first} == {*problems} == {*other}
  assert Enough(rows=3).order(first) == first


def test_only_what_decides_is_part_of_the_identity():
  assert Enough().identity == {} and not Enough(seed=3)
  assert Enough(right=2, seed=3).identity == {'right': 2}
  assert Enough(rows=2, seed=3).identity == {'rows': 2, 'seed': 3}
