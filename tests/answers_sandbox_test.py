"""The sandbox: no hostile program passes, gets out or stays."""

import functools
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from wcse_jax.answers import sandbox
from wcse_jax.answers.jail import guard
from wcse_jax.verify.certificate import hostile_programs

_LIMITS = sandbox.Limits(cpu_s=1, wall_s=60.0)
_JAIL = pathlib.Path(guard.__file__)


def _run(program, tests=hostile_programs.SQUARES, **changes):
  return sandbox.run(program, tests, _LIMITS, **changes)


@pytest.mark.parametrize('name', hostile_programs.programs())
def test_hostile_program_does_not_pass_and_leaves_nothing(name):
  program, rules = hostile_programs.programs()[name]
  if name.startswith('kills') and sys.platform != 'linux':
    pytest.skip("would kill the user's own processes")
  limits = _LIMITS
  if 'timeout' in rules:
    limits = sandbox.Limits(wall_s=0.7)
  outcome = sandbox.run(program, hostile_programs.SQUARES, limits)
  assert not outcome.passed
  assert outcome.rule in rules.split(), outcome
  assert (outcome.passed is None) == (outcome.rule == 'timeout')
  assert hostile_programs.left_running() == []


def test_the_test_of_hostile_programs_can_fail():
  """What they are asked for can be given, and what is left is seen."""
  assert _run('def f(x): return x * x').passed
  with subprocess.Popen(['sleep', '31337']) as process:
    assert len(hostile_programs.left_running()) == 1
    process.kill()


def _asked(expression, **changes):
  """What an expression is inside."""
  program = f'import os, sys\ndef f(): return {expression}'
  outcome = _run(
    program, sandbox.Tests('', ['f'], 'raise Exception(f())'), **changes
  )
  assert outcome.rule == 'tests', outcome
  return outcome.detail.removeprefix('Exception(').removesuffix(')')


def _needs_namespaces():
  if sandbox.strongest() != 'namespaces':
    pytest.skip('needs namespaces, which this system does not allow')


def test_no_file_is_written_outside(tmp_path):
  _needs_namespaces()
  tmp_path.chmod(0o777)
  marker = tmp_path / 'marker'
  marker.write_text('')
  marker.chmod(0o666)
  before = hashlib.sha256(_JAIL.read_bytes()).hexdigest()
  program = f"""
import os
def attempt(path):
  try:
    with open(path, 'a') as file: file.write('x' * 100)
    return path
  except OSError: pass
paths = [{str(marker)!r}, {str(_JAIL)!r}, '/x', '/etc/x', '/usr/x', '/dev/x',
  os.__file__, *['/' + name + '/x' for name in os.listdir('/')]]
def f(): return [path for path in map(attempt, paths) if path]
"""
  tests = sandbox.Tests('', ['f'], 'assert f() == ["/tmp/x"]')
  assert _run(program, tests) == (True, 'tests', '')
  assert marker.read_text() == ''
  assert hashlib.sha256(_JAIL.read_bytes()).hexdigest() == before


def test_only_the_python_installation_can_be_seen(tmp_path):
  _needs_namespaces()
  (tmp_path / 'secret').write_text('')
  paths = [str(tmp_path), '/etc/passwd', '/proc/self', '/sys', '/dev/null']
  seen = _asked(f'[p for p in {paths} + {[str(_JAIL)]} if os.path.exists(p)]')
  assert seen == '[]'
  assert 'tmp' in _asked('os.listdir("/")')


def test_no_network():
  _needs_namespaces()
  with socket.create_server(('127.0.0.1', 0)) as server:
    server.settimeout(0.1)
    port = server.getsockname()[1]
    program = hostile_programs.connecting_to(port)
    socket.create_connection(('127.0.0.1', port), 1).close()
    server.accept()[0].close()
    tests = sandbox.Tests('', ['f'], 'assert f() == "OSError"')
    assert _run(program, tests).passed
    with pytest.raises(TimeoutError):
      server.accept()


@pytest.mark.parametrize(
  'attempt',
  [
    'os.setuid(0)',
    'os.seteuid(0)',
    'os.setgroups([0])',
    'os.unshare(os.CLONE_NEWUSER)',
    'os.unshare(os.CLONE_NEWNS)',
    'os.chroot("/tmp")',
    'os.mknod("x", 0o060666, os.makedev(254, 0))',
    'os.nice(-1)',
    'os.sethostname("x")' if hasattr(os, 'sethostname') else 'os.chroot("/")',
    '__import__("resource").setrlimit(7, (9999, 9999))',
    '__import__("resource").setrlimit(6, (9, 9))',
  ],
)
def test_privileges_are_gone(attempt):
  _needs_namespaces()
  program = f"""
import os
def f():
  try:
    {attempt}
  except (OSError, ValueError, AttributeError):
    return 'refused'
"""
  tests = sandbox.Tests('', ['f'], 'assert f() == "refused"')
  assert _run(program, tests) == (True, 'tests', '')


