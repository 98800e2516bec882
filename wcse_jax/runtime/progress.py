"""Progress on the terminal, and Ctrl-C between two steps of it.

What `docker stop`, Slurm, `timeout` or a closed terminal send is the same: the
run commits what there is, and ends.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import signal
import sys
import threading
from typing import IO, NamedTuple

import tqdm

STOPPED = 'stopped; run the same command to continue'  # what is said then
FORETOLD = 'foretold/'  # before the name of a stage: its seconds in all
STOPS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
_asked_to_stop = threading.Event()
_waits: bool | None = None  # whether a signal waits for the end of a `whole`
_told: IO[str] | None = None  # who is told of the bars, if they are not shown


@contextlib.contextmanager
def remembering_ctrl_c() -> Iterator[None]:
  """Makes Ctrl-C stop the run even where its exception is swallowed.

  Python drops one that is raised in a destructor or by the garbage collector;
  then the next row, or batch, stops the run. SIGTERM and SIGHUP, unless they
  are ignored (nohup), raise KeyboardInterrupt as well, and only once: who sends
  them may send several. Within another such context this does nothing.
  """
  if signal.getsignal(signal.SIGINT) is _stop:
    yield
    return
  _asked_to_stop.clear()
  if threading.current_thread() is not threading.main_thread():
    yield  # no signal comes here
    return
  before = {signum: signal.getsignal(signum) for signum in STOPS}
  try:
    for signum, handler in before.items():
      if signum == signal.SIGINT or handler != signal.SIG_IGN:
        signal.signal(signum, _stop)
    yield
  finally:
    for signum, handler in before.items():
      signal.signal(signum, handler)


def _stop(signum: int, _) -> None:
  global _waits
  again = _asked_to_stop.is_set() and signum != signal.SIGINT
  _asked_to_stop.set()
  if again:
    return
  if _waits is None:
    raise KeyboardInterrupt
  _waits = True


@contextlib.contextmanager
def whole() -> Iterator[None]:
  """Lets a step come to its end before Ctrl-C, or the like, is heard.

  It is for a short one of which half would be done twice, such as to commit
  rows and to note that they are; not within another. In another thread than the
  main one this does nothing: no signal comes there.
  """
  global _waits
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  _waits = False
  try:
    yield
  finally:
    heard, _waits = _waits, None
  if heard:
    raise KeyboardInterrupt


def asked_to_stop() -> bool:
  """Returns whether a signal asked the last run of this process to stop.

  Libraries that catch the KeyboardInterrupt may raise an error instead.
  """
  return _asked_to_stop.is_set()


def _stop_if_asked() -> None:
  if asked_to_stop():
    raise KeyboardInterrupt


class Bar(NamedTuple):
  """How far a process is, as another one is told."""

  name: str
  done: int
  total: int
  unit: str


def tell(file: IO[str]) -> None:
  """Has the bars of this process written to a file that `read` understands."""
  global _told
  _told = file


def expect(stage: str, total: int, unit: str) -> None:
  """Tells how much a stage has to do in all, before its bars do.

  Args:
    stage: Its name, with which the names of its bars begin.
    total: The steps of all bars, those that come later included.
    unit: What they are, for people.
  """
  if total:
    print(f'{stage}: {total:,} {unit} to do')
  _tell(stage, total, unit)


def spare(stage: str, number: int) -> None:
  """Tells that so many of the steps that were expected are not to be done."""
  if number:
    _tell(stage, -number, '')


def _tell(name: str, total: int, unit: str) -> None:
  if _told:
    print(*(name, 0, total, unit), sep='\t', file=_told, flush=True)


def foretell(seconds: Mapping[str, float]) -> None:
  """Tells how long stages will take, before the first of them begins.

  Args:
    seconds: Of each stage that has something to do, in order.
  """
  seconds = {stage: s for stage, s in seconds.items() if s}
  if not seconds:
    return
  parts = ', '.join(f'{stage} {minutes(s)}' for stage, s in seconds.items())
  print(f'about {minutes(sum(seconds.values()))} min to compute: {parts}')
  for stage, s in seconds.items():
    _tell(FORETOLD + stage, max(round(s), 1), 's')


def minutes(seconds: float) -> str:
  """Returns seconds in minutes, with a decimal where there are few.

  >>> minutes(90), minutes(1234)
  ('1.5', '21')
  """
  number = max(seconds / 60, 0.1)
  return f'{number:.{0 if number >= 9.95 else 1}f}'


def read(line: str) -> Bar | None:
  r"""Returns what a line tells of a bar; None if that is nothing.

  Example:
    >>> read('sample/wc\t3\t9\tsamples ')
    Bar(name='sample/wc', done=3, total=9, unit='samples')
  """
  words = line.strip('\r\n ').split('\t')
  if len(words) != len(Bar._fields):
    return None
  name, done, total, unit = words
  return Bar(name, int(done), int(total), unit.strip())


def bar(name: str, total: int, unit: str) -> tqdm.tqdm:
  """Returns a bar of `total` steps; `unit` is what they are, for people."""
  if _told:
    return tqdm.tqdm(
      total=total,
      desc=name,
      unit=unit,
      file=_told,
      bar_format='{desc}\t{n}\t{total}\t{unit}',
      mininterval=0.2,
      maxinterval=0.2,
    )
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
