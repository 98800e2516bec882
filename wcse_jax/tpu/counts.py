"""Counts, from optimised HLO text, what a program moves and computes.

The compiler's own count (`cost_analysis`) takes each prefetch from HBM to VMEM
for a read, a write and another read, a lookup for a read of the whole table,
and each loop for one round of it. Here loops count as often as they run.
"""

from collections.abc import Iterator
import dataclasses
import functools
import math
import re

from wcse_jax.tpu import hlo, memory, products
from wcse_jax.tpu.hlo import Computation, Instruction

# Raise it with every change of what is counted, here or in what this imports:
# counts of other versions are not believed (see known.py).
VERSION = 1

# The name of a fusion that reduces, and keeps a part.
_REDUCE_SCATTER = 'all-reduce-scatter'


def count(text: str, unknown_trips: int = 1) -> 'Counts':
  """Reads a program, to count what one run of it takes.

  Args:
    text: The program, as `compiled.as_text()` gives it.
    unknown_trips: Rounds of a loop whose number the text does not tell.

  Raises:
    ValueError: It is not the text of an HLO module.
  """
  return Counts(hlo.parse(text), unknown_trips)


@dataclasses.dataclass(frozen=True, eq=False)
class Counts:
  """What one run of a program takes of a device.

  Attributes:
    entry: The program's entry.
    unknown_trips: Rounds of a loop whose number the text does not tell.
  """

  entry: Computation
  unknown_trips: int

  @property
  def hbm_bytes(self) -> float:
    """What one run reads and writes in HBM."""
    return sum(self.traffic.values())

  @functools.cached_property
  def traffic(self) -> dict[str, float]:
    """What `hbm_bytes` adds up, by instruction.

    Example:
      moved = counts.count(compiled.as_text()).traffic
      for name in sorted(moved, key=moved.get, reverse=True)[:10]:
        print(name, moved[name])
    """
    total: dict[str, float] = {}
    for _, instruction, times in self.run(self.entry):
      if size := memory.moved(instruction):
        name = instruction.name
        total[name] = total.get(name, 0) + size * times
    for where, instruction, times, fused in self._collectives:
      if fused:
        size = sum(operand.hbm for operand in instruction.operands)
        if not where.startswith(_REDUCE_SCATTER):  # that counted its result
          size += instruction.hbm
        total[instruction.name] = size * times
    return total

  @functools.cached_property
  def received(self) -> dict[str, float]:
    """Bytes that a device receives from others in one run, by collective."""
    total = dict.fromkeys(memory.RECEIVED, 0.0)
    for where, instruction, times, _ in self._collectives:
      size = sum(operand.size for operand in instruction.operands)
      kind = instruction.opcode.removesuffix('-start')
      if where.startswith(_REDUCE_SCATTER):
        kind = 'reduce-scatter'
      size *= memory.RECEIVED[kind](_group(instruction.attributes))
      total[kind] += size * times
    return total

  @functools.cached_property
  def flops(self) -> float:
    """FLOPs of the products in one run."""
    return sum(
      products.flops(instruction) * times
      for _, instruction, times, _ in self._with_fused()
    )

  @functools.cached_property
  def _collectives(self) -> list[tuple[str, Instruction, float, bool]]:
    """Its computation's name, what, how often, and whether it is in a fusion.

    What runs beside products stands in the fusions of all of them, always with
    the same channel: it is here once.
    """
    found = {}
    for where, instruction, times, fused in self._with_fused():
      if instruction.opcode.removesuffix('-start') in memory.RECEIVED:
        channel = re.search(r'channel_id=\d+', instruction.attributes)
        name = channel[0] if channel else instruction.name
        found[name] = where, instruction, times, fused
    return list(found.values())

  def _with_fused(self) -> Iterator[tuple[str, Instruction, float, bool]]:
    """Yields what `run` does, and what fusions are made of."""

    def inside(instruction: Instruction):
      for called in instruction.called:
        for inner in called.instructions:
          yield called.name, inner
          yield from inside(inner)

    for where, instruction, times in self.run(self.entry):
      yield where, instruction, times, False
      for name, inner in inside(instruction):
        yield name, inner, times, True

  def run(
    self, computation: Computation
  ) -> Iterator[tuple[str, Instruction, float]]:
    """Yields what runs: its computation's name, the instruction, how often."""
    for instruction in computation.instructions:
      called = instruction.called
      if instruction.opcode == 'while':
        trips = self.trips(*called)
        for part in called:  # condition, body
          for where, inner, times in self.run(part):
            yield where, inner, times * trips
      elif instruction.opcode == 'conditional':  # the branch that moves most
        branches = [list(self.run(branch)) for branch in called]
        yield from max(
          branches, key=lambda b: sum(memory.moved(i) * n for _, i, n in b)
        )
      elif instruction.opcode == 'call':
        yield from self.run(called[0])
      else:
        yield computation.name, instruction, 1

  def trips(self, condition: Computation, body: Computation) -> int:
    """Returns how often a loop `i < n; i += step` from 0 on runs.

    Else `unknown_trips`.
    """
    compare = condition.root
    if compare.opcode != 'compare':
      return self.unknown_trips
    bound, step = 0, 1
    for operand in compare.operands:
      bound = max(bound, operand.number)
      if place := re.search(r', index=(\d+)', operand.attributes):
        step = _step(body.root, int(place[1]))
    return -(-bound // step) or self.unknown_trips


def _step(state: Instruction, place: int) -> int:
  """Returns what a round adds to an element of a loop's state; at least 1."""
  if state.opcode != 'tuple':
    return 1
  after = state.operands[place]
  while after.opcode == 'copy':
    after = after.operands[0]
  if after.opcode != 'add':
    return 1
  return max(1, *(operand.number for operand in after.operands))


def _group(attributes: str) -> int:
  """Returns how many devices take part in a collective together.

  Raises:
    ValueError: They are written in another way than is known here.
  """
  if listed := re.search(r'replica_groups=\{\{([\d,]+)\}', attributes):
    return listed[1].count(',') + 1
  if iota := re.search(r'replica_groups=\[\d+,(\d+)\]<=', attributes):
    return int(iota[1])
  if mesh := re.search(r'replica_groups=mesh\[(.*?)\] \{(.*?)\}', attributes):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
    # An axis, or a part of one: 'tensor':(1)2 is two of its devices.
    axes = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", mesh[2])
    return math.prod(int(part or sizes[axis]) for axis, part in axes)
  if groups := re.search(r'replica_groups=\S*', attributes):
    raise ValueError(f'{groups[0]}: how many devices are these?')
  return 1