def test_empty_surroundings():
  assert _asked('dict(os.environ)') == '{}'
  assert _asked('sys.stdin.read()') == "''"
  assert _asked('os.listdir()') == '[]'
  assert _asked('sys.argv') == "['']"


def test_temporary_folder_can_be_written_and_goes():
  program = """
import os
def f():
  os.mkdir('a')
  os.chmod('a', 0)
  open('b', 'w').write('c')
  return open('b').read(), os.path.abspath('.')
"""
  for isolation in ('namespaces', 'user'):
    if isolation not in _working():
      continue
    tests = sandbox.Tests('', ['f'], 'raise Exception(f())')
    outcome = _run(program, tests, isolation=isolation)
    assert "('c', '" in outcome.detail, outcome
    folder = outcome.detail.split("'")[3]
    assert folder == '/tmp' or not pathlib.Path(folder).exists()


def _working():
  """The isolations that work here, found out by trying."""
  tests = sandbox.Tests('', ['f'], 'assert f(2) == 4')
  return [
    isolation
    for isolation in sandbox.ISOLATIONS
    if _run('def f(x): return x * x', tests, isolation=isolation).passed
  ]


# A few programs of each kind, under the weaker isolations.
_SOME = (
  *('calls_of_another_architecture', 'files_in_memory', 'kills_everybody'),
  *('limits_of_the_tester', 'socket_of_any_family', 'system_v_shared_memory'),
  'os_exit',
  'equals_everything',
  'writes_success_to_every_file',
  'looks_for_the_tests_in_memory',
  'looks_for_the_tests_in_files',
  'traces_the_tester',
  'daemon',
  'fork_bomb',
  'other_program',
  'growing_list',
)


@pytest.mark.parametrize('name', _SOME)
def test_without_namespaces(name):
  """Files and the network are open, the verdict is not."""
  isolation = 'user' if os.geteuid() == 0 else 'limits'
  outcome = sandbox.run(
    hostile_programs.programs()[name][0],
    hostile_programs.SQUARES,
    _LIMITS,
    isolation,
  )
  assert outcome.passed is False, outcome
  assert hostile_programs.left_running() == []


_AS_A_USER = """
import os, sys
from wcse_jax.answers import sandbox
from wcse_jax.verify.certificate import hostile_programs
sys.path.insert(0, sys.argv[1])
import answers_sandbox_test as t
assert sandbox.strongest() == 'namespaces', sandbox.strongest()
for isolation, *names in [
  ('namespaces', 'daemon', 'equals_everything', 'kills_everybody',
   'kills_its_parent', 'looks_for_the_tests_in_files', 'traces_the_tester'),
  ('limits', 'daemon', 'looks_for_the_tests_in_files', 'traces_the_tester'),
]:
  if isolation == 'limits' and os.geteuid() == 0:
    continue
  assert t._run('def f(x): return x * x', isolation=isolation).passed
  for name in names:
    outcome = t._run(hostile_programs.programs()[name][0], isolation=isolation)
    assert outcome.passed is False, (isolation, name, outcome)
    assert hostile_programs.left_running() == [], (isolation, name)
"""


@pytest.mark.parametrize('user', [0, 1000])
def test_as_a_user_without_privileges(user):
  """In a user namespace, where root is one user, but may start processes."""
  if os.geteuid() or not shutil.which('unshare'):
    pytest.skip('needs root and the program unshare')
  _needs_namespaces()
  mapped = (f'--map-user={user}', f'--map-group={user}')
  folder = str(pathlib.Path(__file__).parent)
  done = subprocess.run(
    ['unshare', '--user', *mapped, sys.executable, '-c', _AS_A_USER, folder],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'PYTHONPATH': str(_JAIL.parents[3])},
  )
  if 'unshare failed' in done.stderr:
    pytest.skip(done.stderr)
  assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('isolation', ['namespaces', 'user'])
def test_nothing_outlives_a_killed_caller(isolation):
  if isolation not in _working():
    pytest.skip(f'the isolation {isolation} does not work here')
  script = f"""
from wcse_jax.answers import sandbox
program = 'import time; time.sleep(31337)'
tests = sandbox.Tests('', [], '')
sandbox.run(program, tests, sandbox.Limits(wall_s=31337), {isolation!r})
"""
  with subprocess.Popen(
    [sys.executable, '-c', script],
    env=os.environ | {'PYTHONPATH': str(_JAIL.parents[3])},
  ) as caller:
    deadline = time.monotonic() + 30
    left = functools.partial(hostile_programs.left_running, caller.pid)
    while len(left()) < 3 and time.monotonic() < deadline:
      time.sleep(0.05)
    seen = left()
    caller.send_signal(signal.SIGKILL)
  assert len(seen) == 3  # guard, tester, solution
  while left() and time.monotonic() < deadline:
    time.sleep(0.05)
  assert left() == []


