"""Whether something is quick, by the CPU time of this process."""

import contextlib
import time


@contextlib.contextmanager
def quick(what, seconds=1.5):
  """Fails if what is done in it took more CPU time; names it, shortened."""
  start = time.process_time()
  yield
  spent = time.process_time() - start
  assert spent < seconds, f'{spent:.1f} s of CPU time for {what!r:.80}'
