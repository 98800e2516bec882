"""Counts, from optimised HLO text, what a program moves and computes.

The compiler's own count (`cost_analysis`) takes each prefetch from HBM to VMEM
for a read, a write and another read, a lookup for a read of the whole table,
and each loop for one round of it. Here loops count as often as they run, and an
instruction moves those of its operands and results that are in HBM, as they are
laid out there, padding included; what is in VMEM, `S(1)`, is free. Not seen: an
operand that one instruction reads more than once.
"""

from collections.abc import Iterator
import dataclasses
import functools
import math
import re

import numpy as np

_FREE = {
  'after-all',
  'bitcast',
  'constant',
  'get-tuple-element',
  'opt-barrier',
  'parameter',
  'partition-id',
  'replica-id',
  'tuple',
}
_FREE_CALLS = ('AllocateBuffer', 'AssumeGatherIndicesInBound', 'ConcatBitcast')
# They read only as much of their first operand as they return.
_READ_A_PART = {'dynamic-slice', 'gather', 'slice'}
# They write only as much as their operand of this number has.
_WRITE_A_PART = {'dynamic-update-slice': 1, 'scatter': 2}
_SAME_ARRAY = {'bitcast', 'reshape'}

# What a chip receives of its operand, when n chips take part.
_RECEIVED = {
  'all-gather': lambda n: n - 1,
  'all-reduce': lambda n: 2 * (n - 1) / n,
  'all-to-all': lambda n: (n - 1) / n,
  'collective-permute': lambda n: 1,
  'reduce-scatter': lambda n: (n - 1) / n,
}

# The name of a fusion that reduces, and keeps a part.
_REDUCE_SCATTER = 'all-reduce-scatter'

_HEAD = re.compile(r'(ENTRY )?%([\w.-]+) \(.*\{$')
_NAME = re.compile(r'\s+(ROOT )?%([\w.-]+) = ')
_OPCODE = re.compile(r' ([a-z][\w-]*)\(')
_ARRAY = re.compile(r'([a-z]+(\d*)\w*)\[([\d,]*)\](?:\{([^{}]*)\})?')
_CALLED = re.compile(
  r' (?:calls|to_apply|condition|body|true_computation|false_computation)'
  r'=%([\w.-]+)'
)


@dataclasses.dataclass(frozen=True)
class Array:
  """A result, or a part of one: its bytes, and whether it is in HBM."""

  shape: tuple[int, ...]
  size: float
  in_hbm: bool

  @property
  def hbm(self) -> float:
    return self.size if self.in_hbm else 0


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of HLO.

  Attributes:
    name: Without its %.
    opcode: E.g. 'fusion'.
    arrays: Of the result.
    operands: Names.
    number: Of a parameter; the value of a whole constant; else -1.
    called: Computations, in the order in which they stand.
    target: Of a custom call.
    attributes: What stands behind the operands.
  """

  name: str
  opcode: str
  arrays: tuple[Array, ...]
  operands: tuple[str, ...]
  number: int
  called: tuple[str, ...]
  target: str
  attributes: str

  @property
  def size(self) -> float:
    return sum(array.size for array in self.arrays)

  @property
  def hbm(self) -> float:
    return sum(array.hbm for array in self.arrays)


@dataclasses.dataclass(frozen=True)
class Computation:
  """Instructions by name, in order; and the root's name."""

  instructions: dict[str, Instruction]
  root: str


def parse(text: str, unknown_trips: int = 1) -> 'Module':
  """Reads an HLO module.

  Args:
    text: `compiled.as_text()`.
    unknown_trips: Iterations of a loop whose number the text does not tell.

  Raises:
    ValueError: It is not the text of an HLO module.
  """
  computations, entry, inside, root = {}, '', '', ''
  instructions: dict[str, Instruction] = {}
  for line in text.splitlines():
    if head := _HEAD.match(line):
      inside, instructions, root = head[2], {}, ''
      entry = inside if head[1] else entry
    elif line.startswith('}') and inside:
      computations[inside] = Computation(instructions, root)
      inside = ''
    elif inside and (start := _NAME.match(line)):
      name = start[2]
      instructions[name] = _instruction(name, line[start.end() :])
      root = name if start[1] else root
  if not entry:
    raise ValueError(f'no HLO module: {text[:80]!r}')
  return Module(computations, entry, unknown_trips)


