"""What a TPU's compiler makes of programs, kept: it takes minutes."""

import collections
import contextlib
import dataclasses
import gzip
import hashlib
import importlib.metadata
import json
import math
import os
import tempfile
import time
from typing import Any
import zlib

import jax

from wcse_jax.store import cache
from wcse_jax.tpu import topology


class TimeUpError(topology.PlanError):
  """What would have to be compiled, when nothing may be any more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compilation:
  """What the compiler made of a program; bytes are a device's.

  Attributes:
    hlo: The optimised program.
    argument_bytes: HBM of its arguments.
    output_bytes: HBM of its results.
    alias_bytes: HBM of results that take an argument's place.
    temporary_bytes: HBM that is taken meanwhile.
    used_bytes: Size of the arguments that are used, by dtype, without padding.
    compile_s: Time that compiling took.
  """

  hlo: str
  argument_bytes: float
  output_bytes: float
  alias_bytes: float
  temporary_bytes: float
  used_bytes: dict[str, float]
  compile_s: float


# What reading a file raises that was cut short, or is of another shape.
_DAMAGE = (
  gzip.BadGzipFile,
  zlib.error,
  EOFError,
  ValueError,
  TypeError,
  RecursionError,
)
_until = math.inf  # of time.monotonic()


def stop_after(minutes: float) -> None:
  """Forbids to compile after so many minutes; what was compiled is read."""
  global _until
  _until = time.monotonic() + 60 * minutes


def compile_for(
  slice_: topology.Topology, lowered: jax.stages.Lowered, name: str = ''
) -> Compilation | None:
  """Compiles what was lowered for devices of a slice, or reads what was made.

  The same program for the same slice and compiler is compiled once: what came
  of it is kept in the folder `plans` of the cache ($WCSE_CACHE_DIR, or
  ~/.cache/wcse_jax), which may be deleted.

  Args:
    slice_: The TPU.
    lowered: The program.
    name: What `key` returns of them, if it is known; it takes a while.

  Returns:
    None if the compiler finds it too large.

  Raises:
    PlanError: The cache cannot be read or written.
    TimeUpError: It is not in the cache, and `stop_after` has passed.
  """
  path = cache.folder() / 'plans' / f'{name or key(slice_, lowered)}.json.gz'
  try:
    path.parent.mkdir(parents=True, exist_ok=True)  # before what takes long
    if path.exists():
      with contextlib.suppress(*_DAMAGE):  # then it is made anew
        kept = json.loads(gzip.decompress(path.read_bytes()))
        return None if kept is None else Compilation(**kept)
    if time.monotonic() > _until:
      raise TimeUpError('not compiled yet, and the time is up')
    made = _compile(lowered)
    with tempfile.NamedTemporaryFile(
      dir=path.parent, suffix='.partial', delete_on_close=False
    ) as file:
      text = json.dumps(made and dataclasses.asdict(made))
      file.write(gzip.compress(text.encode()))
      file.close()
      os.replace(file.name, path)  # whole or not at all
  except OSError as error:
    raise topology.PlanError(
      f'{path}: {error.strerror or error}\n'
      'what was compiled is kept there: make room, or set WCSE_CACHE_DIR to'
      ' another folder'
    ) from error
  return made


def _compile(lowered: jax.stages.Lowered) -> Compilation | None:
  start = time.monotonic()
  try:
    compiled = lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    return None
  compile_s = time.monotonic() - start
  memory: Any = compiled.memory_analysis()
  return Compilation(
    hlo=compiled.as_text() or '',
    argument_bytes=memory.argument_size_in_bytes,
    output_bytes=memory.output_size_in_bytes,
    alias_bytes=memory.alias_size_in_bytes,
    temporary_bytes=memory.temp_size_in_bytes,
    used_bytes=_used_bytes(lowered, compiled),
    compile_s=compile_s,
  )


def _used_bytes(
  lowered: jax.stages.Lowered, compiled: jax.stages.Compiled
) -> dict[str, float]:
  used = collections.Counter()

  def add(a: Any, where: jax.sharding.Sharding | None) -> None:
    if where:  # None is not used
      shape = where.shard_shape(a.shape)
      used[str(a.dtype)] += math.prod(shape) * a.dtype.itemsize

  jax.tree.map(add, lowered.args_info, compiled.input_shardings)
  return dict(used)


def key(slice_: topology.Topology, lowered: jax.stages.Lowered) -> str:
  """Names all that decides what is compiled: a sha256."""
  parts = [
    slice_.name,
    slice_.devices[0].client.platform_version,
    importlib.metadata.version('jaxlib'),
    os.environ.get('XLA_FLAGS', ''),
    os.environ.get('LIBTPU_INIT_ARGS', ''),
    lowered.as_text(),
  ]
  return hashlib.sha256('\0'.join(parts).encode()).hexdigest()
