"""Hostile programs: what must neither pass, nor get out, nor stay.

They are asked for squares and cannot give them; each has one idea of how to
be believed, do harm or stay. Never run them but in the sandbox.
"""

import os
import pathlib

from wcse_jax.answers import sandbox

SQUARES = sandbox.Tests('', ['f'], 'assert f(2) == 4\nassert f(311) == 96721\n')


def left_running(caller: int | None = None) -> list[str]:
  """Processes that a caller's runs left, each by path and command line.

  Args:
    caller: A process; None is this one.
  """
  ours = f'"parent": {caller or os.getpid()}'
  lines = []
  for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    try:
      line = path.read_bytes().decode(errors='replace').replace('\0', ' ')
    except OSError:
      continue  # it has just ended
    if 'sleep 31337' in line or ours in line:
      lines.append(f'{path}: {line}')
  return lines


def writing_to(path: pathlib.Path) -> str:
  """A program whose `f()` appends to a file and gives what hindered it."""
  return f"""
def f():
  try:
    with open({str(path)!r}, 'a') as file: file.write('x')
  except OSError as error: return type(error).__name__
"""


def connecting_to(port: int) -> str:
  """A program whose `f()` connects to localhost and gives what hindered it."""
  return f"""
import socket
def f():
  try: socket.create_connection(('127.0.0.1', {port}), 1).close()
  except OSError as error: return type(error).__name__
"""


