"""What graders decide, by which rule, and soundness."""

import dataclasses
import functools
import subprocess
import sys

import pytest

from wcse_jax import tasks, verify
from wcse_jax.answers import sandbox
from wcse_jax.tasks.nano import problems as nano_problems
from wcse_jax.tasks.nano import steps


def test_gsm8k():
  def grade(gold, text):
    return verify.grade('gsm8k', gold=gold, text=text)

  assert grade('18', 'The answer is $18.') == ('correct', '18', 'numeric', None)
  right, slip = '9 * 2 = 18. ', '9 * 2 = 19. '
  end = 'The answer is 18.'
  assert grade('18', right + end) == ('correct', '18', 'numeric', True)
  assert grade('18', slip + end) == ('correct', '18', 'numeric', False)
  assert grade('19', slip + end) == ('wrong', '18', 'numeric', None)
  assert grade('18', 'The answer is 19.') == ('wrong', '19', 'numeric', None)
  assert grade('18', 'Hm.') == ('wrong', '', 'no_answer', None)
  assert grade('x', 'The answer is 18.') == ('unknown', '18', 'gold', None)
  long = 'The answer is 18.' + ' ' * 100_000
  assert grade('18', long) == ('unknown', '', 'size', None)


_SQUARE = sandbox.Tests('', ['f'], 'assert f(3) == 9').dumps()


@pytest.mark.parametrize('task', tasks.TASKS)
def test_text_after_a_stop_string_does_not_count(task):
  """Neither what it says nor how long it is; not for soundness either."""
  nano = nano_problems.problem('train', 0)
  gold, text = {
    'nano_arithmetic': (nano.gold, nano.solution),
    'nano_one_step': (nano.gold, nano.solution),
    'mbpp': (_SQUARE, 'def f(x): return x * x'),
    'mbpp_sanitized': (_SQUARE, 'def f(x): return x * x'),
    'humaneval': (_SQUARE, 'f = lambda x: x * x'),
    'ifeval': ('[["startend:quotation", {}]]', '"Well"'),
  }.get(task, ('9', '4 + 5 = 9. The answer is 9.'))
  ask = functools.partial(verify.grade, task, gold=gold, question=nano.question)
  expected = ask(text=text)
  assert expected.verdict == 'correct'
  for stop in tasks.find(task).stop_strings:
    more = '2 + 2 = 5. The answer is 8. \\boxed{8}' + ' ' * 100_000
    assert ask(text=text + stop + more) == expected


def test_a_text_is_cut_where_the_first_stop_string_starts():
  """Whatever their order, and where they overlap."""
  info = dataclasses.replace(tasks.find('gsm8k'), stop_strings=('bc', 'ab'))
  assert [info.cut(x) for x in ('xabc', 'xbcab', 'x', '')] == [
    'x',
    'x',
    'x',
    '',
  ]


def test_math_checks_equations_too():
  text = r'$3 \times 4 = 12$, so $\boxed{12}$'
  assert verify.grade('math', gold='12', text=text).sound is True
  slip = r'$3 \times 4 = 13$, so $\boxed{12}$'
  assert verify.grade('math', gold='12', text=slip).sound is False


def test_nano_arithmetic(monkeypatch):
  asked = []

  def check(question, solution, answer):
    asked.append((question, solution, answer))
    return 'bad' not in solution

  monkeypatch.setattr(steps, 'check', check)

  def grade(text, gold='7'):
    return verify.grade('nano_arithmetic', gold=gold, text=text, question='q')

  good = ' 3 + 4 = 7. The answer is 7.'
  assert grade(good) == ('correct', '7', 'integer', True)
  assert asked == [('q', good, '7')]
  assert grade(' bad. The answer is 7.') == ('correct', '7', 'integer', False)
  assert grade(' The answer is 8.') == ('wrong', '8', 'integer', False)
  assert grade(' 7') == ('wrong', '', 'no_answer', False)
  assert grade(good, gold='?') == ('unknown', '7', 'gold', False)
  assert len(asked) == 2  # the checker is not asked where it cannot matter


def test_verify_is_light():
  code = (
    'import sys, wcse_jax.verify.pool, wcse_jax.verify.worker;'
    'heavy = {"jax", "numpy", "tensorflow", "sympy", "mpmath"};'
    'heavy &= set(sys.modules);'
    'sys.exit(str(heavy) if heavy else 0)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)
