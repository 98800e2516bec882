"""Values of honest programs: they equal what they equal in Python."""

import importlib
import types

import pytest

from wcse_jax.answers import sandbox
from wcse_jax.verify.certificate import hostile_programs


def _run(program, tests=hostile_programs.SQUARES):
  return sandbox.run(program, tests, sandbox.Limits(cpu_s=1, wall_s=60.0))


# Program, tests.
HONEST = {
  'values': (
    'def f(x): return x',
    'for x in [None, True, 0, -(2**63), 10**5000, 1.5, -0.0, "\\ud800é\\n", 1j,'
    ' b"a", [], (), (1,), {1: [2]}, {(1, 2): {3}}, frozenset({4}), [(2,)]]:\n'
    '  assert f(x) == x and type(f(x)) is type(x), x\n'
    'import math\nassert math.isnan(f(math.nan)) and f(math.inf) == math.inf',
  ),
  'subclasses_of_data': (
    'import collections, enum\n'
    'class E(enum.IntEnum):\n  A = 3\n'
    'P = collections.namedtuple("P", "x y")\n'
    'def f(): return [E.A, P(1, 2), collections.Counter("aab")]',
    'assert f() == [3, (1, 2), {"a": 2, "b": 1}]',
  ),
  'objects': (
    'class f:\n'
    '  def __init__(self, n): self.n, self.next = n, None\n'
    '  def total(self):\n'
    '    return self.n + (self.next.total() if self.next else 0)',
    'a = f(1)\na.next = f(2)\na.next.n = 5\nassert a.total() == 6\n'
    'assert a.next.n == 5 and a != f(1)',
  ),
  'iterators': (
    'def f(n): return map(str, range(n))',
    'assert list(f(3)) == ["0", "1", "2"] and f(3) != ["0", "1", "2"]\n'
    'a = f(2)\nassert next(a) == "0" and "1" in a and next(a, None) is None',
  ),
  'objects_as_containers': (
    'class f:\n'
    '  def __init__(self, n): self.n = n\n'
    '  def __len__(self): return self.n\n'
    '  def __getitem__(self, i): return i * self.n',
    'assert len(f(3)) == 3 and f(3)[2] == 6 and f(1) and not f(0)',
  ),
  'the_same_object': (
    'import enum\nclass E(enum.Enum):\n  A = 1\n  B = 2\nf = lambda: E',
    'assert f().A is f().A == f().A and f().A != f().B and f().A in [f().A]',
  ),
  'matches': (
    'import re\nf = lambda x: re.match("a", x)',
    'assert f("a") and not f("b") and f("a").group() == "a"',
  ),
  'types': (
    'def f(x): return isinstance(1, x)',
    'assert f(int) and not f(str)',
  ),
  'dataclass': (
    'import dataclasses\n@dataclasses.dataclass\nclass P:\n  x: "int"\n'
    'def f(x): return dataclasses.asdict(P(x))',
    'assert f(1) == {"x": 1}',
  ),
  'keyword_arguments': (
    'def f(x, *, y): return x - y',
    'assert f(3, y=1) == 2',
  ),
  'own_main': (
    'def f(): return 1\nif __name__ == "__main__":\n  raise SystemExit(1)',
    'assert f() == 1',
  ),
  'shadowed_builtin': (
    'def sum(x): return 7\ndef f(): return sum([1])',
    'assert f() == 7 and sum([1]) == 1',
  ),
  'prints': ('print(1)\ndef f():\n  print(2)\n  return 3', 'assert f() == 3'),
  'standard_library': (
    'import bisect, collections, datetime, decimal, fractions, functools,'
    ' hashlib, heapq, itertools, math, random, re, statistics, string, sys,'
    ' typing\ndef f(): return 1',
    'assert f() == 1',
  ),
}


