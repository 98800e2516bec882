"""One grading process: `python -m wcse_jax.verify.worker TIMEOUT_S`.

Reads batches from stdin, one a line: a JSON list of [task, gold, text,
question]. Writes "ready" when it is, then one line per item when that is
graded: [verdict, answer, rule, sound]. So whoever reads knows which item is
being graded, and since when. "loading" and "ready" around a slow import tell
that its time does not count. Imports neither NumPy nor JAX: it starts fast.
"""

from collections.abc import Callable
import contextlib
import json
import os
import signal
import sys

from wcse_jax import errors, tasks
from wcse_jax.answers import symbolic
from wcse_jax.records import Grade
from wcse_jax.verify import grading

_MOST = 25  # times slower that a busy machine may be; the pool gives up before
_MAX_BYTES = 2**30  # of address space, where the system enforces it


def serve(find: Callable[[str], grading.Grader], timeout_s: float):
  """Grades what stdin brings until it ends."""

  def set_alarm():
    # The pool kills a worker that takes too long. If the pool is gone, the
    # alarm does, a while later; it works even inside a C extension.
    # On a busy machine the pool waits longer: CPU time is what counts.
    signal.setitimer(signal.ITIMER_PROF, 2 * timeout_s + 1)
    signal.setitimer(signal.ITIMER_REAL, _MOST * timeout_s + 1)

  def clear_alarm():
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)

  def announce(event: str):
    _write(event)
    clear_alarm()
    if event == 'ready':
      set_alarm()

  symbolic.announce = announce
  _write('ready')
  for line in sys.stdin.buffer:
    for task, *item in json.loads(line):
      set_alarm()
      try:
        grade = Grade.of(find(task)(*item))
      except Exception as error:  # any fault of a grader is 'unknown'
        rule = f'error: {type(error).__name__}{errors.where(error)}'
        grade = Grade('unknown', '', rule, None)
      clear_alarm()
      _write(grade)


def _write(message: object):
  os.write(1, json.dumps(message).encode() + b'\n')


def _limit_memory():
  """Makes what would take more a MemoryError, and so 'unknown'.

  It is a soft limit: programs that are run in turn may set their own.
  """
  with contextlib.suppress(ImportError, OSError, ValueError):
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > _MAX_BYTES:
      resource.setrlimit(resource.RLIMIT_AS, (_MAX_BYTES, hard))


if __name__ == '__main__':
  for name in tasks.TASKS:
    grading.find(name)  # imports are not the fault of the first item
  _limit_memory()
  with contextlib.suppress(BrokenPipeError):  # the pool is gone
    serve(grading.find, float(sys.argv[1]))
