"""Solutions: many right ones, and faulty ones."""

import collections
import random
import re

from wcse_jax.tasks.nano import expression, problems, solutions

_EQUATION = re.compile(r'(\d+)([-+*/])(\d+)=(\d+)\.')


def _draws(seed, per_level=60):
  rng = random.Random(seed)
  for level in problems.LEVELS:
    for _ in range(per_level):
      yield level, *problems.draw(rng, level, 'corpus')


def _answer(solution):
  return int(solution.rpartition(' ')[2].rstrip('.'))


def test_solutions_vary_and_are_right():
  rng = random.Random(3)
  distinct = collections.defaultdict(list)
  for level, _, root, _ in _draws(3):
    ways = [solutions.random_solution(root, rng) for _ in range(20)]
    distinct[level].append(len(set(ways)))
    for solution in ways:
      assert _answer(solution) == root.value
      equations = _EQUATION.findall(solution)
      for a, op, b, result in equations:
        assert int(result) == expression.apply(op, int(a), int(b))
      assert int(equations[-1][-1]) == root.value
  means = [sum(n) / len(n) for n in distinct.values()]
  assert means == sorted(means)
  assert means[0] > 1.2 and means[4] > 8


def test_sloppy_solutions_are_wrong_or_right_by_accident():
  rng = random.Random(4)
  right = []
  for _, _, root, numbers in _draws(4):
    solution = solutions.sloppy_solution(root, numbers, rng)
    right.append(_answer(solution) == root.value)
  assert 0.25 < sum(right) / len(right) < 0.5
