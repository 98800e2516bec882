"""Replicas on one machine: a process for each, and what all of them print.

On a CPU, processes that compute with a thread each are faster than one that
computes with all: most of what a small model computes is too little to share.
"""

from collections.abc import Callable, Iterable, Sequence
import io
import os
import pathlib
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Any

from wcse_jax.errors import Error
from wcse_jax.experiment.config import ConfigError
from wcse_jax.runtime import children, joint, progress, signs

STOPPED = 130  # the exit code of a run that was asked to stop


class LocalError(Error):
  """A replica on this machine was killed; names it, and the remedy."""


def number(cpu_threads: int) -> int:
  """Returns how many replicas this machine has cores for.

  Args:
    cpu_threads: The threads of each, `config.mesh.cpu_threads`.

  Raises:
    ConfigError: There are fewer cores than threads.
  """
  cores = len(signs.cores())
  if cpu_threads > cores:
    raise ConfigError(
      'mesh.cpu_threads',
      cpu_threads,
      f'--replicas=auto gives each replica so many cores, and this machine has'
      f' {cores}: give {cores} or less',
    )
  return cores // cpu_threads


def run(
  arguments: Sequence[str],
  workdir: pathlib.Path,
  count: int,
  again: bool = True,
  experiments: Iterable[str] = (),
) -> int:
  """Runs a command as replicas, and waits for them.

  One that is killed from outside is started once more. If one fails, or this
  process is asked to stop, all of them are stopped.

  Args:
    arguments: A script and its flags; it gets --workdir, --replicas and
      --replica.
    workdir: The workdir that they share.
    count: How many replicas.
    again: Whether the first may be started once more, as others may: not if
      that would do something twice.
    experiments: The folders of the workdir that have a run each, if not itself.

  Returns:
    The exit code of the first that failed; 0 if none did.

  Raises:
    LocalError: One was killed, and is not started again.
    KeyboardInterrupt: This process, or one of them, was asked to stop.
  """
  # What the run before has announced is announced anew, or does not hold.
  for name in ('', *experiments):
    shutil.rmtree(workdir / name / 'replicas', ignore_errors=True)
  shown = joint.Joint()
  arguments = [*arguments, f'--workdir={workdir}']
  replicas = [_Replica(arguments, i, count, shown) for i in range(count)]
  try:
    for replica in replicas:
      replica.start()
    while left := [r for r in replicas if r.process.poll() != 0]:
      for replica in left:
        if code := replica.process.returncode:
          if code == STOPPED:
            raise KeyboardInterrupt
          if code > 0:
            return code
          replica.restart(again or replica.index > 0)
      time.sleep(0.1)
    return 0
  finally:
    _stop(replicas)
    shown.close()


class _Replica:
  """A process, and the threads that show what it prints."""

  def __init__(
    self, arguments: Sequence[str], index: int, count: int, shown: joint.Joint
  ):
    self.index = index
    self._words = [*arguments, f'--replicas={count}', f'--replica={index}']
    self._shown = shown
    self._starts = 0
    self._threads: list[threading.Thread] = []
    self.process: subprocess.Popen[str]

  def start(self) -> None:
    receiver, sender = os.pipe()
    own = str(os.getpid()), str(sender)
    self.process = subprocess.Popen(
      [sys.executable, '-P', '-m', __name__, *own, *self._words],
      stdin=subprocess.DEVNULL,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      pass_fds=[sender],
      env=children.with_package({}),
      start_new_session=True,  # Ctrl-C is this process's to hand on
    )
    os.close(sender)
    self._starts += 1
    head = f'replica {self.index}: ' if self.index else ''
    for follow, source, *arguments in (
      (self._shown.show, self.process.stdout, sys.stdout, head),
      (self._shown.show, self.process.stderr, sys.stderr, head),
      (self._shown.follow, os.fdopen(receiver), self.index),
    ):
      thread = threading.Thread(
        target=_closing, args=(follow, source, *arguments), daemon=True
      )
      thread.start()
      self._threads.append(thread)

  def restart(self, allowed: bool) -> None:
    """Starts it once more, after it was killed."""
    self.join()
    killed = (
      f'replica {self.index} was killed (signal {-self.process.returncode}), as'
      ' a system does that is out of memory'
    )
    if self._starts > 1 or not allowed:
      raise LocalError(
        f'{killed}.\nGive it less to hold (--config.sampling.slots), or start'
        ' fewer (--config.mesh.cpu_threads), without --redo: what was committed'
        ' is kept.'
      )
    print(f'{killed}: started again', file=sys.stderr)
    self.start()

  def join(self) -> None:
    """Waits for its end, and until what it printed is shown."""
    self.process.wait()
    for thread in self._threads:
      thread.join(5)  # a process of its own may outlive it


def _closing(follow: Callable[..., None], source: IO[str], *arguments: Any):
  with source:
    follow(source, *arguments)


def _stop(replicas: Sequence[_Replica]) -> None:
  """Stops those that run, as Ctrl-C does; asked once more, at once."""
  running = [r for r in replicas if hasattr(r, 'process')]
  try:
    for replica in running:
      if replica.process.poll() is None:
        replica.process.send_signal(signal.SIGTERM)
    for replica in running:
      replica.join()
  except KeyboardInterrupt:
    for replica in running:
      replica.process.kill()
    raise


if __name__ == '__main__':  # of a replica, before it imports anything slow
  _, _parent, _sender, *_arguments = sys.argv
  children.die_with_parent(int(_parent))
  progress.tell(os.fdopen(int(_sender), 'w'))
  if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(line_buffering=True)
  sys.argv = _arguments
  runpy.run_path(_arguments[0], run_name='__main__')
