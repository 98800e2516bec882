"""A program compiled for a described TPU, and what one run of it takes."""

from collections.abc import Sequence
import dataclasses
import math
import operator
from typing import Any

import jax

from wcse_jax.tpu import compilation, counts, known
from wcse_jax.tpu.topology import Topology


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
  """What one run of a program takes of each chip.

  Attributes:
    argument_bytes: HBM of its arguments.
    used_bytes: HBM of those arguments that are used, by dtype, without padding.
    result_bytes: HBM of its results, those in place of arguments left out.
    temporary_bytes: HBM that is taken meanwhile.
    flops: FLOPs of its products.
    moved_bytes: Bytes read and written in HBM.
    received_bytes: Bytes from other chips, by the collective that brings them.
    seconds: The least time for 'flops', 'hbm' and 'links', each alone.
    compile_s: Time to compile, where it was compiled; of an extrapolation, of
      all that was compiled for it.
  """

  argument_bytes: float
  used_bytes: dict[str, float]
  result_bytes: float
  temporary_bytes: float
  flops: float
  moved_bytes: float
  received_bytes: dict[str, float]
  seconds: dict[str, float]
  compile_s: float

  @property
  def own_bytes(self) -> float:
    return self.result_bytes + self.temporary_bytes

  @property
  def hbm_bytes(self) -> float:
    return self.argument_bytes + self.own_bytes

  @property
  def roofline_s(self) -> float:
    """The least time it can take: all at once, and the slowest decides."""
    return max(self.seconds.values())

  def to_json(self) -> dict[str, Any]:
    return {
      'hbm_bytes_per_chip': self.hbm_bytes,
      'flops': self.flops,
      'hbm_bytes_per_step': self.moved_bytes,
      'collective_bytes_per_step': self.received_bytes,
      'roofline_s': self.roofline_s,
      'roofline_s_by': self.seconds,
      'compile_s': self.compile_s,
    }


def combine(programs: Sequence[Program], times: Sequence[float]) -> Program:
  """Returns the sum of what programs take, each so many times.

  Its `compile_s` is what compiling each of them once took.
  """
  add = lambda *values: sum(map(operator.mul, values, times))
  whole = Program(**jax.tree.map(add, *map(dataclasses.asdict, programs)))
  compile_s = sum(program.compile_s for program in programs)
  return dataclasses.replace(whole, compile_s=compile_s)


def compile_for(
  slice_: Topology, lowered: jax.stages.Lowered, loop_steps: int = 1
) -> Program | None:
  """Compiles what was lowered for some of the devices of a slice.

  Args:
    slice_: The TPU.
    lowered: The program.
    loop_steps: Rounds of its loop of unknown length, if there is one; FLOPs,
      bytes and time are per round then, the share of the rest included.

  Returns:
    What a run takes; None if the compiler finds it too large.

  Raises:
    PlanError: What was compiled cannot be kept.
  """
  name = compilation.key(slice_, lowered)
  key = f'{name}/{loop_steps}/{counts.VERSION}'
  if key not in known.KNOWN:
    made = compilation.compile_for(slice_, lowered, name)
    known.KNOWN.add(key, made and _taken(made, loop_steps))
  if not (taken := known.KNOWN[key]):
    return None
  n = slice_.devices_per_chip
  shares = n / loop_steps
  flops, moved = shares * taken.flops, shares * taken.moved_bytes
  received = {k: shares * size for k, size in taken.received_bytes.items()}
  return Program(
    argument_bytes=n * taken.argument_bytes,
    used_bytes={dtype: n * size for dtype, size in taken.used_bytes.items()},
    result_bytes=n * taken.result_bytes,
    temporary_bytes=n * taken.temporary_bytes,
    flops=flops,
    moved_bytes=moved,
    received_bytes=received,
    seconds={
      'flops': flops / slice_.chip.flops_per_s,
      'hbm': moved / slice_.chip.hbm_bytes_per_s,
      'links': sum(received.values()) / (slice_.ici_bytes_per_s or math.inf),
    },
    compile_s=taken.compile_s,
  )


def _taken(made: compilation.Compilation, loop_steps: int) -> known.Taken:
  counted = counts.count(made.hlo, loop_steps)
  return known.Taken(
    argument_bytes=made.argument_bytes,
    result_bytes=made.output_bytes - made.alias_bytes,
    temporary_bytes=made.temporary_bytes,
    used_bytes=made.used_bytes,
    flops=counted.flops,
    moved_bytes=counted.hbm_bytes,
    received_bytes=counted.received,
    compile_s=made.compile_s,
  )
