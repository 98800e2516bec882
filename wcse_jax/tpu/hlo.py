"""Optimised HLO text, read: computations and their instructions."""

from collections.abc import Mapping
import dataclasses
import math
import re

_HEAD = re.compile(r'(ENTRY )?%([\w.-]+) \(.*\{$')
_NAME = re.compile(r'\s+(ROOT )?%([\w.-]+) = ')
_NAMED = re.compile(r'%([\w.-]+)')
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


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Instruction:
  """One line of HLO.

  Attributes:
    name: Its name, without the %.
    opcode: What it does, e.g. 'fusion'.
    arrays: Arrays of the result.
    operands: The operands.
    number: Number of a parameter, or value of a whole constant; else -1.
    called: The computations it calls, in the order of the text.
    target: Target of a custom call.
    attributes: Text behind the operands.
  """

  name: str
  opcode: str
  arrays: tuple[Array, ...]
  operands: tuple['Instruction', ...]
  number: int
  called: tuple['Computation', ...]
  target: str
  attributes: str

  @property
  def size(self) -> float:
    return sum(array.size for array in self.arrays)

  @property
  def hbm(self) -> float:
    return sum(array.hbm for array in self.arrays)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Computation:
  """Instructions in order, and which of them is the root."""

  name: str
  instructions: tuple[Instruction, ...]
  root: Instruction


def parse(text: str) -> Computation:
  """Reads an HLO module.

  Args:
    text: The program, as `compiled.as_text()` gives it: what is called, or an
      operand, stands before what uses it.

  Returns:
    The entry, which leads to all else; nothing is counted yet.

  Raises:
    ValueError: It is not the text of an HLO module.
  """
  computations: dict[str, Computation] = {}
  instructions: dict[str, Instruction] = {}
  entry, inside, root = '', '', ''
  for line in text.splitlines():
    if head := _HEAD.match(line):
      inside, instructions = head[2], {}
      entry = inside if head[1] else entry
    elif line.startswith('}') and inside:
      computations[inside] = Computation(
        inside, tuple(instructions.values()), instructions[root]
      )
      inside = ''
    elif inside and (start := _NAME.match(line)):
      name, rest = start[2], line[start.end() :]
      instructions[name] = _instruction(name, rest, instructions, computations)
      root = name if start[1] else root
  if not entry:
    raise ValueError(f'no HLO module: {text[:80]!r}')
  return computations[entry]


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


def _instruction(
  name: str,
  rest: str,
  instructions: Mapping[str, Instruction],
  computations: Mapping[str, Computation],
) -> Instruction:
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
    called += _NAMED.findall(branches[1])
  target = re.search(r'custom_call_target="([^"]*)"', attributes)
  return Instruction(
    name=name,
    opcode=opcode[1],
    arrays=tuple(array(match) for match in _ARRAY.finditer(shape)),
    operands=tuple(instructions[n] for n in _NAMED.findall(inner)),
    number=int(inner) if re.fullmatch(r'\d+', inner) else -1,
    called=tuple(computations[n] for n in called),
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
