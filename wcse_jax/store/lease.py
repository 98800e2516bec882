"""The lease of a remote workdir: one run at a time."""

from collections.abc import Callable, Iterator
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time

from wcse_jax.errors import Error
from wcse_jax.store.objects import Objects, RemoteError

RENEW_S = 15.0  # between two renewals of the lease
PATIENCE_S = 120.0  # with a lease that nobody renews
LEASE = 'LEASE.json'


class Lease:
  """An object that the one run which uses a remote workdir renews."""

  def __init__(self, objects: Objects):
    self._objects = objects
    self._url = objects.url
    self._owner = f'{os.getpid()} on {socket.gethostname()}, {time.time_ns()}'
    self._lost_to = ''

  @property
  def lost(self) -> bool:
    """Whether another run has taken it."""
    return bool(self._lost_to)

  def acquire(self, patience_s: float = PATIENCE_S) -> None:
    """Takes the lease, from a dead run if need be.

    Raises:
      RemoteError: A run renews it, or nothing can be written.
    """
    deadline = None
    self._objects.make_root()
    while (held_by := self._objects.read(LEASE)) is not None:
      if deadline is None:
        first, deadline = held_by, time.monotonic() + patience_s
        print(
          f'{self._url}: a run has left {LEASE} ({_text(held_by)});'
          f' waiting {patience_s:.0f} s to see whether it is alive'
        )
      if held_by != first:
        raise RemoteError(
          f'{self._url} is in use by another run ({_text(held_by)}).\n'
          'Wait for it, stop it, or choose another --workdir.'
        )
      if time.monotonic() > deadline:
        self._objects.remove([LEASE])
      time.sleep(min(1.0, patience_s / 10))
    self._renew(create=True)
    # Of two that held_by a dead run's, the later one has it.
    time.sleep(min(1.0, patience_s / 10))
    self.check()

  @contextlib.contextmanager
  def held(self, renew_s: float = RENEW_S) -> Iterator[None]:
    """Holds the lease, and renews it every so often.

    Raises:
      RemoteError: As in `acquire`; if the lease is lost, at once.
    """
    try:
      self.acquire()
      try:
        with every(renew_s, self._renew, lambda: self.lost):
          yield
      except KeyboardInterrupt:
        self.require()  # it may be what stopped the run
        self.check()
        raise
    finally:
      self.release()

  def release(self) -> None:
    """Gives the lease back, if it is still this run's."""
    with contextlib.suppress(RemoteError):
      self.check()
      self._objects.remove([LEASE])

  def _renew(self, *, create: bool = False) -> None:
    if not create:
      self.check()
    lease = {'run': self._owner, 'time': time.time_ns()}
    self._objects.write(LEASE, json.dumps(lease).encode(), create=create)

  def check(self) -> None:
    """Makes sure that the lease is still this run's.

    Raises:
      RemoteError: Another run has taken it.
    """
    held_by = self._objects.read(LEASE)
    if held_by is None or self._owner.encode() not in held_by:
      self._lost_to = _text(held_by or b'none')
    self.require()

  def require(self) -> None:
    """Raises RemoteError if any check found that the lease is another's."""
    if self.lost:
      raise RemoteError(
        f'{self._url} was taken over by another run ({self._lost_to}); this'
        ' one stops.\nWhat it had not copied yet is on this machine: the same'
        ' command goes on with it, if the other has written nothing'
      )


def _text(lease: bytes) -> str:
  """Returns what a lease says, whoever wrote it, for a terminal."""
  return lease.decode(errors='replace').encode('unicode_escape').decode()


@contextlib.contextmanager
def every(
  seconds: float,
  action: Callable[[], None],
  hopeless: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
  """Acts every so often while the context lasts, in a thread.

  An error is printed, as the network may come back.

  Args:
    seconds: The time between two acts.
    action: What to do.
    hopeless: Whether an error is one to stop the run for, as Ctrl-C does.
  """
  done = threading.Event()

  def work():
    while not done.wait(seconds):
      try:
        action()
      except (Error, OSError) as error:
        print(f'warning: {error}', file=sys.stderr)
        if hopeless():
          os.kill(os.getpid(), signal.SIGINT)
          return

  thread = threading.Thread(target=work, daemon=True)
  thread.start()
  try:
    yield
  finally:
    done.set()
    thread.join()
