"""Programs as answers: extraction, verdicts."""

import threading
import time

import clock
import pytest

from wcse_jax import verify
from wcse_jax.answers import code, sandbox
from wcse_jax.tasks import humaneval, mbpp
from wcse_jax.verify import grading, pool
from wcse_jax.verify.certificate import hostile_programs

_GOLD = sandbox.Tests('import math\n', ['f'], 'assert f(2) == 4').dumps()
_HEADER = 'def half(x):\n  """x / 2"""\n\n\ndef f(x):\n  """x * x"""\n'
_CONTINUED = sandbox.Tests(
  _HEADER, ['f'], 'assert f(2) == 4 and half(8) == None'
).dumps()


_X = sandbox.Tests('', ['x'], 'assert x == 1')


@pytest.mark.parametrize(
  'text, expected',
  [
    ('x = 1\ny = 2\n', 'x = 1\ny = 2'),
    ('\n\n    return x\n\n', '    return x'),
    ('x = 1\r\ny = 2\r\n', 'x = 1\ny = 2'),
    ('x = 1\n[DONE]\nx = 2', 'x = 1'),
    ('Sure:\n```python\nx = 1\n```\nIt is\n```\ny = 2\n```', 'x = 1'),
    ('x = 1\n[DONE]\n```\nx = 2\n```', 'x = 1'),
    ('`x` is ```x```', '`x` is ```x```'),
    ('[DONE]x = 1', ''),
    (' \n\t\n', ''),
    ('', ''),
    # Fences: closed, open, alone at the end, in the line, in a list.
    ('Sure: ```py\nx = 1\n[DONE]', 'x = 1'),
    ('```py\nx = 1\n[DONE]\n```', 'x = 1\n[DONE]'),
    ('x = 1\n```', 'x = 1'),
    ('x = 1\n```\nIt is one.', 'x = 1'),
    ('x = 1```', 'x = 1'),
    ('x = 1\n```\n\nUse it:\n```python\nprint(x)\n```', 'x = 1'),
    ('````python\nx = 1\n````', 'x = 1'),
    ('1. It is\n   ```python\n   x = 1\n   ```\n', 'x = 1'),
    ('x = """\n```\n>>> x\n```\n"""\n', 'x = """\n```\n>>> x\n```\n"""'),
    # Several: the last that defines x, in whichever way.
    ('```\nx = 1\n```\nNo:\n```\nx = 2\n```\n', 'x = 2'),
    ('```\nx = 1\n```\nUse:\n```\nprint(x == 1)\n```\n', 'x = 1'),
    ('```\nx = 1\n```\nIt prints\n```text\n1\n```\n', 'x = 1'),
    ('```\ndef x(): 1\n```\n```\nclass y: x = 1\n```', 'def x(): 1'),
    ('```\nfrom a import x\n```\n```\ny(x=1)\n```', 'from a import x'),
    ('```\ny, x = 1, 2\n```\n```\nx.y = 1\n```', 'y, x = 1, 2'),
    ('```\nx: int = 1\n```\n```\nxs = 1\n```', 'x: int = 1'),
    ('```python\nx = 1\n```python\nx = 2\n', 'x = 2'),
    ('```\n1\n```\n```\n2\n```', '2'),
    # What it uses of the blocks before it, and what that uses: no more.
    (
      '```\ndef g(): 2\n```\n```\ndef x(): g()\n```',
      'def g(): 2\ndef x(): g()',
    ),
    (
      '```\nimport a\ndef h(): 3\n@a.b\ndef g():\n\n  h()\ng()\n```'
      '\n```\nx = g\n```',
      'import a\ndef h(): 3\n@a.b\ndef g():\n\n  h()\nx = g',
    ),
    ('```\nA = [\n  1,\n]\n```\n```\nx = A\n```', 'A = [\n  1,\n]\nx = A'),
    ('```\ndef g(): 2\n```\n```\ndef g(): 3\nx = g\n```', 'def g(): 3\nx = g'),
    ('```\ndef h(): 2\n```\n```\nx = 1\n```', 'x = 1'),
    ('```\ny = x(2)\n```\n```\ndef x(y): y\n```', 'def x(y): y'),
    # A space that is the tokenizer's.
    (' def x():\n  return 1', 'def x():\n  return 1'),
  ],
)
def test_extraction(text, expected):
  assert code.extract(text, mbpp.end, _X) == expected


def test_names_in_several_blocks():
  tests = sandbox.Tests('', ['f', 'g'], '')
  text = '```\ndef f(): 1\n```\nand\n```\ndef g(): 2\n```\n'
  code_of_both = code.extract(text, mbpp.end, tests)
  assert code_of_both.split('\n') == ['def f(): 1', '', 'def g(): 2']


@pytest.mark.parametrize('end', [mbpp.end, humaneval.end])
@pytest.mark.parametrize(
  'text',
  [
    '`' * 1_000_000,
    '```' * 300_000,
    '```\n' * 300_000,
    '"""\n' + '```\n' * 300_000,
    'def ' * 300_000,
    'from import ' * 100_000,
    'x, ' * 300_000,
    ' ' * 1_000_000,
    '\n' * 1_000_000,
  ],
)
def test_extraction_takes_no_time(text, end):
  for tests in (_X, sandbox.Tests('def x(): 1', ['x'], '')):
    with clock.quick(text):
      code.extract(text, end, tests)


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
    ('import numpy\ndef f(x): return x * x', ('unknown', 'module')),
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
    # Fences, also one alone at the end, and what does not belong to the code.
    ('  return x * x\n```\n\nIt multiplies.', 'correct'),
    ('### Code\n\n```python\ndef f(x):\n  return x * x\n```\n', 'correct'),
    ('```python\n# f\ndef f(x):\n  return x * x\nif 1:\n  1\n```', 'correct'),
    ('```\ndef f(x):\n  return x\n```\n\n```\n  return x * x\n```', 'correct'),
    ('```\n  return x * x\n```\n\n```\ndef f(x):\n  return x\n```', 'wrong'),
    # Restated: behind an empty line, imports, a comment, another function.
    ('\ndef f(x):\n  return x * x', 'correct'),
    ('\n\ndef f(x):\n  return x * x\n\nprint(f(2))\nassert 0', 'correct'),
    ('\ndef f(x):\n  return x * x\n\nassert f(3) == 4', 'correct'),
    ('import math\n\n\ndef f(x):\n  return x * x', 'correct'),
    ('\n# Squares.\ndef f(x):\n  return x * x', 'correct'),
    ('\ndef g(x):\n  return x * x\n\ndef f(x):\n  return g(x)', 'correct'),
    ('\ndef f(x):\n  return g(x)\n\ndef g(x):\n  return x * x', 'correct'),
    ('\ndef f(x):\n  return x\n', 'wrong'),
    ('\ndef g(x):\n  return x * x\n', 'wrong'),
    ('\n\nclass f:\n  pass', 'wrong'),
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