# Name: (program, the rules by which it may fail).
PROGRAMS = {
  # Leaving early.
  'sys_exit': ('import sys; sys.exit(0)', 'exit'),
  'os_exit': ('import os; os._exit(0)', 'exit'),
  'exit_when_called': ('def f(x): raise SystemExit(0)', 'exit'),
  'os_exit_when_called': ('import os\ndef f(x): os._exit(0)', 'exit'),
  'exit_at_exit': (
    'import atexit, os, sys\natexit.register(os._exit, 0)\nsys.exit()',
    'exit',
  ),
  'abort': ('import os\ndef f(x): os.abort()', 'exit'),
  'segmentation_fault': (
    'import ctypes\ndef f(x): ctypes.string_at(0)',
    'exit',
  ),
  'silent_death': ('import os\nos.closerange(0, 64)\ndef f(x): pass', 'exit'),
  # Swallowing everything.
  'catches_everything': (
    'def f(x):\n  try:\n    return x.no\n  except BaseException:\n    pass',
    'tests',
  ),
  'exception_with_a_bite': (
    'import os\nclass E(BaseException):\n'
    '  def __str__(self): os._exit(0)\n'
    'def f(x): raise E',
    'exit',
  ),
  'claims_to_be_an_assertion': ('def f(x): raise AssertionError', 'exception'),
  # Equal to everything.
  'equals_everything': (
    'class E:\n  def __eq__(self, o): return True\n'
    '  def __bool__(self): return True\n'
    'def f(x): return E()',
    'tests',
  ),
  'integer_that_equals_everything': (
    'class E(int):\n  def __eq__(self, o): return True\n'
    '  __hash__ = int.__hash__\n'
    'def f(x): return E(7)',
    'tests',
  ),
  'claims_a_class': (
    'class E:\n  @property\n  def __class__(self): return int\n'
    '  def __abs__(self): return 4\n'
    '  def __eq__(self, o): return True\n'
    'def f(x): return E()',
    'tests exception protocol',
  ),
  'function_with_everything': (
    'from unittest import mock\nf = mock.MagicMock()\n'
    'f.return_value.__eq__ = lambda *_: True',
    'tests exception protocol',
  ),
  # Forging.
  'prints_success': (
    'print(\'[true, "tests", ""]\'); print("passed")\ndef f(x): print("ok")',
    'tests',
  ),
  'writes_success_to_every_file': (
    'import os\nfor fd in range(64):\n  try:\n'
    '    os.write(fd, b\'[true, "tests", ""]\\n\')\n'
    '  except OSError: pass\n'
    'def f(x): return x',
    'protocol exit',
  ),
  'answers_before_it_is_asked': (
    'import os\nfor fd in range(64):\n  try:\n'
    '    os.write(fd, b\'["value", null]\\n["value", ["object", 0]]\\n\''
    ' + b\'["value", 4]\\n\' * 100)\n'
    '  except OSError: pass\n'
    'def f(x): return x',
    'tests protocol exit',
  ),
  'answers_nonsense': (
    'import os\nfor fd in range(3, 64):\n  try:\n'
    '    os.write(fd, b"[" * 60_000 + b"\\n")\n'
    '  except OSError: pass\n'
    'def f(x): return x',
    'protocol',
  ),
  'rewrites_the_server': (
    'import __main__\n__main__.encode = lambda *_: True\n'
    '__main__.judge = lambda *_: (True, "tests", "")\n'
    'def f(x): return x',
    'tests',
  ),
  'rewrites_json': (
    'import json\njson.dumps = lambda *_, **__: \'[true, "tests", ""]\'\n'
    'def f(x): return x',
    'protocol',
  ),
  'rewrites_builtins': (
    'import builtins\nbuiltins.AssertionError = ValueError\n'
    'builtins.isinstance = lambda *_: True\nbuiltins.abs = lambda x: x\n'
    'def f(x): return x',
    'tests exception protocol exit',
  ),
  'traces': (
    'import sys\n'
    'def trace(frame, event, arg):\n'
    '  frame.f_locals.clear()\n  return trace\n'
    'sys.settrace(trace); sys.setprofile(trace)\n'
    'def f(x): return x',
    'tests exception protocol exit',
  ),
  'reaches_into_frames': (
    'import sys\nframe = sys._getframe()\n'
    'while frame:\n'
    '  frame.f_globals.update(AssertionError=None, exec=print)\n'
    '  frame = frame.f_back\n'
    'def f(x): return x',
    'tests exception exit',
  ),
  # Looking for the tests: it knows their form, and would answer 96721.
  'looks_for_the_tests_in_memory': (
    'import gc, re, sys\n'
    'def texts():\n'
    '  for o in gc.get_objects():\n'
    '    for r in [o, *gc.get_referents(o)]:\n'
    '      if isinstance(r, (str, bytes)): yield str(r)\n'
    'found = {}\n'
    'for t in texts():\n'
    '  for a, b in re.findall(r"f\\((\\d+)\\) == (\\d+)", t):\n'
    '    found[int(a)] = int(b)\n'
    'def f(x): return found.get(x)',
    'tests',
  ),
  'looks_for_the_tests_in_files': (
    'import os, re\nfound = {}\n'
    'paths = ["/proc/%s/%s" % (p, n) for p in ["self", 1, os.getppid()]'
    ' for n in ["mem", "environ", "cmdline", "fd/0"]]\n'
    'for source in [*paths, 0, 1, 2]:\n'
    '  try:\n'
    '    with open(source, "rb") as file: text = file.read(1 << 20)\n'
    '  except (OSError, ValueError): continue\n'
    '  for a, b in re.findall(rb"f\\((\\d+)\\) == (\\d+)", text):\n'
    '    found[int(a)] = int(b)\n'
    'def f(x): return found.get(x)',
    'tests',
  ),
  'traces_the_tester': (
    'import ctypes, os\nlibc = ctypes.CDLL(None)\n'
    'for pid in [1, os.getppid()]:\n'
    '  if libc.ptrace(16, pid, 0, 0) == 0: f = lambda x: x * x\n'
    'f = globals().get("f", lambda x: x)',
    'tests',
  ),
  # Killing.
  'kills_its_parent': (
    'import os\n'
    'for pid in [1, os.getppid()]:\n  for signal in 9, 2, 15, 19:\n'
    '    try: os.kill(pid, signal)\n    except OSError: pass\n'
    'def f(x): return x',
    'tests',
  ),
  'kills_its_group': (
    'import os\ntry: os.killpg(0, 9)\nexcept OSError: pass\ndef f(x): return x',
    'exit tests',
  ),
  'kills_everybody': (
    'import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\ndef f(x): return x',
    'exit tests',
  ),
  # Staying.
  'fork_bomb': ('import os\nwhile True: os.fork()', 'exception cpu_time'),
  'child_of_its_own_session': (
    'import os, time\nif not os.fork():\n'
    '  os.setsid()\n  time.sleep(31337)\n'
    'def f(x): return x',
    'exception tests',
  ),
  'daemon': (
    'import os, time\nif not os.fork():\n  os.setsid()\n'
    '  if os.fork(): os._exit(0)\n'
    '  os.closerange(0, 64)\n  time.sleep(31337)\n'
    'def f(x): return x',
    'exception tests',
  ),
  'other_program': (
    'import subprocess\nsubprocess.Popen(["sleep", "31337"])\n'
    'def f(x): return x',
    'exception tests',
  ),
  'becomes_another_program': (
    'import os\nos.execv("/usr/bin/sleep", ["sleep", "31337"])',
    'exit exception',
  ),
  'thread': (
    'import threading, time\n'
    'threading.Thread(target=time.sleep, args=[31337]).start()\n'
    'def f(x): return x',
    'exception tests',
  ),
  'sleeps': ('import time\ndef f(x): time.sleep(31337)', 'timeout'),
  # Taking too much.
  'endless_loop': ('def f(x):\n  while True: pass', 'cpu_time'),
  'endless_loop_that_ignores_signals': (
    'import signal\n'
    'for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n'
    '  signal.signal(s, signal.SIG_IGN)\n'
    'while True: pass',
    'cpu_time',
  ),
  'endless_output': ('while True: print("x" * 1_000_000)', 'cpu_time'),
  'huge_string': ('def f(x): return "x" * 10**10', 'memory'),
  'growing_list': ('x = [0]\nwhile True: x += x', 'memory'),
  'huge_answer': ('def f(x): return "x" * 10**7', 'memory'),
  'endless_answer': (
    'def f(x):\n  while True: yield x',
    'tests',
  ),
  'deep_answer': (
    'def f(x):\n  r = []\n  for _ in range(10**6): r = [r]\n  return r',
    'exception exit',
  ),
  'answer_within_itself': (
    'def f(x):\n  r = []\n  r.append(r)\n  return r',
    'exception exit',
  ),
  'huge_file': (
    'import os\nwith open("x", "wb") as file:\n'
    '  for _ in range(100): file.write(b"x" * 10**6)\n'
    'f = lambda x: x * x',
    'exception',
  ),
  'endless_recursion': (
    'import sys\nsys.setrecursionlimit(10**6)\ndef f(x): return f(x)',
    'exception exit memory cpu_time',
  ),
  'endless_compilation': ('f = ' + '-' * 100_000 + '1', 'syntax memory exit'),
  # Not even a function.
  'no_function': ('g = lambda x: x * x', 'undefined'),
  'syntax_error': ('def f(x) return x * x', 'syntax'),
  'nul_byte': ('def f(x): return x * x\0', 'syntax'),
  'lone_surrogate': ('f = "\ud800"', 'syntax tests exception'),
  'number': ('f = 4', 'tests'),
  'coroutine': ('async def f(x): return x * x', 'tests'),
}
