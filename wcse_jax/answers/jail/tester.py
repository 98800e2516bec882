"""The tester: it runs the tests and alone says whether they hold."""

from __future__ import annotations

import json
import os
import resource
import signal

from . import solution, values, walls

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from typing import Any, BinaryIO, NoReturn


# Rules that say nothing of whether the program is right.
_UNDECIDED = ('module',)


class SolutionError(Exception):
  """The solution has no answer; its arguments are the rule and the detail."""


class TestsError(Exception):
  """The tests ask what cannot be asked."""


def test(null: int, options: dict) -> NoReturn:
  """The tester's life."""
  result = os.dup(1)
  os.dup2(null, 1)  # tests may print
  walls.drop_privileges(options['isolation'])
  signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 ignores it so
  walls.limit(resource.RLIMIT_CORE, 0)
  walls.limit(resource.RLIMIT_AS, options['memory_bytes'])
  walls.limit(resource.RLIMIT_FSIZE, options['file_bytes'])
  walls.limit(resource.RLIMIT_NOFILE, solution.MAX_FILES)
  questions, asking = os.pipe()
  answers, answering = os.pipe()
  child = os.fork()  # while nothing is known of the tests
  if not child:
    solution.solve(null, questions, answering, options)
  os.close(questions)
  os.close(answering)
  ends = os.fdopen(answers, 'rb'), os.fdopen(asking, 'wb')
  line = Line(*ends, options['answer_bytes'])
  with open(0, 'rb') as file:
    request = json.load(file)
  try:
    passed, rule, detail = judge(request, line)
  except SolutionError as error:
    rule, detail = error.args
    passed = None if rule in _UNDECIDED else False
  os.kill(child, signal.SIGKILL)
  _, status, used = os.wait4(child, 0)
  if rule == 'exit':
    code = os.waitstatus_to_exitcode(status)
    detail = detail or f'exit code {code}'
    if -code == signal.SIGXCPU or used.ru_utime >= options['cpu_s']:
      rule = 'cpu_time'
  os.write(result, json.dumps([passed, rule, detail[:200]]).encode())
  os._exit(0)


def judge(request: dict, line: Line) -> tuple[bool | None, str, str]:
  """Runs the tests: whether they hold (None: they cannot be run), rule, detail.

  A request is a `program` and the fields of `sandbox.Tests`.
  """
  scope: dict[str, Any] = {'__name__': 'tests'}
  try:
    exec(compile(request['header'], 'before', 'exec'), scope)
    tests = compile(request['tests'], 'tests', 'exec')
  except Exception as error:
    return None, 'gold', repr(error)
  line.ask('load', request['program'])
  for name in request['names']:
    scope[name] = line.ask('name', name)
  if 'random' in request['tests']:  # the same questions each time
    import random

    random.seed(0)
  try:
    exec(tests, scope)
  except SolutionError:
    raise
  except TestsError as error:
    return None, 'gold', str(error)
  except BaseException as error:
    return False, 'tests', repr(error)
  return True, 'tests', ''


class Line:
  """The tester's end of the line to the solution."""

  def __init__(self, answers: BinaryIO, questions: BinaryIO, max_bytes: int):
    self._answers, self._questions = answers, questions
    self._max_bytes = max_bytes
    self._objects: dict[int, Remote] = {}

  def ask(self, verb: str, *arguments: Any) -> Any:
    """The answer to a question; raises `SolutionError` if there is none."""
    question = (
      json.dumps([verb, values.encode(arguments, _number)]).encode() + b'\n'
    )
    try:
      self._questions.write(question)
      self._questions.flush()
      answer = self._answers.readline(self._max_bytes)
    except BrokenPipeError:
      answer = b''
    if not answer:
      raise SolutionError('exit', '')
    try:
      rule, content = json.loads(answer)
      if rule == 'value':
        return values.decode(content, self._object)
    except Exception as error:
      raise SolutionError('protocol', type(error).__name__) from None
    # Its own words: they choose between ways to fail, nothing else.
    raise SolutionError(
      rule if rule in solution.RULES else 'protocol', str(content)
    )

  def _object(self, number: int) -> Remote:
    return self._objects.setdefault(number, Remote(self, int(number)))


class Remote:
  """An object of the solution; it equals itself, whatever its `__eq__` says."""

  def __init__(self, line: Line, number: int):
    self.__dict__.update(_line=line, _number=number)

  def __call__(self, *args, **kwargs):
    return self._line.ask('call', self, args, kwargs)

  def __iter__(self):
    return iter(self._line.ask('list', self))

  def __next__(self):
    for item in self._line.ask('next', self):
      return item
    raise StopIteration

  def __len__(self):
    length = self._line.ask('length', self)
    if length is None:
      raise TypeError('the object has no length')
    return length

  def __getitem__(self, key):
    return self._line.ask('item', self, key)

  def __bool__(self):
    return self._line.ask('truth', self) is True

  def __getattr__(self, name: str):
    if name.startswith('_'):
      raise AttributeError(name)
    return self._line.ask('get', self, name)

  def __setattr__(self, name: str, value):
    self._line.ask('set', self, name, value)


def _number(value: Any) -> int:
  if isinstance(value, Remote):
    return value.__dict__['_number']
  raise TestsError(f'they cannot give {value!r} to a solution')
