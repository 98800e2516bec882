"""Independent runs of one experiment on several hosts, in one workdir.

A model that fits one host is not spread over several: each host samples its own
share of the problems, and finetunes and tests its own share of the students, in
the shared workdir (`shares`). What they know of one another is a file each,
`workdir/replicas/<index>.json`: who it is, when it was last alive, what it has
announced, and what it has taken over.

A student may need the devices of all hosts. With a coordinator the replicas are
the processes of one JAX, which finetune it together (`Replicas.together`).
"""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import datetime
import io
import multiprocessing
from multiprocessing import connection
import os
import pathlib
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.runtime import children, progress, signs
from wcse_jax.runtime.signs import ReplicaError as ReplicaError
from wcse_jax.runtime.signs import Spec as Spec

_READY, _DONE = 'ready to work together', 'its part of the work together'


class Replicas(contextlib.AbstractContextManager):
  """This replica's sign of life, and those of the others.

  Args:
    workdir: The workdir that all replicas share.
    spec: Which one this is.
    keep: Whether what it announced in the run before holds still, so that those
      which are not as far do not wait for it without end.
    settings: What all of them must have in common: a text for each flag.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    spec: Spec,
    keep: bool = False,
    settings: Mapping[str, str] | None = None,
  ):
    self.spec = spec
    self._settings = {'replicas': str(spec.count), **(settings or {})}
    self._keep = keep
    self._folder = workdir / 'replicas'
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec='milliseconds')
    self._run_name = (
      f'replica {spec.index}, pid {os.getpid()} on {socket.gethostname()} since'
      f' {now}'
    )
    self._announced: list[str] = []
    self._taken: dict[str, int] = {}
    self._ended = False
    self._began = 0.0  # by the clock of the workdir
    # The others' clocks may differ: what counts is when a file changed.
    self._seen: dict[int, tuple[Any, float]] = {}
    # This one, and those whose file has changed.
    self._alive: dict[int, Any] = {}
    self._stop = threading.Event()
    self._lock = threading.Lock()  # of the file
    self._beat = threading.Thread(target=self._run, daemon=True)

  def __enter__(self):
    if self.spec.count > 1:
      before = signs.read(self._path(self.spec.index)) if self._keep else None
      self._announced = before['announced'] if before else []
      if self.spec.coordinator:  # they meet anew
        self._announced = [
          a for a in self._announced if not a.startswith((_READY, _DONE))
        ]
      self._write()
      self._began = self._changed(self.spec.index)
      self._beat.start()
    return self

  def __exit__(self, *_):
    self._stop.set()
    if self._beat.is_alive():
      self._beat.join()
      self._ended = True
      with contextlib.suppress(store.StoreError):  # then its silence tells it
        self._write()

  def announce(self, what: str) -> None:
    """Tells the others that something is done, e.g. a stage."""
    self._announced.append(what)
    if self.spec.count > 1:
      self._write()

  def others(self, start: str) -> dict[int, str]:
    """Returns what other replicas announced that begins so: the last of each.

    Those that have ended are left out; one that was killed may not be.
    """
    found = {}
    for index in {*range(self.spec.count)} - {self.spec.index}:
      state = signs.read(self._path(index))
      if state and not state.get('ended') and not self._differs(state):
        for what in state['announced']:
          if what.startswith(start):
            found[index] = what
    return found

  def wait(
    self,
    what: str,
    replicas: Sequence[int] | None = None,
    *,
    until: Callable[[], bool] | None = None,
    runs: Mapping[int, str] | None = None,
  ) -> None:
    """Waits until these replicas, all by default, have announced `what`.

    Args:
      what: The text that they are to announce.
      replicas: The replicas' numbers; this one is not waited for.
      until: Ends the wait as soon as it returns True; nothing is printed then.
      runs: By replica, the run of it that is to announce that.

    Raises:
      ReplicaError: One of them gave no sign of life for `timeout_s`, has been
        started again, or is alive with other settings.
    """
    left = set(range(self.spec.count) if replicas is None else replicas)
    left.discard(self.spec.index)
    told = until is not None
    while left and not (until and until()):
      for index in sorted(left):
        state, silent_s = self._look(index)
        # What a run of other settings left says nothing.
        if state and what in state['announced'] and not self._differs(state):
          left.discard(index)
          continue
        if silent_s > self.spec.timeout_s:
          raise signs.missing(self.spec, index, state, what)
        if state and runs and state['run'] != runs[index]:
          raise signs.restarted(self.spec, index, state, what)
      if left and not told:
        print(f'waiting for replicas {sorted(left)}: {what}')
        told = True
      if left:
        self.pause()

  def pause(self) -> None:
    """Sleeps until it is worth looking at the others again."""
    time.sleep(min(1.0, self.spec.timeout_s / 10))

  def take(self, item: str, number: int) -> None:
    """Tells the others that this replica does an item.

    Args:
      item: The item's name.
      number: How often it has been taken over, this time included.
    """
    self._taken[item] = number
    self._write()

  def taken(self) -> dict[int, dict[str, int]]:
    """Returns by replica what it has taken over, and how often that was."""
    taken = {self.spec.index: self._taken}
    for index in range(self.spec.count):
      state = None
      if index != self.spec.index:
        state = signs.read(self._path(index))
      if state and not self._differs(state):
        taken[index] = state.get('taken', {})
    return taken

  def is_lost(self, index: int) -> bool:
    """Returns whether a replica has ended, or is silent for `timeout_s`.

    Raises:
      ReplicaError: It is alive with other settings.
    """
    if index == self.spec.index:
      return False
    state, silent_s = self._look(index)
    # What a run before has left says nothing.
    ended = (
      bool(state and state.get('ended')) and self._changed(index) > self._began
    )
    return ended or silent_s > self.spec.timeout_s

  def together(self, work: Callable[[], None]) -> None:
    """Calls `work` in a process of its own, as the other replicas do.

    As processes of one JAX they wait for each other's part of a computation:
    for ever if one is lost, or until JAX aborts them. So this process looks
    after that one, and ends it if another replica is lost.

    Args:
      work: The function to call; it is pickled.

    Raises:
      ReplicaError: Another replica was lost, or the process itself.
      Exception: What `work` raised, if it is an error of this package.
    """
    runs = self._meet()
    spawn = multiprocessing.get_context('spawn')
    receiver, sender = spawn.Pipe(duplex=False)
    arguments = os.getpid(), pickle.dumps(work), sender
    process = spawn.Process(target=_call, args=arguments, daemon=True)
    process.start()
    sender.close()
    try:
      # At its end, too, there is something to receive: that there is no more.
      self.wait(_DONE, until=receiver.poll, runs=runs)
      try:
        error, trace, may_be_lost = receiver.recv()
      except EOFError:  # it is done; or JAX has aborted it, or the system
        error, trace, may_be_lost = None, '', True
      process.join()
    finally:
      process.kill()
      process.join()
    if process.exitcode == 0:
      self.announce(_DONE)
      return
    if may_be_lost:  # then who was lost is all that there is to say
      end = time.monotonic() + 1.5 * self.spec.timeout_s
      self.wait(_DONE, until=lambda: time.monotonic() > end, runs=runs)
    if not error:
      print(trace, end='', file=sys.stderr, flush=True)
    raise error or ReplicaError(
      f'the work of replica {self.spec.index} with the others failed (exit code'
      f' {process.exitcode}; its own words are above). Start all of them again:'
      ' what was committed is kept.'
    )

  def _meet(self) -> dict[int, str]:
    """Waits until all see each other, and not what runs before have left.

    Returns:
      By replica, the run that was met.
    """
    runs: dict[int, str] = {}

    def greet() -> bool:
      for index in range(self.spec.count):
        state = None
        if index != self.spec.index:
          state = signs.read(self._path(index))
        if state and runs.get(index) != state['run']:
          runs[index] = state['run']
          self.announce(f'{_READY} with {state["run"]}')
      return False

    print(f'waiting for all {self.spec.count} replicas: {_READY}')
    self.wait(f'{_READY} with {self._run_name}', until=greet)
    greet()  # those who were the last to come
    return runs

  def _look(self, index: int) -> tuple[Any, float]:
    """Returns another's state, and for how many seconds it has not changed.

    Raises:
      ReplicaError: It is alive with other settings, or there are more on its
        machine than that has cores.
    """
    state, now = signs.read(self._path(index)), time.monotonic()
    if index not in self._seen or self._seen[index][0] != state:
      if state and index in self._seen:
        if differs := self._differs(state):
          raise signs.other(self.spec, index, state, differs)
        self._alive[index] = state
        here = [s for s in self._alive.values() if s['host'] == state['host']]
        signs.check_cores(self.spec, state['host'], here)
      self._seen[index] = state, now
    return state, now - self._seen[index][1]

  def _differs(self, state: Any) -> list[str]:
    return signs.differing(self._settings, state)

  def _changed(self, index: int) -> float:
    """Returns when a replica's file was written, by the workdir's clock."""
    try:
      return self._path(index).stat().st_mtime
    except OSError:
      return 0.0

  def _run(self) -> None:
    while not self._stop.wait(self.spec.timeout_s / 8):
      with contextlib.suppress(store.StoreError):  # the next beat tries again
        self._write()

  def _path(self, index: int) -> pathlib.Path:
    return self._folder / f'{index}.json'

  def _write(self) -> None:
    with self._lock:
      state = {
        'host': socket.gethostname(),
        'pid': os.getpid(),
        'run': self._run_name,
        'alive': time.time(),
        'announced': list(self._announced),
        'taken': dict(self._taken),
        'cores': signs.cores(),
        'ended': self._ended,
        'settings': self._settings,
      }
      store.write_json(self._path(self.spec.index), state)
      self._alive[self.spec.index] = state


def _call(parent: int, work: bytes, sender: connection.Connection) -> None:
  """Calls `work`, and sends what it raised: the error, its trace, its kind."""
  for signum in progress.STOPS:
    signal.signal(signum, signal.SIG_IGN)  # the parent decides
  if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)  # it may be killed
  children.die_with_parent(parent)
  try:
    pickle.loads(work)()  # late: it imports much
  except Exception as error:
    chain: list[BaseException] = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
      chain.append(cause)
    own = isinstance(error, Error | OSError)
    # An error of JAX may be due to a lost replica; without JAX there is none.
    of_jax = getattr(sys.modules.get('jax.errors'), 'JaxRuntimeError', ())
    may_be_lost = any(isinstance(e, of_jax) for e in chain)
    sender.send((error if own else None, traceback.format_exc(), may_be_lost))
    os._exit(1)  # JAX would wait for the others
