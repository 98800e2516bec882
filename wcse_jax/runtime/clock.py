"""A clock that does not run while a process waits for a processor.

Limits of time are told by it, so that what they decide is the same on a quiet
machine and on a busy one.
"""

import pathlib
import time


class Clock:
  """Seconds since a moment, those aside in which a process had to wait.

  The system tells for how long each thread was ready to run and did not; where
  it does not tell (it is not Linux), this is the time of day. Threads that wait
  at once may have waited for more than has passed: then the clock stands.

  Example:
    >>> import os
    >>> clock = Clock(os.getpid())
    >>> clock.seconds() <= clock.seconds() < 60
    True
  """

  def __init__(self, pid: int):
    """Starts the clock.

    Args:
      pid: The process, whose descendants count as well.
    """
    self._pid = pid
    self.restart()

  def restart(self) -> None:
    """Starts the clock anew."""
    self._seconds = 0.0
    self._start, self._waited_s = time.monotonic(), _waited_s(self._pid)
    self._before_s = sum(self._waited_s.values())

  def seconds(self) -> float:
    """Returns what has passed on this clock."""
    self._waited_s |= _waited_s(self._pid)  # those that have ended stay
    waited_s = sum(self._waited_s.values()) - self._before_s
    passed = time.monotonic() - self._start - waited_s
    self._seconds = max(self._seconds, passed)
    return self._seconds


def _waited_s(pid: int) -> dict[str, float]:
  """Returns for how long each thread of a process and its descendants waited.

  Empty if it has ended, or if the system does not tell.
  """
  waited_s: dict[str, float] = {}
  try:
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
      nanoseconds = int((task / 'schedstat').read_text().split()[1])
      waited_s[task.name] = nanoseconds / 1e9
      for child in (task / 'children').read_text().split():
        waited_s |= _waited_s(int(child))
  except (OSError, ValueError, LookupError):
    pass
  return waited_s
