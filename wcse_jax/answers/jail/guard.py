"""The guard: it builds the walls, starts the tester, ends it in time."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys

from . import tester, walls

TYPE_CHECKING = False  # as in typing, whose import would cost 8 ms a program
if TYPE_CHECKING:
  from typing import NoReturn

# Exit codes when the time was up: most of it was waited, or computed.
TIMEOUT, CPU_TIME = 3, 4


def main() -> NoReturn:
  """Runs what the last argument asks for, in JSON: the options of `guard`."""
  os._exit(guard(json.loads(sys.argv[-1])))


def guard(options: dict) -> int:
  """Runs tester and solution to their end; returns its exit code.

  Options are `parent`, the caller's process; `isolation`; `visible`, folders to
  be read in a namespace; and the fields of `sandbox.Limits`.
  """
  namespaces = options['isolation'] == 'namespaces'
  null = os.open('/dev/null', os.O_RDWR)
  if namespaces:
    walls.enter_namespaces(options['visible'], options['file_bytes'])
  walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
  if os.getppid() != options['parent']:
    return 1
  walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
  ended, held = os.pipe()
  child = os.fork()
  if not child:
    tester.test(null, options)
  os.close(held)  # only the tester has it now
  signal.signal(signal.SIGTERM, _expire)  # the caller's clock is a better one
  try:
    done, _, _ = select.select([ended], [], [], options['wall_s'])
  except TimeoutError:
    done = []
  os.kill(child, signal.SIGKILL)
  _, status = os.waitpid(child, 0)
  if not namespaces:
    _kill_children()
  if done:
    return int(status != 0)
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  computed = used.ru_utime + used.ru_stime >= options['cpu_s']
  return CPU_TIME if computed else TIMEOUT


def _expire(*_):
  raise TimeoutError


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
