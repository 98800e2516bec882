"""What runs inside the sandbox: a program, and the tests that question it.

`sandbox.run` starts this file by its path: it imports little. Three processes:

  guard     builds the walls, starts the tester, ends it when the time is up
  tester    runs the tests, and alone says whether they hold; in a PID
            namespace it is process 1, and with it dies everything
  solution  runs the program and answers the tester's questions

The last two share two pipes: a question is 'call your object 3 with these', an
answer plain data, which is compared where no program can touch the outcome.
"""

from __future__ import annotations

import builtins
import ctypes
import itertools
import json
import os
import resource
import select
import signal
import sys
import types

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from collections.abc import Callable
  from typing import Any, BinaryIO, NoReturn

TIMEOUT = 3  # the guard's exit code when the time was up
_MAX_FILES, _MAX_ITEMS = 64, 100_000  # open at a time; taken from an iterator

# Of linux/prctl.h, linux/mount.h and linux/capability.h.
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_MS_NOSUID, _MS_NODEV = 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MOUNT_SETATTR = 442  # the system call's number
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY = 1 | 2 | 4  # read-only, no set-user-ID programs, no devices
_CAPABILITY_VERSION_3 = 0x20080522
_NOBODY, _ROOT = 65534, '/proc'  # a folder that is there and has nobody's files
# How a solution may fail; what is sent by its type's name.
_RULES = ('exception', 'exit', 'memory', 'syntax', 'undefined')
_CONTAINERS = {k.__name__: k for k in (dict, list, tuple, set, frozenset)}
_TYPES = {k: v for k, v in vars(builtins).items() if isinstance(v, type)}


class SolutionError(Exception):
  """The solution has no answer; its arguments are the rule and the detail."""


def guard(options: dict) -> int:
  """Runs tester and solution to their end; returns its exit code.

  Options are `parent`, the caller's process; `isolation`; `visible`, folders to
  be read in a namespace; and the fields of `sandbox.Limits`.
  """
  namespaces = options['isolation'] == 'namespaces'
  null = os.open('/dev/null', os.O_RDWR)
  if namespaces:
    _enter_namespaces(options['visible'], options['file_bytes'])
  _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
  if os.getppid() != options['parent']:
    return 1
  _prctl(_PR_SET_CHILD_SUBREAPER, 1)
  ended, held = os.pipe()
  tester = os.fork()
  if not tester:
    _test(null, options)
  os.close(held)  # only the tester has it now
  signal.signal(signal.SIGTERM, _expire)  # the caller's clock is a better one
  try:
    done, _, _ = select.select([ended], [], [], options['wall_s'])
  except TimeoutError:
    done = []
  os.kill(tester, signal.SIGKILL)
  _, status = os.waitpid(tester, 0)
  if not namespaces:
    _kill_children()
  return int(status != 0) if done else TIMEOUT


def _expire(*_):
  raise TimeoutError


def _enter_namespaces(visible: list[str], file_bytes: int):
  """No other processes, no network, no files but those that are needed."""
  libc = ctypes.CDLL(None, use_errno=True)

  def check(status: int, what: str):
    if status:
      raise OSError(ctypes.get_errno(), what)

  def mount(source: str, folder: str, kind: str, flags: int, data: str = ''):
    texts = (text.encode() for text in (source, folder, kind))
    status = libc.mount(*texts, ctypes.c_ulong(flags), data.encode())
    check(status, f'mount {folder}')

  flags = os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWNET | os.CLONE_NEWIPC
  user, group = os.geteuid(), os.getegid()
  os.unshare(flags | os.CLONE_NEWUSER if user else flags)
  if user:
    maps = {'uid_map': f'{user} {user} 1', 'gid_map': f'{group} {group} 1'}
    for name, text in {'setgroups': 'deny', **maps}.items():
      with open(f'/proc/self/{name}', 'w') as file:
        file.write(text)
  mount('none', '/', '', _MS_REC | _MS_PRIVATE)
  inert = _MS_NOSUID | _MS_NODEV
  mount('none', _ROOT, 'tmpfs', inert, 'size=1m,mode=0755')
  for folder in visible:
    os.makedirs(_ROOT + folder, exist_ok=True)
    mount(folder, _ROOT + folder, '', _MS_BIND | _MS_REC)
  os.makedirs(f'{_ROOT}/tmp', exist_ok=True)
  attributes = (ctypes.c_uint64 * 4)(_READ_ONLY)
  where = (_AT_FDCWD, _ROOT.encode(), _AT_RECURSIVE)
  size = ctypes.c_size_t(ctypes.sizeof(attributes))
  status = libc.syscall(_MOUNT_SETATTR, *where, attributes, size)
  check(status, 'mount_setattr')
  space = f'size={file_bytes},nr_inodes=1000,mode=0777'
  mount('none', f'{_ROOT}/tmp', 'tmpfs', inert, space)
  os.chroot(_ROOT)
  os.chdir('/tmp')


