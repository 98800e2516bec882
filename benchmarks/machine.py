"""The machine: one core of it, and what it is. No JAX here."""

import datetime
import importlib.metadata
import os
import pathlib


def use_one_core(core: int | None) -> None:
  """Ties this process, and those that it starts, to one core."""
  cores = os.sched_getaffinity(0)
  os.sched_setaffinity(0, {max(cores) if core is None else core})
  flags = os.environ.get('XLA_FLAGS', '')
  os.environ |= {
    'JAX_PLATFORMS': 'cpu',
    'OMP_NUM_THREADS': '1',
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'XLA_FLAGS': f'{flags} --xla_cpu_multi_thread_eigen=false'.strip(),
  }


def describe() -> dict[str, str | int]:
  """Returns processor, cores, version of JAX and the date."""
  lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  names = [line.partition(':')[2] for line in lines if 'model name' in line]
  return {
    'cpu': names[0].strip() if names else '',
    'cores': os.cpu_count() or 0,
    'cores_used': 1,
    'jax': importlib.metadata.version('jax'),
    'date': datetime.date.today().isoformat(),
  }
