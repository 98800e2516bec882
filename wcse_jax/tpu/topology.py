"""TPUs that are not at hand: what a chip can do, and devices to compile for."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import functools
import importlib.util
import math
import os
import re
from typing import Any

from wcse_jax.errors import Error

RESERVE = 0.05  # of HBM, for the runtime and fragmentation
_GIB = 2**30

NO_LIBTPU = (
  'compiling for a TPU needs no TPU, but libtpu, which is not installed:\n'
  "in a clone, launch/setup.sh tpu or pip install -e '.[tpu]' (Linux, x86-64)"
)


class PlanError(Error):
  """What does not fit, or is no TPU; the nearest that is, in three lines."""


@dataclasses.dataclass(frozen=True)
class Chip:
  """What one chip can do at best.

  Attributes:
    hbm_bytes: Memory that the compiler lets programs use.
    hbm_bytes_per_s: Bandwidth of the memory.
    flops_per_s: Peak of bfloat16 products.
    link_bytes_per_s: Bandwidth of one link to a neighbour, each way.
    slices: Sizes of slices that there are, from small to large.
  """

  hbm_bytes: float
  hbm_bytes_per_s: float
  flops_per_s: float
  link_bytes_per_s: float
  slices: tuple[str, ...]

  @property
  def usable_bytes(self) -> float:
    return self.hbm_bytes * (1 - RESERVE)


# https://docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p, /v6e and /tpu7x say
# what a chip can do: bfloat16 peak, HBM bandwidth, and of all its links, both
# ways, 400 (v5e, four links), 1200 (v5p, six), 800 (v6e, four), 1200 GB/s
# (tpu7x, six). Of v4 they give the all-reduce bandwidth of 4,096 chips with six
# links each, 1.1 PB/s. HBM is 32, 16, 95, 32 and 192 GiB there; here it is
# what libtpu 0.0.50 says is there when a program is too large.
_FLAT = ('1x1', '2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBIC = ('1x1x1', '2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8')
CHIPS = {
  'v4': Chip(30.5 * _GIB, 1200e9, 275e12, 45e9, _CUBIC),
  'v5e': Chip(15.75 * _GIB, 819e9, 197e12, 50e9, _FLAT),
  'v5p': Chip(95.73 * _GIB, 2765e9, 459e12, 100e9, _CUBIC),
  'v6e': Chip(31.24 * _GIB, 1638e9, 918e12, 100e9, _FLAT),
  'tpu7x': Chip(189.48 * _GIB, 7380e9, 2307e12, 100e9, _CUBIC),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Topology:
  """A TPU slice, described.

  Attributes:
    name: Kind and size, e.g. 'v5e:2x4'.
    devices: Devices to make a mesh of. Where a chip has two cores that share
      nothing (v4 as it is described here, tpu7x), each core is one.
  """

  name: str
  devices: Sequence[Any]

  @property
  def chip(self) -> Chip:
    return CHIPS[parse(self.name)[0]]

  @property
  def num_chips(self) -> int:
    return math.prod(parse(self.name)[1])

  @property
  def devices_per_chip(self) -> int:
    return len(self.devices) // self.num_chips

  @property
  def ici_bytes_per_s(self) -> float:
    """Bytes per second that a chip with the fewest links can receive.

    Only slices of whole cubes (4x4x4), and rows of 16 in flat ones, are closed
    to rings; else a chip at the edge has one neighbour less.
    """
    _, sizes = parse(self.name)
    cubes = len(sizes) == 3 and all(size % 4 == 0 for size in sizes)
    links = sum(2 if cubes or size == 16 else 1 for size in sizes if size > 1)
    return links * self.chip.link_bytes_per_s


def parse(name: str) -> tuple[str, tuple[int, ...]]:
  """Splits 'v5e:2x4' into ('v5e', (2, 4)); raises PlanError."""
  match = re.fullmatch(r'(\w+):(\d+(?:x\d+){1,2})', name)
  if not match or match[1] not in CHIPS:
    forms = ', '.join(
      f'{kind}:{chip.slices[2]}' for kind, chip in CHIPS.items()
    )
    raise PlanError(
      f'--topology={name}: no such TPU; give KIND:SIZE, e.g. {forms}'
    )
  sizes = tuple(int(size) for size in match[2].split('x'))
  if match[2] not in CHIPS[match[1]].slices:
    slices = ', '.join(CHIPS[match[1]].slices)
    raise PlanError(
      f'--topology={name}: no such slice; {match[1]} has {slices}'
    )
  return match[1], sizes


def nearest(name: str, has_room: Callable[[Chip, int], bool]) -> Iterator[str]:
  """Yields of each kind the smallest slice with room; that of `name` first.

  Args:
    name: A slice without room; of its kind only larger ones are tried.
    has_room: Returns whether that many chips of a kind have room.
  """
  kind, sizes = parse(name)
  for other, chip in sorted(CHIPS.items(), key=lambda item: item[0] != kind):
    for shape in chip.slices:
      count = math.prod(map(int, shape.split('x')))
      if other == kind and count <= math.prod(sizes):
        continue
      if has_room(chip, count):
        yield f'{other}:{shape}'
        break


@functools.cache
def describe(name: str) -> Topology:
  """Describes a TPU slice, on a machine without one.

  Args:
    name: Kind and size, e.g. 'v5e:2x4' or 'v5p:2x2x1'.

  Raises:
    PlanError: There is no such slice, or libtpu is missing.
  """
  _, sizes = parse(name)
  if not importlib.util.find_spec('libtpu'):
    raise PlanError(NO_LIBTPU)
  # Without these libtpu looks for a TPU, and complains of not being on one.
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  os.environ.setdefault('TPU_ACCELERATOR_TYPE', 'v5litepod-8')
  os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
  os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')
  from jax.experimental import topologies

  alone = math.prod(sizes) == 1
  bounds = {'chips_per_host_bounds': (1, 1, 1)} if alone else {}
  described = topologies.get_topology_desc(
    platform='tpu', topology_name=name, **bounds
  )
  return Topology(name=name, devices=described.devices)
