"""The solution: it runs a program and answers the tester's questions."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
import types

from . import calls, values, walls

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from typing import Any, BinaryIO, NoReturn

MAX_FILES = 64  # open at a time
_MAX_ITEMS = 100_000  # taken from an iterator

# Why it may have no answer; what is sent by its type's name.
RULES = ('exception', 'exit', 'memory', 'module', 'syntax', 'undefined')


def solve(null: int, questions: int, answers: int, options: dict) -> NoReturn:
  """The solution's life."""
  try:
    for fd in range(MAX_FILES):
      if fd < 3:
        os.dup2(null, fd)
      elif fd not in (questions, answers):
        os.closerange(fd, fd + 1)  # closed or not
    walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
    walls.limit(resource.RLIMIT_CPU, options['cpu_s'], options['cpu_s'] + 1)
    walls.limit(resource.RLIMIT_NPROC, 0)
    os.environ.clear()
    sys.argv[:] = ['']
    ends = os.fdopen(questions, 'rb'), os.fdopen(answers, 'wb')
    calls.restrict()
    serve(*ends, options['answer_bytes'])
  finally:
    os._exit(0)


def serve(questions: BinaryIO, answers: BinaryIO, max_bytes: int):
  """Runs a program and answers questions, until nobody asks.

  A question is one of `verbs` and its arguments, the first ('load', program).
  An answer is ['value', value] or [rule, detail].
  """
  module = sys.modules['solution'] = types.ModuleType('solution')
  objects: list[Any] = []  # kept, so that an id stays theirs
  numbers: dict[int, int] = {}  # of an object, by its id

  def number(value: Any) -> int:
    if id(value) not in numbers:
      numbers[id(value)] = len(objects)
      objects.append(value)
    return numbers[id(value)]

  verbs = {
    'load': lambda code: exec(compile(code, 'solution', 'exec'), vars(module)),
    'name': lambda name: vars(module)[name],
    'call': lambda function, args, kwargs: function(*args, **kwargs),
    'list': lambda source: list(itertools.islice(source, _MAX_ITEMS)),
    'next': lambda source: list(itertools.islice(source, 1)),
    'length': lambda x: len(x) if hasattr(type(x), '__len__') else None,
    'item': lambda source, key: source[key],
    'truth': bool,
    'get': getattr,
    'set': setattr,
  }
  for question in questions:
    verb, data = json.loads(question)
    arguments = values.decode(data, objects.__getitem__)
    try:
      answer = values.encode(verbs[verb](*arguments), number)
      line = json.dumps(['value', answer])
    except BaseException as error:
      detail = f'{type(error).__name__}: {error}'[:200]
      line = json.dumps([_rule(verb, error), detail])
    if len(line) >= max_bytes:
      line = json.dumps(['memory', 'the answer is too long'])
    answers.write(line.encode() + b'\n')
    answers.flush()


def _rule(verb: str, error: BaseException) -> str:
  if isinstance(error, MemoryError):
    return 'memory'
  if isinstance(error, SystemExit):
    return 'exit'
  if isinstance(error, ModuleNotFoundError) and _is_absent(error.name):
    return 'module'
  if verb == 'load' and isinstance(error, SyntaxError):
    return 'syntax'
  return 'undefined' if verb == 'name' else 'exception'


def _is_absent(module: str | None) -> bool:
  """Returns whether a module, e.g. NumPy, is none of Python's own."""
  package = (module or '').partition('.')[0]
  return bool(package) and package not in sys.stdlib_module_names
