"""Running a program that nobody trusts, against tests that it cannot reach.

How the tests stay out of its reach is told in `jail`, which runs inside.
Each run has its own session, limits of CPU time, memory, file size, open
files and wall clock, an empty environment and an empty folder; it can start
neither processes nor threads; its input is empty and its output thrown away.
On Linux the kernel refuses it every system call that `jail.calls` does not
list: a machine that has no list there runs no programs.
What else is in force depends on the system; `isolation` tells.

Tests see what a program returns. They do not see what it changes in place in an
argument, and no exception that it raises: it fails the test that calls for it.

Not defended against: a program that knows the right answers by heart (MBPP's
prompt shows them); faults of the kernel; and, without namespaces, a program
that attacks this process or the user's files rather than the tests. macOS has
no namespaces and enforces no limit on memory.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from typing import Literal, NamedTuple

from wcse_jax.answers.jail import guard
from wcse_jax.errors import Error
from wcse_jax.runtime import clock

Isolation = Literal['namespaces', 'user', 'limits']

# The strongest first.
ISOLATIONS: dict[Isolation, str] = {
  'namespaces': (
    'own mount, PID, network and IPC namespaces, unprivileged, a filter of '
    'system calls; sees the Python installation, read-only, and a small folder '
    'in memory'
  ),
  'user': (
    'user nobody, limits, a filter of system calls; no namespaces: what '
    'everybody may read or write is within reach'
  ),
  'limits': (
    'limits, as the same user; no namespaces: files of the user are within '
    'reach, and on macOS, without a filter, the network and processes'
  ),
}

_GRACE_S = 5.0  # for the jail to start and end
_MOST = 20  # times slower that a busy machine may be
_FOLDER = pathlib.Path(guard.__file__).parents[1]  # of the package `jail`
# The flags are those of -I, but for the environment. The jail imports itself
# from behind Python's own modules, and leaves nothing on the path.
_START = (
  *('-P', '-s', '-S', '-c'),
  'import sys; sys.path.append(sys.argv[1]); from jail import guard; '
  'sys.path.pop(); guard.main()',
)
_SYSTEM = ('/usr', '/lib', '/lib64', '/nix')  # shared libraries


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
  """What a program may use."""

  # CPU time; of program and tests together, when the time below is up.
  cpu_s: int = 3
  # Program and tests together, while they do not wait for a processor.
  wall_s: float = 4.5
  memory_bytes: int = 512 << 20  # of address space
  file_bytes: int = 16 << 20  # of a file, and of the folder in a namespace
  answer_bytes: int = 1 << 20  # of a value returned, encoded


class Tests(NamedTuple):
  """What is asked of a program; as JSON it is a problem's `gold`.

  The program sees none of it but what it starts with.

  Attributes:
    header: Code that runs before the tests, as their own: imports, HumanEval's
      prompt. A solution follows it, too: the program is both.
    names: What the tests take from the program; all else is their own.
    tests: Code that raises if the program is wrong.
  """

  header: str
  names: list[str]
  tests: str

  def dumps(self) -> str:
    return json.dumps(self._asdict())

  @classmethod
  def loads(cls, text: str) -> 'Tests':
    """The tests that a text holds; `dumps` made it.

    Raises:
      ValueError: It holds none, as it is for a KeyError or a TypeError.
    """
    content = json.loads(text)
    return cls(*(content[field] for field in cls._fields))


class Outcome(NamedTuple):
  """What came of a run.

  Attributes:
    passed: None if it could not be decided.
    rule: 'tests' (they decided), or why the program did not get through them:
      'syntax', 'undefined' (a name that the tests need), 'exception', 'exit',
      'memory', 'cpu_time', 'protocol' (it answered nonsense). Undecided:
      'module' (it needs one that is not Python's own, such as NumPy, and none
      is here), 'timeout' (of the wall clock), 'gold' (tests that cannot run, or
      give what cannot be given), 'sandbox'.
    detail: For people, e.g. the exception; the program may have a say in it.
  """

  passed: bool | None
  rule: str
  detail: str


class SandboxError(Error):
  """No program can be run safely here."""


def run(
  program: str,
  tests: Tests,
  limits: Limits = Limits(),
  isolation: Isolation | None = None,
) -> Outcome:
  """Runs a program against tests. When it returns, nothing is left running.

  >>> tests = Tests('', ['f'], 'assert f(2) == 4')
  >>> run('def f(x): return x + x', tests)
  Outcome(passed=True, rule='tests', detail='')
  >>> run('raise SystemExit(0)', tests)[:2]
  (False, 'exit')

  Args:
    program: Python source.
    tests: What it must pass.
    limits: What it may use.
    isolation: None is the strongest that works.

  Raises:
    SandboxError: No isolation works.
  """
  isolation = isolation or strongest()
  options = dataclasses.asdict(limits) | {
    'wall_s': _MOST * limits.wall_s + _GRACE_S,  # if this process is gone
    'parent': os.getpid(),
    'isolation': isolation,
    'visible': _visible(),
  }
  request = json.dumps({'program': program, **tests._asdict()})
  with contextlib.ExitStack() as stack:
    folder = '/'
    if isolation != 'namespaces':
      folder = stack.enter_context(tempfile.TemporaryDirectory())
      os.chmod(folder, 0o777)
    # A fixed hash seed makes the order of sets, and so the verdict, the same
    # each time.
    process = subprocess.Popen(
      [sys.executable, *_START, str(_FOLDER), json.dumps(options)],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      cwd=folder,
      env={'PYTHONHASHSEED': '0'},
      start_new_session=True,
    )
    try:
      result, errors = _communicate(process, request.encode(), limits.wall_s)
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
      process.kill()
      process.communicate()
  if result:
    return Outcome(*json.loads(result))
  if process.returncode == guard.CPU_TIME:
    detail = f'{limits.cpu_s} s, program and tests together'
    return Outcome(False, 'cpu_time', detail)
  if process.returncode in (guard.TIMEOUT, -signal.SIGTERM, -signal.SIGKILL):
    return Outcome(None, 'timeout', f'{limits.wall_s} s')
  *_, last = ['', *errors.decode(errors='replace').splitlines()]
  return Outcome(None, 'sandbox', last)


def _communicate(
  process: subprocess.Popen[bytes], request: bytes, limit_s: float
) -> tuple[bytes, bytes]:
  """Returns what a jail says and its errors; nothing when its time is up.

  Its time does not run while it waits for a processor: on a busy machine, too,
  an endless loop ends by its limit of CPU time.
  """
  passing = clock.Clock(process.pid)
  end = time.monotonic() + _MOST * limit_s + _GRACE_S
  while (left_s := limit_s - passing.seconds()) > 0 and time.monotonic() < end:
    with contextlib.suppress(subprocess.TimeoutExpired):
      return process.communicate(request, left_s + 0.01)
    request = b''  # it is kept
  process.terminate()
  with contextlib.suppress(subprocess.TimeoutExpired):
    return process.communicate(request, _GRACE_S)
  return b'', b''


@functools.cache
def strongest() -> Isolation:
  """The strongest isolation that works on this system.

  Raises:
    SandboxError: There is none.
  """
  problems = []
  # A module that is not loaded yet: the installation must be readable.
  tests = Tests('', ['x'], 'assert x == 3')
  patient = Limits(wall_s=60.0)  # a busy machine is no reason for a weaker one
  for isolation in ISOLATIONS:
    if isolation == 'limits' and os.geteuid() == 0:
      continue
    outcome = run('import colorsys\nx = 3', tests, patient, isolation)
    if outcome.passed:
      return isolation
    problems.append(f'{isolation}: {outcome.rule} {outcome.detail}')
  raise SandboxError(
    f'no program can be run safely here ({"; ".join(problems)}); run as a '
    'user other than root, or where namespaces can be made'
  )


def _visible() -> list[str]:
  """Folders that Python needs, none below another."""
  folders = [folder for folder in _SYSTEM if pathlib.Path(folder).is_dir()]
  if not any(pathlib.Path(sys.base_prefix).is_relative_to(x) for x in folders):
    folders.append(sys.base_prefix)
  return folders
