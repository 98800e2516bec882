"""The number of threads that XLA computes with on the CPU."""

import os

# What XLA's CPU client reads when it starts; else it takes all processors.
_VARIABLE = 'PJRT_NPROC'


def limit(number: int) -> None:
  """Sets how many threads XLA will have; call it before JAX looks for devices.

  JAX that has done so already keeps the threads that it has.

  Args:
    number: Threads that compute, and as many that compile.
  """
  os.environ[_VARIABLE] = str(number)
