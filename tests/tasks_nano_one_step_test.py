"""Word problems of one step: those of `nano_arithmetic` that take one."""

import dataclasses
import itertools
import re

import pytest

from wcse_jax import tasks, verify
from wcse_jax.tasks import datasets
from wcse_jax.tasks.nano import one_step, problems


@pytest.mark.parametrize('split', problems.SPLITS)
def test_problems_are_those_of_one_step(split):
  drawn = list(itertools.islice(one_step.problems()[split], 20))
  for index, problem in enumerate(drawn):
    whole = problems.problem(split, 5 * index)
    named = f'nano_one_step/{split}/{index:04d}'
    assert problem == dataclasses.replace(whole, problem_id=named)
    assert problem.level == 1
    assert len(re.findall('=', problem.solution)) == 1
    graded = verify.grade(
      'nano_one_step',
      gold=problem.gold,
      text=problem.solution,
      question=problem.question,
    )
    assert (graded.verdict, graded.sound) == ('correct', True)


def test_splits_have_a_fifth_of_the_problems():
  held = one_step.problems()['validation']
  assert len(list(held)) == problems.SPLITS['validation'] // 5
  whole, part = (
    datasets.DATASETS[of].sizes for of in ('nano_arithmetic', 'nano_one_step')
  )
  assert whole == problems.SPLITS
  assert part == {split: n // 5 for split, n in problems.SPLITS.items()}


def test_examples_are_of_no_split_and_right():
  examples = re.findall(
    r'Problem: (.*)\nSolution:( .* The answer is (\d+)\.)\n\n',
    tasks.find('nano_one_step').prefix,
  )
  assert len(examples) == 8
  for question, solution, gold in examples:
    assert problems.owner(question) == 'few_shot'
    assert one_step.grade(gold, solution, question).sound
  operations = {re.search('[-+*/]', of)[0] for _, of, _ in examples}
  assert operations == {*'+-*/'}
