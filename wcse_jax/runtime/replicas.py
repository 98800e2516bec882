"""Independent runs of one experiment on several hosts, in one workdir.

A model that fits one host is not spread over several: each host samples its own
share of the problems and commits its own shards to the shared workdir. What
they know of one another is a file each, `workdir/replicas/<index>.json`: who it
is, when it was last alive, and what it has announced.

A student may need the devices of all hosts. With a coordinator the replicas are
the processes of one JAX, which finetune it together (`Replicas.together`).
"""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import dataclasses
import datetime
import io
import json
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
from typing import Any, NotRequired, TypedDict

import msgspec

from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.runtime import children, progress

_READY, _DONE = 'ready to work together', 'its part of the work together'


class _State(TypedDict):
  """What a replica's file holds, and may hold beside it."""

  host: str
  pid: int
  run: NotRequired[str]
  alive: float
  announced: list[str]


class ReplicaError(Error):
  """A replica is missing; names it, and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
  """Which replica this is.

  Attributes:
    index: The replica's number, from 0; replica 0 prepares, and does what
      follows sampling.
    count: How many replicas there are.
    timeout_s: After how many seconds without a sign of life a replica is
      missing.
    coordinator: Where the processes of one JAX meet, if the replicas are that:
      'host:port' of replica 0, or 'auto' where JAX finds it, as on a TPU slice.

  >>> Spec(index=1, count=3).share('abcdefg')
  ['b', 'e']
  """

  index: int = 0
  count: int = 1
  timeout_s: float = 120.0
  coordinator: str = ''

  def __post_init__(self):
    if not 0 <= self.index < self.count:
      raise ReplicaError(
        f'replica {self.index} of {self.count}: give --replica from 0 to'
        f' {max(self.count, 1) - 1}, or a larger --replicas'
      )

  def share(self, items: Sequence[Any]) -> list[Any]:
    """Returns this replica's share of the items, every `count`-th one."""
    return list(items[self.index :: self.count])


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
    self._stop = threading.Event()
    self._lock = threading.Lock()  # of the file
    self._beat = threading.Thread(target=self._run, daemon=True)

  def __enter__(self):
    if self.spec.count > 1:
      before = self._read(self.spec.index) if self._keep else None
      self._announced = before['announced'] if before else []
      if self.spec.coordinator:  # they meet anew
        self._announced = [
          a for a in self._announced if not a.startswith((_READY, _DONE))
        ]
      self._write()
      self._beat.start()
    return self

  def __exit__(self, *_):
    self._stop.set()
    if self._beat.is_alive():
      self._beat.join()

  def announce(self, what: str) -> None:
    """Tells the others that something is done, e.g. a stage."""
    self._announced.append(what)
    if self.spec.count > 1:
      self._write()

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
    # The others' clocks may differ: what counts is when a file changed.
    seen: dict[int, tuple[Any, float]] = {}
    told = until is not None
    while left and not (until and until()):
      now = time.monotonic()
      for index in sorted(left):
        state = self._read(index)
        differing = self._differing(state)
        # What a run of other settings left says nothing.
        if state and what in state['announced'] and not differing:
          left.discard(index)
          continue
        if index not in seen or seen[index][0] != state:
          if index in seen and differing:
            raise ReplicaError(self._other(index, state, differing))
          seen[index] = state, now
        if now - seen[index][1] > self.spec.timeout_s:
          raise ReplicaError(self._missing(index, state, what))
        if state and runs and state['run'] != runs[index]:
          raise ReplicaError(self._restarted(index, state, what))
      if left and not told:
        print(f'waiting for replicas {sorted(left)}: {what}')
        told = True
      time.sleep(min(1.0, self.spec.timeout_s / 10) if left else 0)

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
        state = None if index == self.spec.index else self._read(index)
        if state and runs.get(index) != state['run']:
          runs[index] = state['run']
          self.announce(f'{_READY} with {state["run"]}')
      return False

    print(f'waiting for all {self.spec.count} replicas: {_READY}')
    self.wait(f'{_READY} with {self._run_name}', until=greet)
    greet()  # those who were the last to come
    return runs

  def _who(self, index: int, state) -> str:
    who = f'replica {index} of {self.spec.count}'
    return who + (f' (pid {state["pid"]} on {state["host"]})' if state else '')

  def _differing(self, state) -> list[str]:
    """Returns how the settings of another differ from those of this one."""
    theirs = (state or {}).get('settings')
    if not isinstance(theirs, dict):  # none yet, or of an older version
      return []
    mine = self._settings
    return [
      f'  --{name}: {theirs[name]}, here {mine[name]}'
      for name in sorted(mine.keys() & theirs.keys())
      if mine[name] != theirs[name]
    ]

  def _other(self, index: int, state, differing: Sequence[str]) -> str:
    lines = [f'{self._who(index, state)} runs with other settings:', *differing]
    return '\n'.join(lines) + (
      '\nGive all of them the same command, --replica apart; what was committed'
      ' is kept.'
    )

  def _restarted(self, index: int, state, what: str) -> str:
    return (
      f'{self._who(index, state)} was started again, before it had finished:'
      f' {what}.\nStart this one again as well: what was committed is kept.'
    )

  def _missing(self, index: int, state, what: str) -> str:
    elsewhere = '' if state else ', or its --workdir is not this folder'
    return (
      f'{self._who(index, state)} gave no sign of life for'
      f' {self.spec.timeout_s:.0f} s, and has not finished: {what}{elsewhere}.'
      f'\nStart it again with --replica={index} --replicas={self.spec.count},'
      ' then this one: what was committed is kept.'
    )

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
        'settings': self._settings,
      }
      store.write_json(self._path(self.spec.index), state)

  def _read(self, index: int) -> dict[str, Any] | None:
    try:
      state = json.loads(self._path(index).read_bytes())
      msgspec.convert(state, _State)
      return {'run': '', **state}
    except (OSError, ValueError, RecursionError):
      return None  # not there, or no state: then it gives no sign of life


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