def _drop_privileges(isolation: str):
  """Those of root, or of the owner of a user namespace, for good."""
  if os.geteuid() == 0:
    try:
      os.setgroups([])
      os.setgid(_NOBODY)
      os.setuid(_NOBODY)
    except OSError:  # a root that is alone in its own user namespace
      if isolation != 'namespaces':
        raise
  if sys.platform == 'linux':
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
      raise OSError('capset')
  _prctl(_PR_SET_NO_NEW_PRIVS, 1)
  _prctl(_PR_SET_DUMPABLE, 0)  # the solution cannot trace the tester
  _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # new credentials forget it


def _prctl(option: int, value: int):
  """Linux's `prctl`; other systems have none."""
  if sys.platform == 'linux':
    values = [ctypes.c_ulong(x) for x in (value, 0, 0, 0)]
    if ctypes.CDLL(None).prctl(option, *values):
      raise OSError(f'prctl {option}')


def _kill_children():
  """Kills and awaits what the tester left: Linux gave it to the guard."""
  try:
    while True:
      with open(f'/proc/self/task/{os.getpid()}/children') as file:
        for child in file.read().split():
          os.kill(int(child), signal.SIGKILL)
      os.wait()
  except (ChildProcessError, FileNotFoundError):
    pass


def _limit(kind: int, value: int, hard: int | None = None):
  _, most = resource.getrlimit(kind)
  limits = [value, value if hard is None else hard]
  if most != resource.RLIM_INFINITY:
    limits = [min(limit, most) for limit in limits]
  try:
    resource.setrlimit(kind, (limits[0], limits[1]))
  except (OSError, ValueError):  # macOS refuses some
    if sys.platform == 'linux':
      raise


def _test(null: int, options: dict) -> NoReturn:
  """The tester's life."""
  result = os.dup(1)
  os.dup2(null, 1)  # tests may print
  _drop_privileges(options['isolation'])
  signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 ignores it so
  _limit(resource.RLIMIT_CORE, 0)
  _limit(resource.RLIMIT_AS, options['memory_bytes'])
  _limit(resource.RLIMIT_FSIZE, options['file_bytes'])
  _limit(resource.RLIMIT_NOFILE, _MAX_FILES)
  questions, asking = os.pipe()
  answers, answering = os.pipe()
  solution = os.fork()  # while nothing is known of the tests
  if not solution:
    _solve(null, questions, answering, options)
  os.close(questions)
  os.close(answering)
  ends = os.fdopen(answers, 'rb'), os.fdopen(asking, 'wb')
  line = Line(*ends, options['answer_bytes'])
  with open(0, 'rb') as file:
    request = json.load(file)
  try:
    passed, rule, detail = judge(request, line)
  except SolutionError as error:
    passed, rule, detail = False, *error.args
  os.kill(solution, signal.SIGKILL)
  _, status, used = os.wait4(solution, 0)
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
  except BaseException as error:
    return False, 'tests', repr(error)
  return True, 'tests', ''


class Line:
  """The tester's end of the line to the solution."""

  def __init__(self, answers: BinaryIO, questions: BinaryIO, max_bytes: int):
    self._answers, self._questions = answers, questions
    self._max_bytes = max_bytes

  def ask(self, verb: str, *values: Any) -> Any:
    """The answer to a question; raises `SolutionError` if there is none."""
    question = json.dumps([verb, encode(values, _number)]).encode() + b'\n'
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
        return decode(content, lambda number: Remote(self, int(number)))
    except Exception as error:
      raise SolutionError('protocol', type(error).__name__) from None
    # Its own words: they choose between ways to fail, nothing else.
    raise SolutionError(rule if rule in _RULES else 'protocol', str(content))


