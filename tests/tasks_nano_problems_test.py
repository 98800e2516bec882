"""Word problems: written, read back, solved, and kept apart."""

import collections
import random
import re
import time

import pytest

from wcse_jax.tasks.nano import problems as nano_problems

_EQUATION = re.compile(r'(\d+)([-+*/])(\d+)=(\d+)\.')


def _draws(seed, per_level=60):
  rng = random.Random(seed)
  for level in nano_problems.LEVELS:
    for _ in range(per_level):
      yield level, *nano_problems.draw(rng, level, 'corpus')


def _answer(solution):
  return int(solution.rpartition(' ')[2].rstrip('.'))


def test_splits_are_whole_balanced_and_disjoint():
  problems = [
    nano_problems.problem(split, index)
    for split, size in nano_problems.SPLITS.items()
    for index in range(size)
  ]
  assert len(problems) == 3500
  for field in ('problem_id', 'question'):
    assert len({getattr(problem, field) for problem in problems}) == 3500
  for problem in problems:
    assert nano_problems.owner(problem.question) == problem.split
  levels = collections.Counter((p.split, p.level) for p in problems)
  assert {levels['train', level] for level in (1, 2, 3, 4, 5)} == {400}
  assert [p.level for p in problems[:7]] == [1, 2, 3, 4, 5, 1, 2]


def test_corpus_is_disjoint_from_splits_and_few_shot_examples():
  """By the question's hash; case and spaces do not matter."""
  rng = random.Random(0)
  for _ in range(300):
    document = nano_problems.corpus_document(rng, noise=0.3)
    question = document[len('Problem: ') :].partition('\nSolution:')[0]
    assert nano_problems.owner(question) == 'corpus'
    assert nano_problems.owner(f' {question.upper()}  ') == 'corpus'
  for question, _ in nano_problems.FEW_SHOT:
    assert nano_problems.owner(question) == 'few_shot'


def test_problem_is_a_function_of_split_and_index(monkeypatch):
  first = nano_problems.problem('test', 42)
  monkeypatch.setattr(nano_problems, '_drawn', {})
  assert nano_problems.problem('test', 42) == first
  assert first.prompt == f'Problem: {first.question}\nSolution:'
  assert first.solution.endswith(f' The answer is {first.gold}.')
  with pytest.raises(IndexError, match='test has 1000'):
    nano_problems.problem('test', 1000)


def test_questions_can_be_read_back():
  for level, question, root, numbers in _draws(1):
    read, read_numbers = nano_problems.interpret(question)
    assert [node.value for node in read_numbers] == numbers, question
    solution = nano_problems.reference_solution(root)
    assert nano_problems.reference_solution(read) == solution, question
    assert solution.count('=') == level


def test_every_number_of_a_question_is_another():
  for _, question, _, _ in _draws(2):
    stated = re.findall(r'\d+\b(?! times)', question)
    assert len(stated) == len(set(stated)), question


def test_other_text_is_refused():
  with pytest.raises(ValueError, match="question: 'Ann flies.'"):
    nano_problems.interpret('Ann flies. How many cups does Ann have now?')


def test_solutions_vary_and_are_right():
  rng = random.Random(3)
  distinct = collections.defaultdict(list)
  for level, _, root, _ in _draws(3):
    solutions = [nano_problems.random_solution(root, rng) for _ in range(20)]
    distinct[level].append(len(set(solutions)))
    for solution in solutions:
      assert _answer(solution) == root.value
      equations = _EQUATION.findall(solution)
      for a, op, b, result in equations:
        assert int(result) == nano_problems._apply(op, int(a), int(b))
      assert int(equations[-1][-1]) == root.value
  means = [sum(n) / len(n) for n in distinct.values()]
  assert means == sorted(means)
  assert means[0] > 1.2 and means[4] > 8


def test_sloppy_solutions_are_wrong_or_right_by_accident():
  rng = random.Random(4)
  right = []
  for _, _, root, numbers in _draws(4):
    solution = nano_problems.sloppy_solution(root, numbers, rng)
    right.append(_answer(solution) == root.value)
  assert 0.25 < sum(right) / len(right) < 0.5


def test_noise_is_the_share_of_sloppy_documents():
  def faulty(noise):
    rng = random.Random(5)
    count = 0
    for _ in range(200):
      document = nano_problems.corpus_document(rng, noise=noise)
      question, _, solution = document[9:].partition('\nSolution:')
      root, _ = nano_problems.interpret(question)
      count += _answer(solution) != root.value
    return count

  assert faulty(0.0) == 0
  assert 80 < faulty(1.0) < 180


def test_few_shot_examples():
  for question, solution in nano_problems.FEW_SHOT:
    root, _ = nano_problems.interpret(question)
    assert nano_problems.reference_solution(root) == solution
  assert nano_problems.PREFIX.count(nano_problems.STOP) == 4
  assert nano_problems.PREFIX.endswith(f'{solution}\n\n')


def test_levels_can_be_chosen():
  document = nano_problems.corpus_document(random.Random(6), levels=(5,))
  assert document.count('=') >= 5


def test_speed():
  """Pretraining waits for it: 5,000 documents a second on a quiet core."""
  rng = random.Random(7)
  start = time.process_time()
  for _ in range(1000):
    nano_problems.corpus_document(rng, noise=0.1)
  assert 1000 / (time.process_time() - start) > 1000
