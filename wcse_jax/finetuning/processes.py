"""The processes of a job that finetunes on several hosts, e.g. a TPU pod."""

import os
import socket

import jax
from jax.experimental import multihost_utils
import numpy as np

from wcse_jax.finetuning import FinetuneError

_NAME_BYTES = 128


def join(
  coordinator: str | None = None,
  count: int | None = None,
  index: int | None = None,
  *,
  timeout_s: int = 60,
) -> None:
  """Joins the other processes; call it before anything else of JAX.

  On a TPU pod, or under Slurm, no argument is needed. If a process gives no
  sign of life for `timeout_s`, JAX ends the others and says its number: `join`
  prints who that is. Checkpoints on disk stay whole: start all of them again.

  Args:
    coordinator: 'host:port' of process 0.
    count: Of processes.
    index: Of this one.
    timeout_s: After which a silent process is lost.

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
  name = f'pid {os.getpid()} on {socket.gethostname()}'.encode()
  padded = np.zeros(_NAME_BYTES, np.uint8)
  padded[: len(name)] = np.frombuffer(name, np.uint8)[:_NAME_BYTES]
  for i, other in enumerate(multihost_utils.process_allgather(padded)):
    print(f'task {i}: {bytes(other).rstrip(bytes(1)).decode()}', flush=True)
