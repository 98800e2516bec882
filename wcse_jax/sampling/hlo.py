"""Counts, from optimised HLO text, the bytes that a program moves in HBM.

The compiler's own count (`cost_analysis`) takes each prefetch from HBM to VMEM
for a read, a write and another read, and a lookup for a read of the whole
table. Here an instruction moves those of its operands and results that are in
HBM, as they are laid out there, padding included; what is in VMEM, `S(1)`, is
free. Not seen: an operand that one instruction reads more than once.
"""

from collections.abc import Iterator
import dataclasses
import math
import re

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
  """

  name: str
  opcode: str
  arrays: tuple[Array, ...]
  operands: tuple[str, ...]
  number: int
  called: tuple[str, ...]
  target: str

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


def hbm_bytes(text: str, unknown_trips: int = 1) -> float:
  """Returns the bytes that one run of a program moves in HBM.

  Args:
    text: `compiled.as_text()`.
    unknown_trips: Iterations of a loop whose number the text does not tell.
  """
  return sum(traffic(text, unknown_trips).values())


def traffic(text: str, unknown_trips: int = 1) -> dict[str, float]:
  """Returns what `hbm_bytes` adds up, by instruction.

  Example:
    moved = traffic(compiled.as_text())
    for name in sorted(moved, key=moved.get, reverse=True)[:10]:
      print(name, moved[name])
  """
  computations, entry = parse(text)
  moved: dict[str, float] = {}
  counter = _Counter(computations, unknown_trips)
  for instruction, size in counter.run(entry):
    if size:
      moved[instruction.name] = moved.get(instruction.name, 0) + size
  return moved


def parse(text: str) -> tuple[dict[str, Computation], str]:
  """Returns the computations of a module by name, and the entry's name.

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
  return computations, entry


def array(match: re.Match) -> Array:
  """Reads `bf16[4,1100]{1,0:T(8,128)(2,1)S(1)}`: 4 x 1100, in tiles, VMEM."""
  kind, bits, dims, layout = match.groups(default='')
  order, _, tiling = layout.partition(':')
  sizes = [int(d) for d in dims.split(',') if d]
  minor_first = [int(d) for d in order.split(',') if d] or range(len(sizes))[
    ::-1
  ]
  sizes = [sizes[d] for d in minor_first]
  if tile := re.match(r'T\(([\d,]+)\)', tiling):
    for i, length in enumerate(reversed(tile[1].split(','))):
      if i < len(sizes):
        sizes[i] = -(-sizes[i] // int(length)) * int(length)
  bits = int(bits) if bits else 8 * (kind == 'pred')
  return Array(
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
  )


def _closing(text: str, start: int) -> int:
  """Returns where the parenthesis that opens at `start` closes."""
  depth = 0
  for i in range(start, len(text)):
    depth += (text[i] == '(') - (text[i] == ')')
    if depth == 0:
      return i
  raise ValueError(f'unbalanced: {text[:80]!r}')


@dataclasses.dataclass(frozen=True)
class _Counter:
  """Walks through a module."""

  computations: dict[str, Computation]
  unknown_trips: int

  def run(self, name: str) -> Iterator[tuple[Instruction, float]]:
    """Yields instructions, and the bytes each moves in one run."""
    for instruction in self.computations[name].instructions.values():
      called = instruction.called
      if instruction.opcode == 'while':
        trips = self.trips(called[0])
        for part in called:  # condition, body
          for inner, size in self.run(part):
            yield inner, size * trips
      elif instruction.opcode == 'conditional':  # the branch that moves most
        branches = [list(self.run(branch)) for branch in called]
        yield from max(branches, key=lambda b: sum(size for _, size in b))
      elif instruction.opcode == 'call':
        yield from self.run(called[0])
      else:
        yield instruction, self.moved(name, instruction)

  def trips(self, condition: str) -> int:
    """Returns n of `i < n`, else `unknown_trips`."""
    made = self.computations[condition]
    root = made.instructions[made.root]
    if root.opcode == 'compare':
      for name in root.operands:
        if made.instructions[name].number >= 0:
          return made.instructions[name].number
    return self.unknown_trips

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
      if instruction.opcode == 'fusion':
        return self.written(instruction.called[0], number)
      if instruction.opcode in _WRITE_A_PART:
        part = instruction.operands[_WRITE_A_PART[instruction.opcode]]
        return made[part].size
      if instruction.opcode not in _SAME_ARRAY:
        return math.inf
      instruction = made[instruction.operands[0]]
