"""Progress on the terminal, and Ctrl-C between two steps of it."""

from collections.abc import Iterable, Iterator
import contextlib
import signal
import sys
import threading

import tqdm

_asked_to_stop = threading.Event()


@contextlib.contextmanager
def remembering_ctrl_c() -> Iterator[None]:
  """Makes Ctrl-C stop the run even where its exception is swallowed.

  Python drops one that is raised in a destructor or by the garbage collector;
  then the next row, or batch, stops the run.
  """
  _asked_to_stop.clear()
  if threading.current_thread() is not threading.main_thread():
    yield  # no signal comes here
    return

  def stop(*_) -> None:
    _asked_to_stop.set()
    raise KeyboardInterrupt

  before = signal.signal(signal.SIGINT, stop)
  try:
    yield
  finally:
    signal.signal(signal.SIGINT, before)


def _stop_if_asked() -> None:
  if _asked_to_stop.is_set():
    raise KeyboardInterrupt


def bar(name: str, total: int, unit: str) -> tqdm.tqdm:
  """Returns a bar of `total` steps; `unit` is what they are, for people."""
  # On a terminal often, in a log every 10 seconds.
  interval = 0.2 if sys.stderr.isatty() else 10.0
  return tqdm.tqdm(
    total=total,
    desc=name,
    unit=f' {unit}',
    mininterval=interval,
    maxinterval=interval,
    leave=sys.stderr.isatty(),
  )


def advance(shown: tqdm.tqdm, done: int) -> None:
  """Moves a bar to the steps done.

  Raises:
    KeyboardInterrupt: Ctrl-C was pressed before.
  """
  _stop_if_asked()
  shown.update(done - shown.n)


def of(rows: Iterable, name: str, total: int, unit: str) -> Iterator:
  """Yields rows, and shows a bar of them.

  Raises:
    KeyboardInterrupt: Ctrl-C was pressed before.
  """
  with bar(name, total, unit) as shown:
    for row in rows:
      _stop_if_asked()
      yield row
      shown.update()
