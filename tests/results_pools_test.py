"""Samples by problem: false positives, mixes, sources."""

import dataclasses

import made_data as made
import numpy as np
import pytest

from wcse_jax.results import pools

N = 40


def flags(right, unsound):
  """Two samples of each problem; the first of so many problems is right."""
  return [[None if i >= right else i >= unsound, None] for i in range(N)]


def drawn(generator, right, unsound, judge=None, labels=None):
  sampled = made.sampled(generator, flags(right, unsound))
  if judge:
    judgements = made.judged(generator, judge)
    sampled = dataclasses.replace(sampled, judgements=judgements)
  return pools.drawn(made.problems(N), sampled, 2, labels)


def steps(of):
  return of.sound['steps']


def test_one_source_says_what_is_a_false_positive():
  key = ('p/0', 0)
  chosen = lambda wc, se, exact: pools.chosen_source(
    [drawn('wc', 30, 12, **wc), drawn('se', 20, 2, **se)], exact_steps=exact
  )
  assert chosen({}, {}, False) == chosen({}, {}, True) == 'steps'
  judge = {'judge': {key: True}}
  assert chosen(judge, judge, False) == 'judge'
  people = judge | {'labels': {key: True, ('p/1', 0): True}}
  assert chosen(people, judge, False) == 'judge'  # people did not look at SE's
  wrong = judge | {'labels': {('p/39', 0): True}}
  assert chosen(people, wrong, False) == 'judge'  # but at a wrong one
  assert chosen(people, people, False) == 'people'
  assert chosen(people, people, True) == 'steps'
  unchecked = made.sampled('wc', [['unchecked']] * N)
  of = pools.drawn(made.problems(N), unchecked, 1)
  assert pools.chosen_source([of], exact_steps=True) is None
  assert not of.false_positives(None)[1].any()


def test_the_rate_of_a_mix_is_that_of_its_right_samples():
  """It was that of the samples judged: 12 of 32."""
  wc = drawn('wc', 30, 12)
  wc = drawn('wc', 30, 12, judge=dict(steps(wc)))
  few = dict(list(steps(drawn('se', 20, 0)).items())[:2])
  mix = pools.join([wc, drawn('se', 20, 0, judge=few)])
  assert mix.number == 4
  for source in ('steps', 'judge'):
    unsound, checked = mix.false_positives(source)
    assert unsound.sum() / checked.sum() == pytest.approx(12 / 50)
  mix = pools.join([wc, drawn('se', 20, 0)])
  assert not mix.false_positives('judge')[1].any()


def test_only_the_samples_that_are_drawn_and_kept_count():
  said = [[None, True, False], [False, True, True]]
  of = pools.drawn(made.problems(2), made.sampled('wc', said), 3)
  assert of.num_right_P.tolist() == [2, 3]
  assert of.first(3, max_kept=1).num_right_P.tolist() == [1, 1]
  unsound, checked = of.first(3, max_kept=1).false_positives('steps')
  assert (unsound.tolist(), checked.tolist()) == ([0, 1], [1, 1])
  assert of.first(1).num_right_P.tolist() == [0, 1]
  assert of.coverage(1) == pytest.approx([2 / 3, 1])
  assert of.first(3, max_kept=1).diversity(3).tolist() == [1, 1]
  assert of.diversity(3).tolist() == [2, 3]
  assert np.array_equal(of.column('num_tokens'), np.full(6, 10))


def test_diversity_of_solved_problems_is_the_papers():
  """At one sample it is 1, whatever is solved; per problem it is coverage."""
  of = drawn('wc', 20, 0)  # 20 of 40 problems have one right sample of two
  unique_P, solved_P = of.diversity_per_solved(2)
  assert unique_P.sum() / solved_P.sum() == 1
  assert of.diversity(2).mean() == 0.5
  unique_P, solved_P = of.diversity_per_solved(1)
  assert unique_P.sum() / solved_P.sum() == 1
  assert solved_P.sum() == 10


def test_a_program_with_and_without_fences_is_one():
  """By its answer, where that is the solution; else texts count."""
  texts = ['x = 1', 'So:\n```python\nx = 1\n```\n', 'x = 2', 'x = 1']
  answers = ['x = 1', 'x = 1', 'x = 2', '']
  pool = made.sampled('wc', [[True] * 4])
  pool = dataclasses.replace(
    pool,
    samples=[
      dataclasses.replace(sample, text=text)
      for sample, text in zip(pool.samples, texts, strict=True)
    ],
    verdicts=[
      dataclasses.replace(verdict, answer=answer)
      for verdict, answer in zip(pool.verdicts, answers, strict=True)
    ],
  )
  diversity = {}
  for is_solution in (True, False):
    of = dataclasses.replace(pool, answer_is_solution=is_solution)
    diversity[is_solution] = pools.drawn(made.problems(1), of, 4).diversity(4)
  assert (diversity[True], diversity[False]) == ([2], [3])
