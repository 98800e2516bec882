"""TPUs that are not at hand: what a chip can do, and devices to compile for."""

from collections.abc import Sequence
import dataclasses
import importlib.util
import math
import os
import re
from typing import Any

from wcse_jax.sampling import hlo

_GIB = 2**30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
  """What one chip can do at best.

  Attributes:
    hbm_bytes: What the compiler lets programs use.
    hbm_bytes_per_s: Bandwidth.
    flops_per_s: Of bfloat16 products.
    slices: Sizes there are, from small to large.
  """

  hbm_bytes: float
  hbm_bytes_per_s: float
  flops_per_s: float
  slices: tuple[str, ...]


# Bandwidth and peak: https://cloud.google.com/tpu/docs/v5e, /v5p, /v6e, /tpu7x.
# Memory: what libtpu 0.0.50 says when a program is too large.
_FLAT = ('1x1', '2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBIC = ('1x1x1', '2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8')
CHIPS = {
  'v4': Chip(
    hbm_bytes=30.5 * _GIB,
    hbm_bytes_per_s=1228e9,
    flops_per_s=275e12,
    slices=_CUBIC,
  ),
  'v5e': Chip(
    hbm_bytes=15.75 * _GIB,
    hbm_bytes_per_s=819e9,
    flops_per_s=197e12,
    slices=_FLAT,
  ),
  'v5p': Chip(
    hbm_bytes=95.73 * _GIB,
    hbm_bytes_per_s=2765e9,
    flops_per_s=459e12,
    slices=_CUBIC,
  ),
  'v6e': Chip(
    hbm_bytes=31.24 * _GIB,
    hbm_bytes_per_s=1638e9,
    flops_per_s=918e12,
    slices=_FLAT,
  ),
  'tpu7x': Chip(
    hbm_bytes=189.48 * _GIB,
    hbm_bytes_per_s=7380e9,
    flops_per_s=2307e12,
    slices=_CUBIC,
  ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
  """What one run of a compiled program takes of each chip.

  Attributes:
    argument_bytes: In HBM, of what was there before.
    result_bytes: Of what is there afterwards, arguments reused left out.
    temporary_bytes: Of what is there meanwhile.
    flops: A loop of unknown length counts as one step.
    moved_bytes: Read and written in HBM.
  """

  argument_bytes: float
  result_bytes: float
  temporary_bytes: float
  flops: float
  moved_bytes: float

  @property
  def hbm_bytes(self) -> float:
    return self.argument_bytes + self.own_bytes

  @property
  def own_bytes(self) -> float:
    return self.result_bytes + self.temporary_bytes

  def roofline_s(self, chip: Chip) -> float:
    """Returns the least seconds it can take: memory's or arithmetic's."""
    return max(
      self.moved_bytes / chip.hbm_bytes_per_s, self.flops / chip.flops_per_s
    )


class TopologyError(ValueError):
  """A topology that cannot be described; says which can."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology:
  """A TPU slice, described.

  Attributes:
    name: E.g. 'v5e:2x4'.
    chip: What each of its chips can do.
    num_chips: How many there are.
    devices: To make a mesh of. Where a chip has two cores that share nothing
      (v4 as it is described here, tpu7x), each core is one.
  """

  name: str
  chip: Chip
  num_chips: int
  devices: Sequence[Any]

  @property
  def devices_per_chip(self) -> int:
    return len(self.devices) // self.num_chips

  def cost(self, compiled: Any, loop_steps: int = 1) -> Cost:
    """Returns what a program compiled for some of the devices takes.

    Args:
      compiled: The program, `jax.stages.Compiled`.
      loop_steps: Of the loop of unknown length, if there is one; `moved_bytes`
        are per step then, the share of what is outside it included.
    """
    memory = compiled.memory_analysis()
    n = self.devices_per_chip
    return Cost(
      argument_bytes=n * memory.argument_size_in_bytes,
      result_bytes=n
      * (memory.output_size_in_bytes - memory.alias_size_in_bytes),
      temporary_bytes=n * memory.temp_size_in_bytes,
      flops=n * compiled.cost_analysis()['flops'],
      moved_bytes=n
      * hlo.hbm_bytes(compiled.as_text(), loop_steps)
      / loop_steps,
    )


def parse(name: str) -> tuple[str, tuple[int, ...]]:
  """Splits 'v5e:2x4' into ('v5e', (2, 4)); raises TopologyError."""
  match = re.fullmatch(r'(\w+):(\d+(?:x\d+){1,2})', name)
  if not match or match[1] not in CHIPS:
    forms = ', '.join(
      f'{kind}:{chip.slices[2]}' for kind, chip in CHIPS.items()
    )
    raise TopologyError(
      f'--topology={name}: no such TPU; give KIND:SIZE, e.g. {forms}'
    )
  sizes = tuple(int(size) for size in match[2].split('x'))
  if match[2] not in CHIPS[match[1]].slices:
    slices = ', '.join(CHIPS[match[1]].slices)
    raise TopologyError(
      f'--topology={name}: no such slice; {match[1]} has {slices}'
    )
  return match[1], sizes


def describe(name: str) -> Topology:
  """Describes a TPU slice, on a machine without one.

  Args:
    name: Kind and size, e.g. 'v5e:2x4' or 'v5p:2x2x1'.

  Raises:
    TopologyError: There is no such slice, or libtpu is missing.
  """
  kind, sizes = parse(name)
  if not importlib.util.find_spec('libtpu'):
    raise TopologyError(
      'compiling for a TPU needs the package libtpu, which is not installed:\n'
      'pip install "jax[tpu]"; a TPU is not'
    )
  # Without these libtpu looks for a TPU, and complains of not being on one.
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  os.environ.setdefault('TPU_ACCELERATOR_TYPE', 'v5litepod-8')
  os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
  os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')
  from jax.experimental import topologies

  num_chips = math.prod(sizes)
  bounds = {'chips_per_host_bounds': (1, 1, 1)} if num_chips == 1 else {}
  described = topologies.get_topology_desc(
    platform='tpu', topology_name=name, **bounds
  )
  return Topology(
    name=name,
    chip=CHIPS[kind],
    num_chips=num_chips,
    devices=described.devices,
  )
