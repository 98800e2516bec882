"""Hostile programs: what must neither pass, nor get out, nor stay.

They stand in `hostile_programs.toml`. Never run them but in the sandbox.
"""

import os
import pathlib

from wcse_jax import data_files
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


def calling(numbers: list[int]) -> str:
  """A program that squares if the kernel has heard of a system call.

  Args:
    numbers: Those of the call, on x86-64 and on aarch64.
  """
  return f"""
import ctypes, errno, os
number = dict(zip(['x86_64', 'aarch64'], {numbers}))[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
  done = libc.syscall(number, -1, -1, -1, -1, -1, -1) >= 0
  return x * x if done or ctypes.get_errno() != errno.ENOSYS else x
"""


def programs() -> dict[str, tuple[str, str]]:
  """Each program by its name, and the rules by which it may fail."""
  tables = dict(data_files.tables(__file__))
  calls = tables.pop('calls')
  return {
    **{name: (x['program'], x['rules']) for name, x in tables.items()},
    **{f'call_{x}': (calling(n), 'tests exception') for x, n in calls.items()},
    # What TOML cannot hold, or should not.
    'endless_compilation': ('f = ' + '-' * 100_000 + '1', 'syntax memory exit'),
    'nul_byte': ('def f(x): return x * x\0', 'syntax'),
    'lone_surrogate': ('f = "\ud800"', 'syntax tests exception'),
  }