@pytest.mark.parametrize(
  'program, rule',
  [
    ('import numpy as np\ndef f(x): return x * x', 'module'),
    ('from scipy.stats import norm\ndef f(x): return x * x', 'module'),
    ('def f(x):\n  import sympy\n  return x * x', 'module'),
    ('import collections.square\ndef f(x): return x * x', 'exception'),
    ('from math import square\ndef f(x): return square(x)', 'exception'),
    ('raise ModuleNotFoundError("numpy")', 'exception'),
    ('try: import numpy\nexcept ImportError: pass\nf = lambda x: x', 'tests'),
  ],
)
def test_a_module_that_is_not_pythons_own_is_unknown(program, rule):
  """`import numpy` was 'wrong'; what else is missing stays so."""
  outcome = _run(program)
  assert outcome.rule == rule, outcome
  assert outcome.passed is (None if rule == 'module' else False)


@pytest.mark.parametrize('isolation', ['namespaces', 'user'])
def test_what_tests_compute_of_an_answer_is_the_programs_time(isolation):
  """Integers of one hash in a set: 'timeout', undecided, it was."""
  if isolation not in _working():
    pytest.skip(f'the isolation {isolation} does not work here')
  program = 'def f(x): return [i * (2**61 - 1) for i in range(30_000)]'
  tests = sandbox.Tests('', ['f'], 'assert set(f(2)) == {4}')
  limits = sandbox.Limits(cpu_s=1, wall_s=2.0)
  outcome = sandbox.run(program, tests, limits, isolation)
  assert outcome[:2] == (False, 'cpu_time'), outcome


def test_a_namespace_has_no_memory_between_processes():
  """Asked by the tests, which no filter of system calls stands before."""
  _needs_namespaces()
  tests = """
import ctypes
libc = ctypes.CDLL(None)
raise Exception(
  libc.shmget(0, 1 << 20, 0o1666), libc.msgget(0, 0o1666),
  libc.semget(0, 1, 0o1666), libc.mq_open(b'/x', 0o102, 0o666, None))
"""
  outcome = _run('', sandbox.Tests('', [], tests))
  assert outcome.detail == 'Exception(-1, -1, -1, -1)'


def test_before_belongs_to_the_tests():
  """A helper of theirs is not what the program made of it."""
  tests = sandbox.Tests('def h(): return 1', ['f'], 'assert f() + h() == 3')
  assert _run('def h(): return 0\ndef f(): return 2', tests).passed


@pytest.mark.parametrize('broken', ['header', 'tests'])
def test_tests_that_cannot_run_decide_nothing(broken):
  tests = sandbox.Tests('', ['f'], 'assert f(2) == 4')
  outcome = _run('f = abs', tests._replace(**{broken: 'assert ('}))
  assert outcome[:2] == (None, 'gold')


def test_the_same_each_time():
  """Hash seed of the program, and random numbers of the tests."""
  orders = {_asked('list({"a", "b", "c", "d", "e", "f"})') for _ in range(3)}
  assert len(orders) == 1
  text = 'import random\nraise Exception(f(random.random()))'
  tests = sandbox.Tests('', ['f'], text)
  assert len({_run('f = lambda x: x', tests) for _ in range(3)}) == 1


def test_threads_at_once():
  outcomes = []

  def work(i):
    program = f'def f(x): return x * x + {i % 2}'
    outcomes.append((i % 2, _run(program).passed))

  threads = [threading.Thread(target=work, args=[i]) for i in range(6)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert sorted(outcomes) == [(0, True)] * 3 + [(1, False)] * 3


def test_no_files_are_left_open():
  _run('f = abs')
  before = len(os.listdir('/proc/self/fd'))
  for _ in range(3):
    _run('f = abs')
  assert len(os.listdir('/proc/self/fd')) == before


def test_a_jail_that_does_not_start_is_unknown(monkeypatch):
  sandbox.strongest()
  monkeypatch.setattr(sandbox, '_START', ('/nonexistent',))
  outcome = _run('f = abs')
  assert outcome[:2] == (None, 'sandbox')
  assert 'nonexistent' in outcome.detail


def test_no_isolation_is_an_error(monkeypatch):
  monkeypatch.setattr(sandbox, '_START', ('/nonexistent',))
  sandbox.strongest.cache_clear()
  with pytest.raises(sandbox.SandboxError, match='namespaces: sandbox'):
    _run('f = abs')
  sandbox.strongest.cache_clear()


@pytest.mark.parametrize(
  ('program', 'rule'),
  [
    ('while 1: pass', 'cpu_time'),
    ('import time\nwhile 1: time.sleep(0.01)', 'timeout'),
    ('def f(x):\n  for _ in range(10**6): pass\n  return x * x', 'tests'),
  ],
)
def test_a_verdict_does_not_depend_on_what_else_runs(busy, program, rule):
  """An endless loop was 'wrong' on a quiet machine, 'unknown' on a busy one."""
  limits = sandbox.Limits(cpu_s=1, wall_s=1.5)
  outcome = sandbox.run(program, hostile_programs.SQUARES, limits)
  assert outcome.rule == rule, outcome
