"""The machine: one core of it, or more, and what it is. No JAX here."""

import datetime
import importlib.metadata
import os
import pathlib


def use_cores(count: int = 1, last: int | None = None) -> None:
  """Ties this process, and those that it starts, to some cores.

  Args:
    count: How many. To JAX each of them is a device.
    last: The last of them; None: the last one there is.
  """
  cores = sorted(os.sched_getaffinity(0))
  end = len(cores) if last is None else cores.index(last) + 1
  if not 0 < count <= end:
    raise ValueError(f'{count} cores up to {cores[end - 1]}: name fewer')
  os.sched_setaffinity(0, cores[end - count : end])
  os.environ |= {
    'JAX_PLATFORMS': 'cpu',
    'OMP_NUM_THREADS': str(count),
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'XLA_FLAGS': (
      f'{os.environ.get("XLA_FLAGS", "")} --xla_cpu_multi_thread_eigen=false'
      f' --xla_force_host_platform_device_count={count}'
    ).strip(),
  }


def describe() -> dict[str, str | int]:
  """Returns processor, cores, version of JAX and the date."""
  lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  names = [line.partition(':')[2] for line in lines if 'model name' in line]
  return {
    'cpu': names[0].strip() if names else '',
    'cores': os.cpu_count() or 0,
    'cores_used': len(os.sched_getaffinity(0)),
    'jax': importlib.metadata.version('jax'),
    'date': datetime.date.today().isoformat(),
  }
