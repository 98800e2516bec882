"""One grading process: `python -m wcse_jax.verify.worker TIMEOUT_S`.

Reads batches from stdin, one a line: a JSON list of [task, gold, text,
question]. Writes a line when it is ready, then one per item when that is
graded: [verdict, answer, rule, sound]. So whoever reads knows which item is
being graded, and since when. Imports neither NumPy nor JAX: it starts fast.
"""

from collections.abc import Mapping
import contextlib
import json
import os
import signal
import sys

from wcse_jax.verify import graders


def serve(graders_by_task: Mapping[str, graders.Grader], timeout_s: float):
  """Grades what stdin brings until it ends."""
  os.write(1, b'"ready"\n')
  for line in sys.stdin.buffer:
    for task, *item in json.loads(line):
      # The pool kills a worker that takes too long. If the pool is gone, the
      # alarm does, a while later; it works even inside a C extension.
      signal.setitimer(signal.ITIMER_REAL, 2 * timeout_s + 1)
      try:
        grade = graders_by_task[task](*item)
      except Exception as error:  # any fault of a grader is 'unknown'
        rule = f'error: {type(error).__name__}'
        grade = graders.Grade('unknown', '', rule, None)
      signal.setitimer(signal.ITIMER_REAL, 0)
      os.write(1, json.dumps(grade).encode() + b'\n')


if __name__ == '__main__':
  with contextlib.suppress(BrokenPipeError):  # the pool is gone
    serve(graders.GRADERS, float(sys.argv[1]))