class Remote:
  """An object of the solution; it equals itself, whatever its `__eq__` says."""

  def __init__(self, line: Line, number: int):
    self.__dict__.update(_line=line, _number=number)

  def __call__(self, *args, **kwargs):
    return self._line.ask('call', self, args, kwargs)

  def __iter__(self):
    return iter(self._line.ask('list', self))

  def __getattr__(self, name: str):
    if name.startswith('_'):
      raise AttributeError(name)
    return self._line.ask('get', self, name)

  def __setattr__(self, name: str, value):
    self._line.ask('set', self, name, value)


def _number(value: Any) -> int:
  if isinstance(value, Remote):
    return value.__dict__['_number']
  raise TypeError(f'tests cannot give {value!r} to a solution')


def _solve(null: int, questions: int, answers: int, options: dict) -> NoReturn:
  """The solution's life."""
  try:
    for fd in range(_MAX_FILES):
      if fd < 3:
        os.dup2(null, fd)
      elif fd not in (questions, answers):
        os.closerange(fd, fd + 1)  # closed or not
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit(resource.RLIMIT_CPU, options['cpu_s'], options['cpu_s'] + 1)
    _limit(resource.RLIMIT_NPROC, 0)
    os.environ.clear()
    sys.argv[:] = ['']
    ends = os.fdopen(questions, 'rb'), os.fdopen(answers, 'wb')
    serve(*ends, options['answer_bytes'])
  finally:
    os._exit(0)


def serve(questions: BinaryIO, answers: BinaryIO, max_bytes: int):
  """Runs a program and answers questions, until nobody asks.

  A question is one of `verbs` and its arguments, the first ('load', program).
  An answer is ['value', value] or [rule, detail].
  """
  module = sys.modules['solution'] = types.ModuleType('solution')
  objects = []

  def number(value: Any) -> int:
    objects.append(value)
    return len(objects) - 1

  verbs = {
    'load': lambda code: exec(compile(code, 'solution', 'exec'), vars(module)),
    'name': lambda name: vars(module)[name],
    'call': lambda function, args, kwargs: function(*args, **kwargs),
    'list': lambda source: list(itertools.islice(source, _MAX_ITEMS)),
    'get': getattr,
    'set': setattr,
  }
  for question in questions:
    verb, values = json.loads(question)
    values = decode(values, objects.__getitem__)
    try:
      line = json.dumps(['value', encode(verbs[verb](*values), number)])
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
  if verb == 'load' and isinstance(error, SyntaxError):
    return 'syntax'
  return 'undefined' if verb == 'name' else 'exception'


def encode(value: Any, number: Callable[[Any], int]) -> Any:
  """`value` for JSON; `number` gives the number of what is not plain data."""
  if value is None or isinstance(value, bool | float | str):
    return value
  if isinstance(value, int):
    return ['int', hex(value)] if abs(value) >> 63 else value
  if isinstance(value, bytes):
    return ['bytes', value.decode('latin-1')]
  if isinstance(value, complex):
    return ['complex', [value.real, value.imag]]
  if isinstance(value, type) and _TYPES.get(value.__name__) is value:
    return ['type', value.__name__]
  for name, kind in _CONTAINERS.items():
    if isinstance(value, kind):
      items: Any = value.items() if isinstance(value, dict) else value
      return [name, [encode(x, number) for x in items]]
  return ['object', number(value)]


def decode(data: Any, found: Callable[[int], Any]) -> Any:
  """What was encoded; `found` gives the object of a number."""
  if not isinstance(data, list):
    return data
  kind, value = data
  if kind == 'object':
    return found(value)
  if kind == 'int':
    return int(value, 16)
  if kind == 'bytes':
    return value.encode('latin-1')
  if kind == 'complex':
    return complex(*value)
  if kind == 'type':
    return _TYPES[value]
  return _CONTAINERS[kind](decode(x, found) for x in value)


if __name__ == '__main__':
  os._exit(guard(json.loads(sys.argv[1])))
