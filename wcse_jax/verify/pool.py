"""Grading many solutions in processes that can be killed.

The processes are plain children on pipes, not of `multiprocessing`: they
start fast and work from any thread, notebook, unguarded script or stdin.
"""

import atexit
import collections
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from wcse_jax.errors import Error
from wcse_jax.experiment import arguments
from wcse_jax.experiment.sections import VerifySpec
from wcse_jax.records import Grade
from wcse_jax.runtime import children, clock
from wcse_jax.verify import grading

_BATCH = 32  # items sent to a worker at a time
_WINDOW = 4096  # items read ahead of the one to be yielded next
_MAX_KILLED = 8  # workers that a signal ended before they were ready
_MOST = 20  # times slower that a busy machine may be
_START_S = 60.0  # for a worker to start, on a machine with much else to do


class VerifyError(Error):
  """Grading cannot go on."""


class Item(NamedTuple):
  """One solution to grade.

  Attributes:
    task: One of `wcse_jax.tasks.TASKS`, or the module of an own task.
    gold: The right answer.
    text: The solution.
    question: The question, for graders that check the reasoning.
  """

  task: str
  gold: str
  text: str
  question: str = ''


class Pool:
  """Processes that grade.

  >>> items = [Item('gsm8k', '18', f'The answer is {x}.') for x in (18, 19)]
  >>> with Pool(workers=2, timeout_s=30) as pool:
  ...   [grade.verdict for grade in pool.grade(items)]
  ['correct', 'wrong']

  An item that takes longer than `timeout_s` seconds, counted from when its
  grading starts and while it does not wait for a processor, costs its worker's
  life and is 'unknown' by rule 'timeout'.
  An item whose worker dies is tried once more, then 'unknown' by 'crash'.

  Attributes:
    worker_seconds: Seconds that its workers took so far, starting included,
      summed over the workers.
  """

  def __init__(
    self,
    workers: int = 2,
    timeout_s: float = 5.0,
    *,
    command: Sequence[str] = ('-m', 'wcse_jax.verify.worker'),
  ):
    """Starts nothing yet: `grade` does, when it needs them.

    Args:
      workers: Number of processes.
      timeout_s: Seconds that one item may take.
      command: The arguments of Python that run a worker; the timeout is
        appended.

    Raises:
      ArgumentError: A number makes no sense, e.g. of no worker.
    """
    arguments.check(VerifySpec, workers=workers, timeout_s=timeout_s)
    self._num_workers = workers
    self._timeout_s = timeout_s
    self._command = (*command, str(timeout_s))
    self._workers: list[_Worker] = []
    self._lock = threading.Lock()
    self.worker_seconds = 0.0

  def __enter__(self) -> 'Pool':
    return self

  def __exit__(self, *_):
    self.close()

  def close(self):
    """Ends the workers."""
    while self._workers:
      self._workers.pop().kill()

  def grade(self, items: Iterable[Item]) -> Iterator[Grade]:
    """Yields the items' grades in the items' order, as soon as they are known.

    Raises:
      ValueError: No grader is known for an item's task.
      VerifyError: A worker does not start.
      RuntimeError: The pool is already grading; take one pool per thread.
    """
    if not self._lock.acquire(blocking=False):
      raise RuntimeError('this pool is already grading; use one pool a thread')
    try:
      yield from self._grade(map(_checked, items))
    finally:
      for worker in [w for w in self._workers if w.indices]:
        self._discard(worker)  # the caller stopped early
      self._lock.release()

  def _grade(self, source: Iterator[Item]) -> Iterator[Grade]:
    items: dict[int, Item] = {}  # read and not yet yielded
    grades: dict[int, Grade] = {}
    waiting: collections.deque[int] = collections.deque()
    crashed: set[int] = set()
    num_read = num_yielded = num_killed = 0
    exhausted = False
    while True:
      while not exhausted and len(items) < _WINDOW:
        try:
          items[num_read] = next(source)
        except StopIteration:
          exhausted = True
        else:
          waiting.append(num_read)
          num_read += 1
      self._hand_out(waiting, items)
      while num_yielded in grades:
        del items[num_yielded]
        yield grades.pop(num_yielded)
        num_yielded += 1
      if exhausted and not items:
        return
      busy = [worker for worker in self._workers if worker.indices]
      now = time.monotonic()
      patience = min((w.deadline for w in busy), default=now) - now
      ready = _wait(busy, max(0, patience))
      self.worker_seconds += (time.monotonic() - now) * len(busy)
      for worker in busy:
        if worker.input in ready:
          worker.write()
        if worker.output in ready:
          alive = worker.collect(grades, self._timeout_s)
          rule = 'crash'
        else:
          alive = worker.has_time()
          rule = 'timeout'
        if alive:
          continue
        if not worker.ready:
          killed = rule == 'crash' and worker.was_killed()
          num_killed += killed
          if killed and num_killed <= _MAX_KILLED:
            waiting.extendleft(reversed(worker.indices))
            self._discard(worker)
            continue
          raise VerifyError(
            'a grading process did not start; its own message is above, or '
            f'run `{sys.executable} {" ".join(self._command)}` to see it'
          )
        # The first item is at fault; the others only waited behind it.
        index = worker.indices.popleft()
        if rule == 'crash' and index not in crashed:
          crashed.add(index)
          worker.indices.appendleft(index)
        else:
          grades[index] = Grade('unknown', '', rule, None)
        waiting.extendleft(reversed(worker.indices))
        self._discard(worker)

  def _hand_out(self, waiting: collections.deque[int], items: dict[int, Item]):
    share = min(_BATCH, -(-len(waiting) // self._num_workers))
    while waiting:
      idle = next((w for w in self._workers if not w.indices), None)
      if idle is None:
        if len(self._workers) == self._num_workers:
          return
        idle = _Worker(self._command)
        self._workers.append(idle)
      batch = [waiting.popleft() for _ in range(min(share, len(waiting)))]
      idle.send(batch, items, self._timeout_s)

  def _discard(self, worker: '_Worker'):
    self._workers.remove(worker)
    worker.kill()


class _Worker:
  """One process, and what it has to grade: `indices`, in order.

  `deadline` is when to look whether the item now being graded should be done,
  or the worker started, in seconds of the monotonic clock.
  """

  def __init__(self, command: Sequence[str]):
    self._scratch = children.scratch()
    environment = {'TMPDIR': self._scratch.name}
    self._process = children.start(*command, environment=environment)
    self._input, self._stdout = children.pipes(self._process)
    self.input, self.output = self._input.fileno(), self._stdout.fileno()
    os.set_blocking(self.input, False)  # it may not read
    self.unsent = memoryview(b'')
    self.indices: collections.deque[int] = collections.deque()
    self.ready = False
    self._clock = clock.Clock(self._process.pid)
    self._give(_START_S)
    self._unread = b''

  def send(self, batch: list[int], items: dict[int, Item], timeout_s: float):
    """Gives an idle worker its next items."""
    self.indices.extend(batch)
    if self.ready:
      self._give(timeout_s)
    text = json.dumps([items[i] for i in batch]).encode() + b'\n'
    self.unsent = memoryview(text)
    self.write()

  def write(self):
    """Sends of its items what it has room for."""
    try:
      self.unsent = self.unsent[os.write(self.input, self.unsent) :]
    except BlockingIOError:
      pass
    except BrokenPipeError:  # it died: `collect` will see
      self.unsent = memoryview(b'')

  def collect(self, grades: dict[int, Grade], timeout_s: float) -> bool:
    """Reads the grades that are there; False if the worker died."""
    chunk = os.read(self.output, 1 << 16)
    *lines, self._unread = (self._unread + chunk).split(b'\n')
    for line in lines:
      message = json.loads(line)
      if not isinstance(message, str):
        grades[self.indices.popleft()] = Grade(*message)
      self.ready = True
      # Slow imports are not the item's fault.
      patience = _START_S if message == 'loading' else timeout_s
      self._give(patience)
    return bool(chunk)

  def _give(self, patience_s: float):
    """Gives it so much time, in which it does not wait for a processor."""
    self._clock.restart()
    self._patience_s = patience_s
    self.deadline = time.monotonic() + patience_s
    self._last = time.monotonic() + _MOST * patience_s

  def has_time(self) -> bool:
    """Returns whether it may go on; moves the deadline on a busy machine."""
    now = time.monotonic()
    if now < self.deadline:
      return True
    left_s = self._patience_s - self._clock.seconds()
    self.deadline = now + left_s + 0.01
    return left_s > 0 and now < self._last

  def was_killed(self) -> bool:
    """Returns whether a signal has ended it, e.g. for want of memory."""
    with contextlib.suppress(subprocess.TimeoutExpired):
      return self._process.wait(timeout=5) < 0
    return False

  def kill(self):
    self._process.kill()
    self._process.wait()
    self._stdout.close()
    with contextlib.suppress(BrokenPipeError):
      self._input.close()
    self._scratch.cleanup()


def _wait(workers: Iterable[_Worker], timeout_s: float) -> set[int]:
  """Waits until a worker has written, or has room for what is to be sent.

  Returns:
    The descriptors that are ready; none if the time was up.
  """
  with selectors.PollSelector() as selector:
    for worker in workers:
      selector.register(worker.output, selectors.EVENT_READ)
      if worker.unsent:
        selector.register(worker.input, selectors.EVENT_WRITE)
    return {key.fd for key, _ in selector.select(timeout_s)}


_one_lock = threading.Lock()
_one: dict[tuple[int, float], Pool] = {}  # by process and timeout; at most one


def grade_one(item: Item, timeout_s: float = 5.0) -> Grade:
  """Grades an item in a process that is kept for the next one.

  Threads take turns.

  >>> grade_one(Item('gsm8k', '1200', 'The answer is $1,200.'))
  Grade(verdict='correct', answer='1200', rule='numeric', sound=None)

  Raises:
    ValueError: No grader is known for its task.
    VerifyError: The process does not start.
  """
  with _one_lock:
    key = os.getpid(), timeout_s
    if key not in _one:
      for (pid, _), old in _one.items():
        if pid == os.getpid():  # else it is the parent's
          old.close()
      _one.clear()
      _one[key] = Pool(1, timeout_s)
    (grade,) = _one[key].grade([item])
    return grade


@atexit.register
def _close_one():
  for (pid, _), pool in _one.items():
    if pid == os.getpid():
      pool.close()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(
    before=_one_lock.acquire,
    after_in_parent=_one_lock.release,
    after_in_child=_one_lock.release,
  )


def _checked(item: Item) -> Item:
  grading.find(item[0])
  return Item(*item)