# Equal in Python, though of other types; what a program returns, the test.
_EQUAL = {
  'fractions.Fraction(1, 2)': '0.5',
  'decimal.Decimal("0.50")': '0.5',
  '{1: 2}.keys()': '{1}',
  '{1: [2]}.items()': '{1: [2]}.items()',
  'list({1: 2}.values())': '[2]',
  'collections.OrderedDict(a=1, b=2)': '{"b": 2, "a": 1}',
  'collections.Counter("aab")': '{"a": 2, "b": 1}',
  'collections.Counter(a=1, b=0)': 'collections.Counter(a=1)',
  'collections.defaultdict(list, {1: [2]})': '{1: [2]}',
  'collections.defaultdict(lambda: 0, {1: 2})': '{1: 2}',
  'collections.deque([1, 2], 3)': 'collections.deque([1, 2])',
  'collections.namedtuple("P", "x y")(1, 2)': '(1, 2)',
  'collections.UserList([1])': '[1]',
  'range(0, 6, 2)': 'range(0, 5, 2)',
  'bytearray(b"a")': 'b"a"',
  'memoryview(b"a")': 'b"a"',
  'array.array("i", [1])': 'array.array("d", [1.0])',
  'slice(1, 2)': 'slice(1, 2, None)',
  'types.MappingProxyType({1: 2})': '{1: 2}',
  'datetime.date(2024, 2, 29)': 'datetime.date.fromisoformat("2024-02-29")',
  'datetime.timedelta(hours=24)': 'datetime.timedelta(1)',
  'datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)': (
    'datetime.datetime.fromtimestamp(1704067200, datetime.UTC)'
  ),
  'True': '1',
  '(1 + 0j)': '1.0',
}
_MODULES = 'import array, collections, datetime, decimal, fractions, types\n'


@pytest.mark.parametrize('value', _EQUAL)
def test_a_value_equals_what_it_does_in_python(value):
  """No `Fraction` equalled anything, nor did any that was no plain data."""
  assert eval(f'{value} == {_EQUAL[value]}', dict(_modules()))
  program = f"""{_MODULES}
def f(nest):
  x = {value}
  return [x, [x, 1], (x, 1), {{1: [x]}}][nest]
"""
  tests = f"""{_MODULES}
x = {_EQUAL[value]}
for nest, expected in enumerate([x, [x, 1], (x, 1), {{1: [x]}}]):
  assert f(nest) == expected and expected == f(nest), nest
  assert f(nest) != 7 and f(nest) != [7, 1]
"""
  outcome = _run(program, sandbox.Tests('', ['f'], tests))
  assert outcome == (True, 'tests', ''), outcome


def test_values_of_a_dictionary_equal_nothing():
  """As in Python; and their list is equal."""
  text = 'assert f() != [2] and f() != {2: 2}.values() and list(f()) == [2]'
  outcome = _run(
    'def f(): return {1: 2}.values()', sandbox.Tests('', ['f'], text)
  )
  assert outcome == (True, 'tests', '')


def _modules():
  for name in ('array', 'collections', 'datetime', 'decimal', 'fractions'):
    yield name, importlib.import_module(name)
  yield 'types', types


@pytest.mark.parametrize(
  'base',
  ['fractions.Fraction', 'decimal.Decimal', 'collections.deque', 'tuple'],
)
def test_what_a_value_equals_is_not_for_the_program_to_say(base):
  program = f"""
import collections, decimal, fractions
class E({base}):
  def __eq__(self, other): return True
  def __hash__(self): return 0
  def __ne__(self, other): return False
def f(x): return E()
"""
  outcome = _run(program)
  assert outcome[:2] == (False, 'tests')


def test_fields_have_names():
  program = 'from typing import NamedTuple\nclass f(NamedTuple):\n  x: int'
  tests = sandbox.Tests('', ['f'], 'assert f(3).x == 3 and f(3) == (3,)')
  assert _run(program, tests).passed


@pytest.mark.parametrize(
  'given',
  ['fractions.Fraction(1, 2)', 'range(3)', 'decimal.Decimal(1)', '[{1}]'],
)
def test_tests_may_give_any_such_value(given):
  program = 'def f(x): return [x, str(x)]'
  text = f'import decimal, fractions\nx = {given}\nassert f(x) == [x, str(x)]'
  assert _run(program, sandbox.Tests('', ['f'], text)).passed


def test_tests_that_give_a_function_decide_nothing():
  """It was 'wrong', though no program could have been right."""
  tests = sandbox.Tests('', ['f'], 'assert f(lambda x: x, 1) == 1')
  outcome = _run('def f(g, x): return g(x)', tests)
  assert outcome[:2] == (None, 'gold')
  assert 'cannot give <function' in outcome.detail


@pytest.mark.parametrize('name', HONEST)
def test_honest_program_passes(name):
  program, tests = HONEST[name]
  assert _run(program, sandbox.Tests('', ['f'], tests)) == (True, 'tests', '')