def array(match: re.Match) -> Array:
  """Reads `bf16[4,1100]{1,0:T(8,128)(2,1)S(1)}`: 4 x 1100, in tiles, VMEM."""
  kind, bits, dims, layout = match.groups(default='')
  order, _, tiling = layout.partition(':')
  shape = tuple(int(d) for d in dims.split(',') if d)
  minor_first = [int(d) for d in order.split(',') if d] or range(len(shape))[
    ::-1
  ]
  sizes = [shape[d] for d in minor_first]
  if tile := re.match(r'T\(([\d,]+)\)', tiling):
    for i, length in enumerate(reversed(tile[1].split(','))):
      if i < len(sizes):
        sizes[i] = -(-sizes[i] // int(length)) * int(length)
  bits = int(bits) if bits else 8 * (kind == 'pred')
  return Array(
    shape=shape,
    size=math.prod(sizes) * bits / 8,
    in_hbm=not re.search(r'S\([1-9]\d*\)', tiling),
  )


def _instruction(name: str, rest: str) -> Instruction:
  rest = re.sub(r'/\*.*?\*/', '', rest)
  end = _closing(rest, 0) + 1 if rest[0] == '(' else rest.index(' ')
  shape, rest = rest[:end], rest[end:]
  opcode = _OPCODE.match(rest)
  if not opcode:
    raise ValueError(f'no opcode: {rest[:80]!r}')
  end = _closing(rest, opcode.end() - 1)
  inner, attributes = rest[opcode.end() : end], rest[end:]
  called = _CALLED.findall(attributes)
  if branches := re.search(r'branch_computations=\{([^}]*)\}', attributes):
    called += re.findall(r'%([\w.-]+)', branches[1])
  target = re.search(r'custom_call_target="([^"]*)"', attributes)
  return Instruction(
    name=name,
    opcode=opcode[1],
    arrays=tuple(array(match) for match in _ARRAY.finditer(shape)),
    operands=tuple(re.findall(r'%([\w.-]+)', inner)),
    number=int(inner) if re.fullmatch(r'\d+', inner) else -1,
    called=tuple(called),
    target=target[1] if target else '',
    attributes=attributes.partition(', metadata=')[0],
  )


def _closing(text: str, start: int) -> int:
  """Returns where the parenthesis that opens at `start` closes."""
  depth = 0
  for i in range(start, len(text)):
    depth += (text[i] == '(') - (text[i] == ')')
    if depth == 0:
      return i
  raise ValueError(f'unbalanced: {text[:80]!r}')


@dataclasses.dataclass(frozen=True, eq=False)
class Module:
  """A program: computations by name, and the entry's name."""

  computations: dict[str, Computation]
  entry: str
  unknown_trips: int = 1

  # --- what one run takes ----------------------------------------------------

  @property
  def hbm_bytes(self) -> float:
    """What one run reads and writes in HBM."""
    return sum(self.traffic.values())

  @functools.cached_property
  def traffic(self) -> dict[str, float]:
    """What `hbm_bytes` adds up, by instruction.

    Example:
      moved = hlo.parse(compiled.as_text()).traffic
      for name in sorted(moved, key=moved.get, reverse=True)[:10]:
        print(name, moved[name])
    """
    total: dict[str, float] = {}
    for where, instruction, times in self.run(self.entry):
      if size := self.moved(where, instruction):
        name = instruction.name
        total[name] = total.get(name, 0) + size * times
    for where, instruction, times, fused in self._collectives:
      if fused:
        made = self.computations[where].instructions
        size = sum(made[name].hbm for name in instruction.operands)
        if not where.startswith(_REDUCE_SCATTER):  # that counted its result
          size += instruction.hbm
        total[instruction.name] = size * times
    return total

  @functools.cached_property
  def received(self) -> dict[str, float]:
    """Bytes that a device receives from others in one run, by collective."""
    total = dict.fromkeys(_RECEIVED, 0.0)
    for where, instruction, times, _ in self._collectives:
      made = self.computations[where].instructions
      size = sum(made[name].size for name in instruction.operands)
      kind = instruction.opcode.removesuffix('-start')
      if where.startswith(_REDUCE_SCATTER):
        kind = 'reduce-scatter'
      size *= _RECEIVED[kind](_group(instruction.attributes))
      total[kind] += size * times
    return total

  @functools.cached_property
  def flops(self) -> float:
    """FLOPs of the products in one run."""
    return sum(
      self._flops(where, instruction) * times
      for where, instruction, times, _ in self._with_fused()
    )

  @functools.cached_property
  def _collectives(self) -> list[tuple[str, Instruction, float, bool]]:
    """Computation, instruction, how often, and whether it is in a fusion.

    What runs beside products stands in the fusions of all of them, always with
    the same channel: it is here once.
    """
    found = {}
    for where, instruction, times, fused in self._with_fused():
      if instruction.opcode.removesuffix('-start') in _RECEIVED:
        channel = re.search(r'channel_id=\d+', instruction.attributes)
        name = channel[0] if channel else instruction.name
        found[name] = where, instruction, times, fused
    return list(found.values())

  def _with_fused(self) -> Iterator[tuple[str, Instruction, float, bool]]:
    """Yields what `run` does, and what fusions are made of."""

    def inside(instruction: Instruction):
      for name in instruction.called:
        for inner in self.computations[name].instructions.values():
          yield name, inner
          yield from inside(inner)

    for where, instruction, times in self.run(self.entry):
      yield where, instruction, times, False
      for name, inner in inside(instruction):
        yield name, inner, times, True

  def run(self, name: str) -> Iterator[tuple[str, Instruction, float]]:
    """Yields what a run executes: computation, instruction, how often."""
    for instruction in self.computations[name].instructions.values():
      called = instruction.called
      if instruction.opcode == 'while':
        trips = self.trips(*called)
        for part in called:  # condition, body
          for where, inner, times in self.run(part):
            yield where, inner, times * trips
      elif instruction.opcode == 'conditional':  # the branch that moves most
        branches = [list(self.run(branch)) for branch in called]
        yield from max(
          branches, key=lambda b: sum(self.moved(w, i) * n for w, i, n in b)
        )
      elif instruction.opcode == 'call':
        yield from self.run(called[0])
      else:
        yield name, instruction, 1

  def trips(self, condition: str, body: str) -> int:
    """Returns how often a loop `i < n; i += step` from 0 on runs.

    Else `unknown_trips`.
    """
    made = self.computations[condition]
    compare = made.instructions[made.root]
    if compare.opcode != 'compare':
      return self.unknown_trips
    bound, step = 0, 1
    for name in compare.operands:
      operand = made.instructions[name]
      bound = max(bound, operand.number)
      if place := re.search(r', index=(\d+)', operand.attributes):
        step = self._step(body, int(place[1]))
    return -(-bound // step) or self.unknown_trips

  def _step(self, body: str, place: int) -> int:
    """Returns what a round adds to an element of a loop's state; at least 1."""
    made = self.computations[body]
    root = made.instructions[made.root]
    if root.opcode != 'tuple':
      return 1
    after = made.instructions[root.operands[place]]
    while after.opcode == 'copy':
      after = made.instructions[after.operands[0]]
    if after.opcode != 'add':
      return 1
    return max(1, *(made.instructions[n].number for n in after.operands))

  # --- products --------------------------------------------------------------

  def _flops(self, computation: str, instruction: Instruction) -> float:
    if instruction.opcode not in ('dot', 'convolution'):
      return 0
    made = self.computations[computation].instructions
    left, right = (made[n].arrays[0].shape for n in instruction.operands)
    (result,) = instruction.arrays
    if instruction.opcode == 'convolution':
      return 2 * _products(left, right, result.shape, instruction.attributes)
    dims = re.search(
      r'lhs_contracting_dims=\{([\d,]*)\}', instruction.attributes
    )
    axes = [int(d) for d in dims[1].split(',') if d] if dims else []
    return 2 * math.prod(result.shape) * math.prod(left[d] for d in axes)

  # --- HBM -------------------------------------------------------------------

  def moved(self, computation: str, instruction: Instruction) -> float:
    """Returns the bytes that an instruction reads and writes in HBM."""
    opcode, arrays = instruction.opcode, instruction.arrays
    if opcode in _FREE or opcode.endswith('-done'):
      return 0
    if instruction.target.startswith(_FREE_CALLS):
      return 0
    if opcode == 'copy-start':  # its result is (to, from, context)
      return arrays[0].hbm + arrays[1].hbm
    made = self.computations[computation].instructions
    sources = [made[name] for name in instruction.operands]
    if opcode.endswith('-start') and opcode != 'all-reduce-start':
      opcode = opcode.removesuffix('-start')
      arrays = arrays[len(sources) :]  # it is (operands, results, context)
    if opcode == 'fusion':
      (called,) = instruction.called
      read = [min(s.hbm, self.read(called, i)) for i, s in enumerate(sources)]
      return sum(read) + sum(
        min(a.hbm, self.written(called, i)) for i, a in enumerate(arrays)
      )
    read = [source.hbm for source in sources]
    if opcode in _READ_A_PART:
      read[0] = min(read[0], arrays[0].size)
    if opcode in _WRITE_A_PART:
      part = sources[_WRITE_A_PART[opcode]].size
      return sum(read[1:]) + min(arrays[0].hbm, part)
    return sum(read) + sum(a.hbm for a in arrays)

  def read(self, fused: str, number: int) -> float:
    """Returns how much of a parameter a fusion reads; inf is all of it."""
    made = self.computations[fused].instructions
    (name,) = (
      i.name
      for i in made.values()
      if i.opcode == 'parameter' and i.number == number
    )
    return self._read_by_users(fused, name)

  def _read_by_users(self, fused: str, name: str) -> float:
    made, total = self.computations[fused], 0.0
    for user in made.instructions.values():
      for i, operand in enumerate(user.operands):
        if operand != name:
          continue
        if user.opcode in _SAME_ARRAY and user.name != made.root:
          total += self._read_by_users(fused, user.name)
        elif user.opcode in _READ_A_PART and i == 0:
          total += user.size
        elif user.opcode == 'tuple' or user.opcode in _RECEIVED:
          pass  # it is passed on, or counted with the collective
        elif user.opcode == 'fusion':
          total += self.read(user.called[0], i)
        elif user.opcode not in _WRITE_A_PART or i > 0:
          return math.inf
    return total

  def written(self, fused: str, number: int) -> float:
    """Returns how much of a result a fusion writes; inf is all of it."""
    made = self.computations[fused].instructions
    instruction = made[self.computations[fused].root]
    if instruction.opcode == 'tuple':
      instruction, number = made[instruction.operands[number]], 0
    while True:
      if instruction.opcode == 'get-tuple-element':
        return math.inf
      if instruction.opcode == 'parameter' or instruction.opcode in _RECEIVED:
        return 0
      if instruction.opcode == 'fusion':
        return self.written(instruction.called[0], number)
      if instruction.opcode in _WRITE_A_PART:
        part = instruction.operands[_WRITE_A_PART[instruction.opcode]]
        return made[part].size
      if instruction.opcode not in _SAME_ARRAY:
        return math.inf
      instruction = made[instruction.operands[0]]


def _group(attributes: str) -> int:
  """Returns how many devices take part in a collective together."""
  if listed := re.search(r'replica_groups=\{\{([\d,]+)\}', attributes):
    return listed[1].count(',') + 1
  if iota := re.search(r'replica_groups=\[\d+,(\d+)\]<=', attributes):
    return int(iota[1])
  return 1


def _products(left, right, result, attributes: str) -> float:
  """Returns the multiplications of a convolution.

  A batch dimension of a product is a spatial one here, of which the window
  sees one element at a time: only what it really sees counts.
  """
  labels = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', attributes)
  assert labels, attributes
  count = 1.0
  for label, size in zip(labels[3], result, strict=True):
    if label in 'bf':
      count *= size
  count *= right[labels[2].index('i')]
  window = re.search(r'window=\{([^}]*)\}', attributes)
  fields = dict(
    field.split('=') for field in (window[1].split() if window else [])
  )
  at = lambda name, d, default: int(
    fields[name].split('x')[d] if name in fields else default
  )
  for d in range(len(left) - 2):
    pad = fields['pad'].split('x')[d].split('_')[0] if 'pad' in fields else 0
    outputs = np.arange(result[labels[3].index(str(d))])[:, None]
    taps = np.arange(at('size', d, 1))
    seen = (
      outputs * at('stride', d, 1) + taps * at('rhs_dilate', d, 1) - int(pad)
    )
    dilated = at('lhs_dilate', d, 1)
    inside = (seen >= 0) & (
      seen <= (left[labels[1].index(str(d))] - 1) * dilated
    )
    count *= np.count_nonzero(inside & (seen % dilated == 0))
  return count
