"""The step checker: sound solutions pass, all others fail."""

import random
import time

import pytest

from wcse_jax.tasks.nano import problems, solutions, steps

# 4*11 + 30, with a distractor; 44 + 30 = 74.
_SUM = (
  'Mia has 4 bags of 11 coins. Mia finds 30 coins. Zoe has 56 coins.'
  ' How many coins does Mia have now?'
)
# 48/2 are left; then 24 + 24 in all if Ben starts with 24.
_HALF = (
  'Ann has 48 cups. Ann gives half of the cups to Ben. How many cups does Ann'
  ' have now?'
)
# (24 + 36) * 5, which is also 24*5 + 36*5.
_PRICE = (
  'Leo has 24 pens. Leo buys 36 pens. If Leo sells the pens for 5 dollars each,'
  ' how many dollars is that?'
)
# 12*3 - 12: 36 - 12 = 24 is also 12*2, but there is no 2.
_TIMES = (
  'Kim has 12 toys. Sam has 3 times as many toys as Kim. How many more toys'
  ' does Sam have than Kim?'
)
# 2*4 = 8 and 20 - 12 = 8: 8 is two things.
_EQUAL = (
  'Tom has 20 eggs. Tom sells 12 eggs. Ida has 4 eggs. Dan has twice as many'
  ' eggs as Ida. How many eggs do Tom and Dan have together?'
)


@pytest.mark.parametrize(
  'question, solution',
  [
    (_SUM, ' 4*11=44. 44+30=74. The answer is 74.'),
    (_SUM, ' 11*4=44. 30+44=74. The answer is 74'),
    (_SUM, '4 * 11 = 44. 44 + 30 = 74. The answer is 74.\n'),
    (_SUM, ' 4*11+30=74. The answer is 74.'),
    (_SUM, ' 30+4*11=74. The answer is 74.'),
    (_SUM, ' 4*56=224. 4*11=44. 44+30=74. The answer is 74.'),
    (_HALF, ' 48/2=24. The answer is 24.'),
    (_HALF, ' 48/2=24. 48-24=24. The answer is 24.'),
    (_PRICE, ' 24+36=60. 5*60=300. The answer is 300.'),
    (_PRICE, ' 24*5=120. 36*5=180. 180+120=300. The answer is 300.'),
    (_TIMES, ' 12*3=36. 36-12=24. The answer is 24.'),
    (_TIMES, ' 12+12=24. 24+12=36. 36-12=24. The answer is 24.'),
    (_EQUAL, ' 20-12=8. 4*2=8. 8+8=16. The answer is 16.'),
    (_EQUAL, ' 4+4=8. 8-12+20=16. The answer is 16.'),
  ],
)
def test_sound(question, solution):
  assert steps.check(question, solution)


@pytest.mark.parametrize(
  'question, solution, fault',
  [
    (_SUM, '', 'nothing'),
    (_SUM, ' The answer is 74.', 'no step'),
    (_SUM, ' 44+30=74. The answer is 74.', 'a step left out'),
    (_SUM, ' 4*11=45. 44+30=74. The answer is 74.', 'a false equation'),
    (_SUM, ' 4*11=44. 45+30=74. The answer is 74.', 'a false equation'),
    (_SUM, ' 4*11=44. 44+30=74.', 'no answer'),
    (_SUM, ' 4*11=44. 44+30=74. The answer is 75.', 'another answer'),
    (_SUM, ' 4*11=44. The answer is 74.', 'the last step left out'),
    (_SUM, ' 4*11=44. 44+56=100. The answer is 100.', 'a distractor'),
    (_SUM, ' 4*11=44. 44+30=74. 74-0=74. The answer is 74.', 'a foreign 0'),
    (_SUM, ' 4*11=44. 44+30=74. 30+11=41. The answer is 74.', 'not the last'),
    (_SUM, ' 4*11=44. So 44+30=74. The answer is 74.', 'not an equation'),
    (_SUM, ' 44+30=74. 4*11=44. 44+30=74. The answer is 74.', 'used too early'),
    (_SUM, ' 4/0=4. 4*11=44. 44+30=74. The answer is 74.', 'by zero'),
    (_SUM, ' 30-30=0. 4/0=4. The answer is 4.', 'by zero'),
    (_SUM, f' 4*11=44. 44+30=74. The answer is {"7" * 5000}.', 'huge'),
    (_HALF, ' 48-24=24. The answer is 24.', 'a foreign 24'),
    (_PRICE, ' 24*5=120. 36*5=180. The answer is 300.', 'no sum'),
    (_PRICE, ' 24+36*5=300. The answer is 300.', 'products go first'),
    (_TIMES, ' 12*2=24. The answer is 24.', 'a foreign 2'),
    (_EQUAL, ' 4*2=8. 8+8=16. The answer is 16.', 'the wrong 8, twice'),
    (_EQUAL, ' 12-4=8. 20-12=8. 8+8=16. The answer is 16.', 'a wrong step'),
    (_EQUAL, ' 20-4=16. The answer is 16.', 'right by accident'),
  ],
)
def test_unsound(question, solution, fault):
  assert not steps.check(question, solution), fault


def test_gold_is_compared_too():
  solution = ' 48/2=24. The answer is 24.'
  assert steps.check(_HALF, solution, '24')
  assert not steps.check(_HALF, solution, '25')


def test_other_questions_are_refused():
  with pytest.raises(ValueError, match='not a nano_arithmetic question'):
    steps.check('What is 1+1?', ' 1+1=2. The answer is 2.')


def test_every_random_solution_is_sound_and_no_sloppy_one():
  rng = random.Random(0)
  right = 0
  for i in range(1000):
    level = problems.LEVELS[i % 5]
    question, root, numbers = problems.draw(rng, level, 'corpus')
    gold = str(root.value)
    reference = solutions.reference_solution(root)
    assert steps.check(question, reference, gold), (question, reference)
    for _ in range(3):
      solution = solutions.random_solution(root, rng)
      assert steps.check(question, solution, gold), (question, solution)
      solution = solutions.sloppy_solution(root, numbers, rng)
      assert not steps.check(question, solution), (question, solution)
      right += solution.endswith(f' is {gold}.')
  assert right > 500  # were false positives


def test_every_solution_of_another_problem_is_unsound():
  drawn = [problems.problem('train', i) for i in range(200)]
  for problem, other in zip(drawn, drawn[5:], strict=False):
    assert not steps.check(problem.question, other.solution)


def test_repetition_takes_no_time():
  """Readings are merged: 20 ambiguous steps are not 2**20 cases."""
  question = _EQUAL
  start = time.process_time()
  text = ' 20-12=8. 4*2=8.' + ' 8+8=16. 16-8=8.' * 10 + ' The answer is 8.'
  assert not steps.check(question, text)
  assert time.process_time() - start < 2
