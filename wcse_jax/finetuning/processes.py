"""The processes of a job that finetunes on several hosts, e.g. a TPU pod."""

from collections.abc import Iterator
import contextlib
import os
import socket
import sys
import threading

import jax
from jax.experimental import multihost_utils
import numpy as np

from wcse_jax import replicas
from wcse_jax.finetuning import FinetuneError

_TEXT_BYTES = 128
_READY = 'ready to finetune'


@contextlib.contextmanager
def together(others: replicas.Replicas, about: str) -> Iterator[None]:
  """Makes replicas the processes of one JAX; they stand and fall together.

  If one gives no sign of life for `others.spec.timeout_s`, this process ends
  with an error that names it. It ends wherever it is: nothing else interrupts
  a computation that waits for the lost one's part.

  Args:
    others: The replicas, this one among them. They have a coordinator.
    about: What they must have in common, in at most 128 bytes.

  Raises:
    FinetuneError: They did not come together, or differ.
    ReplicaError: One was not started, or died before.
  """
  spec = others.spec
  others.announce(_READY)
  others.wait(_READY)
  names = join(
    None if spec.coordinator == 'auto' else spec.coordinator,
    spec.count,
    spec.index,
    timeout_s=round(2 * spec.timeout_s),  # it is more than the names are given
  )
  differ = [n for n, a in zip(names, _gather(about), strict=True) if a != about]
  if differ:
    raise FinetuneError(
      f'{", ".join(differ)}: started with another config than this one. Start'
      ' the same command, --replica apart, on all hosts.'
    )
  what = f'finetuning with {names[0]}'  # a run before had another
  over = threading.Event()
  watch = threading.Thread(
    target=_watch, args=(others, what, over), daemon=True
  )
  watch.start()
  try:
    yield
  except Exception as e:
    if _of_jax(e):  # perhaps because one was lost: then `watch` ends this
      watch.join(1.5 * spec.timeout_s)
    raise
  finally:
    over.set()
  others.announce(what)


def _watch(others: replicas.Replicas, what: str, over: threading.Event) -> None:
  """Ends this process if another is lost before it has announced `what`."""
  try:
    others.wait(what, tell=False)
  except replicas.ReplicaError as e:
    if over.is_set():
      return
    print(f'\nerror: {e}', file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1)


def _of_jax(error: BaseException | None) -> bool:
  """Whether an error comes from JAX's runtime, or from what it caused."""
  while error and not isinstance(error, jax.errors.JaxRuntimeError):
    error = error.__cause__
  return error is not None


def agreed(value: int) -> int:
  """Returns the first process's value: what all of them are to go by."""
  return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def join(
  coordinator: str | None = None,
  count: int | None = None,
  index: int | None = None,
  *,
  timeout_s: int = 60,
) -> list[str]:
  """Joins the other processes; call it before anything else of JAX.

  On a TPU pod, or under Slurm, no argument is needed. If a process gives no
  sign of life for `timeout_s`, JAX ends the others and says its number: `join`
  prints who that is. Checkpoints on disk stay whole: start all of them again.

  Args:
    coordinator: 'host:port' of process 0.
    count: Of processes.
    index: Of this one.
    timeout_s: After which a silent process is lost.

  Returns:
    Who the processes are.

  Raises:
    FinetuneError: The processes did not come together.
  """
  try:
    jax.distributed.initialize(
      coordinator,
      count,
      index,
      heartbeat_timeout_seconds=timeout_s,
      shutdown_timeout_seconds=timeout_s,
    )
  except (ValueError, RuntimeError) as e:
    raise FinetuneError(
      f'the processes of this job did not come together: {e}\nStart all of'
      ' them, with the same coordinator (host:port of process 0) and count.'
    ) from e
  if count and jax.process_count() != count:
    raise FinetuneError(
      f'of the {count} processes of this job JAX sees {jax.process_count()}: by'
      ' its environment (TPU_*) this host is one of fewer. Unset it.'
    )
  names = _gather(f'pid {os.getpid()} on {socket.gethostname()}')
  for i, name in enumerate(names):
    print(f'task {i}: {name}', flush=True)
  return names


def _gather(text: str) -> list[str]:
  """Returns the texts of all processes."""
  padded = text.encode()[:_TEXT_BYTES].ljust(_TEXT_BYTES, bytes(1))
  texts = multihost_utils.process_allgather(np.frombuffer(padded, np.uint8))
  return [bytes(t).rstrip(bytes(1)).decode() for t in texts]
