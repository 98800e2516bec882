"""Word problems: written, read back, solved, and kept apart."""

import collections
import dataclasses
import hashlib
import itertools
import random
import re
import time

import pytest

from wcse_jax.tasks.nano import problems, solutions, task, wording


def _draws(seed, per_level=60):
  rng = random.Random(seed)
  for level in problems.LEVELS:
    for _ in range(per_level):
      yield level, *problems.draw(rng, level, 'corpus')


def _answer(solution):
  return int(solution.rpartition(' ')[2].rstrip('.'))


def _few_shot():
  *shots, end = problems.PREFIX.split(problems.STOP)
  assert (len(shots), end) == (4, '')
  for shot in shots:
    question, _, solution = shot.partition('\nSolution:')
    yield question.removeprefix('Problem: '), solution


def test_texts_are_these_for_ever():
  """Pools and the shipped models are of these; a new text is a new task."""
  text = problems.PREFIX
  for split in problems.SPLITS:
    for index in range(200):
      text += repr(dataclasses.astuple(problems.problem(split, index)))
  rng = random.Random(8)
  for i in range(300):
    text += problems.corpus_document(rng, noise=i % 3 / 2)
  assert hashlib.sha256(text.encode()).hexdigest() == (
    '98b0ab77ee8e0eea2a3d03e6a963bfc347e1c8de65905ad360afde936df5e2eb'
  )


def test_splits_are_balanced_and_disjoint():
  drawn = [
    problems.problem(split, index)
    for split, size in problems.SPLITS.items()
    for index in range(size // 20 if split == 'test' else 50)
  ]
  assert len(drawn) == 1100
  for field in ('problem_id', 'question'):
    assert len({getattr(problem, field) for problem in drawn}) == 1100
  for problem in drawn:
    assert problems.owner(problem.question) == problem.split
  levels = collections.Counter((p.split, p.level) for p in drawn)
  assert {levels['test', level] for level in (1, 2, 3, 4, 5)} == {200}
  assert [p.level for p in drawn[:7]] == [1, 2, 3, 4, 5, 1, 2]


def test_corpus_is_disjoint_from_splits_and_few_shot_examples():
  """By the question's hash; case and spaces do not matter."""
  rng = random.Random(0)
  for _ in range(300):
    document = problems.corpus_document(rng, noise=0.3)
    question = document[len('Problem: ') :].partition('\nSolution:')[0]
    assert problems.owner(question) == 'corpus'
    assert problems.owner(f' {question.upper()}  ') == 'corpus'
  for question, _ in _few_shot():
    assert problems.owner(question) == 'few_shot'


def test_problem_is_a_function_of_split_and_index():
  first = problems.problem('test', 42)
  problems._split.cache_clear()
  assert problems.problem('test', 42) == first
  assert first.prompt == f'Problem: {first.question}\nSolution:'
  assert first.solution.endswith(f' The answer is {first.gold}.')
  with pytest.raises(IndexError, match='test has 20000'):
    problems.problem('test', 20_000)


def test_only_what_is_read_is_drawn():
  """A scale that asks for few problems does not wait for 20,000."""
  problems._split.cache_clear()
  splits = task.problems()
  first = [*itertools.islice(splits['test'], 3)]
  assert first == [problems.problem('test', i) for i in range(3)]
  assert {s: len(problems._split(s)[0]) for s in splits} == {
    'train': 0,
    'validation': 0,
    'test': 3,
  }


def test_every_number_of_a_question_is_another():
  for _, question, _, _ in _draws(2):
    stated = re.findall(r'\d+\b(?! times)', question)
    assert len(stated) == len(set(stated)), question


def test_noise_is_the_share_of_sloppy_documents():
  def faulty(noise):
    rng = random.Random(5)
    count = 0
    for _ in range(200):
      document = problems.corpus_document(rng, noise=noise)
      question, _, solution = document[9:].partition('\nSolution:')
      root, _ = wording.interpret(question)
      count += _answer(solution) != root.value
    return count

  assert faulty(0.0) == 0
  assert 80 < faulty(1.0) < 180


def test_few_shot_examples():
  for question, solution in _few_shot():
    root, _ = wording.interpret(question)
    assert solutions.reference_solution(root) == solution
    start = problems.PROMPT_FORMAT.format(question=question)
    assert f'{start}{solution}{problems.STOP}' in problems.PREFIX
  assert problems.PREFIX.count(problems.STOP) == 4


def test_levels_can_be_chosen():
  document = problems.corpus_document(random.Random(6), levels=(5,))
  assert document.count('=') >= 5


def test_speed():
  """Pretraining waits for it: 5,000 documents a second on a quiet core."""
  rng = random.Random(7)
  start = time.process_time()
  for _ in range(1000):
    problems.corpus_document(rng, noise=0.1)
  assert 1000 / (time.process_time() - start) > 1000
