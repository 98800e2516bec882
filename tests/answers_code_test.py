"""Programs as answers: extraction, verdicts."""

import threading
import time

import clock
import pytest

from wcse_jax import tasks, verify
from wcse_jax.answers import code, sandbox
from wcse_jax.verify import grading, pool
from wcse_jax.verify.certificate import hostile_programs

_GOLD = sandbox.Tests('import math\n', ['f'], 'assert f(2) == 4').dumps()
_HEADER = 'def half(x):\n  """x / 2"""\n\n\ndef f(x):\n  """x * x"""\n'
_CONTINUED = sandbox.Tests(
  _HEADER, ['f'], 'assert f(2) == 4 and half(8) == None'
).dumps()


@pytest.mark.parametrize(
  'text, expected',
  [
    ('x = 1\ny = 2\n', 'x = 1\ny = 2'),
    ('\n\n    return x\n\n', '    return x'),
    ('x = 1\r\ny = 2\r\n', 'x = 1\ny = 2'),
    ('x = 1\n[DONE]\nx = 2', 'x = 1'),
    ('Sure:\n```python\nx = 1\n```\nIt is\n```\nx = 2\n```', 'x = 1'),
    ('```py\nx = 1\n[DONE]', 'x = 1\n[DONE]'),
    ('x = 1\n[DONE]\n```\nx = 2\n```', 'x = 1'),
    ('`x` is ```x```', '`x` is ```x```'),
    ('[DONE]x = 1', ''),
    (' \n\t\n', ''),
    ('', ''),
  ],
)
def test_extraction(text, expected):
  assert code.extract(text, len(tasks.find('mbpp').cut(text))) == expected


def test_extraction_takes_no_time():
  for text in ('`' * 1_000_000, '```' * 300_000, '```\n' * 300_000):
    with clock.quick(text):
      code.extract(text, len(tasks.find('humaneval').cut(text)))


@pytest.mark.parametrize(
  'text, expected',
  [
    ('def f(x): return x * x', ('correct', 'tests')),
    ('def f(x): return int(math.pow(x, 2))', ('correct', 'tests')),
    ('def f(x): return x', ('wrong', 'tests')),
    ('def g(x): return x * x', ('wrong', 'undefined')),
    ('def f(x) return x * x', ('wrong', 'syntax')),
    ('def f(x): return x / 0', ('wrong', 'exception')),
    ('import sys; sys.exit(0)', ('wrong', 'exit')),
    ('def f(x): return "x" * 10**10', ('wrong', 'memory')),
    ('def f(x): return x[DONE] * x', ('wrong', 'tests')),
    ('[DONE]def f(x): return x * x', ('wrong', 'no_code')),
    ('def f(x): return x * x\0', ('wrong', 'syntax')),
    ('# ' + 'x' * 1_000_000 + '\ndef f(x): return x * x', ('correct', 'tests')),
  ],
)
def test_verdicts(text, expected):
  grade = grading.find('mbpp')(_GOLD, text, '')
  assert (grade.verdict, grade.rule) == expected
  assert grade.sound is None


@pytest.mark.parametrize(
  'text, verdict',
  [
    ('  return x * x\n', 'correct'),
    ('  return x * x\n\nprint(f(2))\nassert False', 'correct'),
    ('  y = x * x\n  return y\n\ndef f(x):\n  return x', 'correct'),
    ('\n  return x * x', 'correct'),
    ('```\ndef f(x):\n  return x * x\n```', 'correct'),
    ('Here:\n```python\n  return x * x\n```', 'correct'),
    ('def f(x):\n  return x * x', 'correct'),
    ('  return half(x) * x', 'wrong'),
    ('return x * x', 'wrong'),
  ],
)
def test_continuations_of_a_header(text, verdict):
  grade = grading.find('humaneval')(_CONTINUED, text, '')
  assert grade.verdict == verdict, grade


@pytest.mark.parametrize('gold', ['', '4', '{}', '{"header": 1', '[1, 2, 3]'])
def test_a_gold_that_is_none_decides_nothing(gold):
  grade = grading.find('mbpp')(gold, 'x = 1', '')
  assert grade == ('unknown', 'x = 1', 'gold', None)


def test_in_the_pool():
  """In processes with an alarm set, in order."""
  texts = [f'def f(x): return x * {i}' for i in range(6)]
  texts.insert(3, 'while True: pass')
  grades = verify.grade_many('mbpp', golds=[_GOLD] * 7, texts=texts)
  rules = [(grade.verdict, grade.rule) for grade in grades]
  wrong = ('wrong', 'tests')
  assert rules[:3] == [wrong, wrong, ('correct', 'tests')]
  assert rules[3] in [('wrong', 'cpu_time'), ('unknown', 'timeout')]
  assert rules[4:] == [wrong] * 3
  assert hostile_programs.left_running() == []


def test_a_timeout_of_the_pool_leaves_nothing_running():
  sleeps = 'import time\ntime.sleep(31337)'
  items = [pool.Item('mbpp', _GOLD, text) for text in ('x = 1', sleeps)]
  with pool.Pool(1, 1.0) as workers:
    grades = workers.grade(items)
    next(grades)
    pid = workers._workers[0]._process.pid
    assert next(grades)[:3:2] == ('unknown', 'timeout')
  deadline = time.monotonic() + 2  # they had 3.5 s to live otherwise
  while hostile_programs.left_running(pid) and time.monotonic() < deadline:
    time.sleep(0.05)
  assert hostile_programs.left_running(pid) == []


def test_one_from_a_thread():
  grades = []
  thread = threading.Thread(
    target=lambda: grades.append(
      verify.grade('mbpp', gold=_GOLD, text='def f(x): return x * x')
    )
  )
  thread.start()
  thread.join()
  assert grades[0][:3:2] == ('correct', 'tests')
