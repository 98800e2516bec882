"""The processes of a job that finetunes on several hosts, e.g. a TPU pod."""

import os
import socket
import time

import jax
from jax.experimental import multihost_utils
import numpy as np

from wcse_jax.finetuning import FinetuneError

_TEXT_BYTES = 128


def agreed(value: int) -> int:
  """Returns the first process's value: what all of them are to go by."""
  return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def join(
  coordinator: str | None = None,
  count: int | None = None,
  index: int | None = None,
  *,
  about: str = '',
  timeout_s: int = 60,
) -> None:
  """Joins the other processes; call it before anything else of JAX.

  On a TPU pod, or under Slurm, no argument is needed. If a process gives no
  sign of life for `timeout_s`, JAX ends the others and says its number: `join`
  prints who that is. Checkpoints on disk stay whole: start all of them again.

  Args:
    coordinator: 'host:port' of process 0.
    count: Number of processes.
    index: Number of this process.
    about: Text that all of them must have in common, in at most 128 bytes.
    timeout_s: Seconds after which a silent process is lost.

  Raises:
    FinetuneError: The processes did not come together, or differ.
  """
  if coordinator and index is not None:
    _check(coordinator, index, timeout_s)
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
  others = zip(names, _gather(about), strict=True)
  if differ := [name for name, other in others if other != about]:
    raise FinetuneError(
      f'{", ".join(differ)}: started with another config than this one. Start'
      ' the same command on all hosts, --replica apart.'
    )


def _check(coordinator: str, index: int, timeout_s: int) -> None:
  """Tries the address out: JAX waits for minutes, and aborts the process."""
  host, _, port = coordinator.rpartition(':')
  start = time.monotonic()
  while True:
    try:
      if index:
        address = host.strip('[]'), int(port)
        socket.create_connection(address, timeout=5).close()
      else:
        socket.create_server(('', int(port))).close()
      return
    except OSError as e:
      if not index or time.monotonic() - start > timeout_s:
        raise FinetuneError(
          f'{coordinator} cannot be {"reached" if index else "listened at"}'
          f' ({e.strerror or e}): give an address of replica 0 at which all'
          ' others reach it, and a port that is free there.'
        ) from e
    time.sleep(0.2)


def _gather(text: str) -> list[str]:
  """Returns the texts of all processes."""
  padded = text.encode()[:_TEXT_BYTES].ljust(_TEXT_BYTES, bytes(1))
  texts = multihost_utils.process_allgather(np.frombuffer(padded, np.uint8))
  return [bytes(t).rstrip(bytes(1)).decode() for t in texts]
