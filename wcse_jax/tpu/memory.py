"""What instructions of HLO move in a TPU's memory, HBM.

They move those of their operands and results that are in HBM, as they are laid
out there, padding included; what is in VMEM, `S(1)`, is free. Not seen: an
operand that one instruction reads more than once.
"""

import math

from wcse_jax.tpu.hlo import Computation, Instruction

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
# What a device receives of a collective's operand, when n take part.
RECEIVED = {
  'all-gather': lambda n: n - 1,
  'all-reduce': lambda n: 2 * (n - 1) / n,
  'all-to-all': lambda n: (n - 1) / n,
  'collective-permute': lambda n: 1,
  'reduce-scatter': lambda n: (n - 1) / n,
}


def moved(instruction: Instruction) -> float:
  """Returns the bytes that an instruction reads and writes in HBM."""
  opcode, arrays = instruction.opcode, instruction.arrays
  sources = instruction.operands
  if opcode in _FREE or opcode.endswith('-done'):
    return 0
  if instruction.target.startswith(_FREE_CALLS):
    return 0
  if opcode == 'copy-start':  # its result is (to, from, context)
    return arrays[0].hbm + arrays[1].hbm
  if opcode.endswith('-start') and opcode != 'all-reduce-start':
    opcode = opcode.removesuffix('-start')
    arrays = arrays[len(sources) :]  # it is (operands, results, context)
  if opcode == 'fusion':
    (called,) = instruction.called
    read = [min(s.hbm, _read(called, i)) for i, s in enumerate(sources)]
    return sum(read) + sum(
      min(a.hbm, _written(called, i)) for i, a in enumerate(arrays)
    )
  read = [source.hbm for source in sources]
  if opcode in _READ_A_PART:
    read[0] = min(read[0], arrays[0].size)
  if opcode in _WRITE_A_PART:
    part = sources[_WRITE_A_PART[opcode]].size
    return sum(read[1:]) + min(arrays[0].hbm, part)
  return sum(read) + sum(a.hbm for a in arrays)


def _read(fused: Computation, number: int) -> float:
  """Returns how much of a parameter a fusion reads; inf is all of it."""
  (parameter,) = (
    i
    for i in fused.instructions
    if i.opcode == 'parameter' and i.number == number
  )
  return _read_by_users(fused, parameter)


def _read_by_users(fused: Computation, instruction: Instruction) -> float:
  total = 0.0
  for user in fused.instructions:
    for i, operand in enumerate(user.operands):
      if operand is not instruction:
        continue
      if user.opcode in _SAME_ARRAY and user is not fused.root:
        total += _read_by_users(fused, user)
      elif user.opcode in _READ_A_PART and i == 0:
        total += user.size
      elif user.opcode == 'tuple' or user.opcode in RECEIVED:
        pass  # it is passed on, or counted with the collective
      elif user.opcode == 'fusion':
        total += _read(user.called[0], i)
      elif user.opcode not in _WRITE_A_PART or i > 0:
        return math.inf
  return total


def _written(fused: Computation, number: int) -> float:
  """Returns how much of a result a fusion writes; inf is all of it."""
  instruction = fused.root
  if instruction.opcode == 'tuple':
    instruction, number = instruction.operands[number], 0
  while True:
    if instruction.opcode == 'get-tuple-element':
      return math.inf
    if instruction.opcode == 'parameter' or instruction.opcode in RECEIVED:
      return 0
    if instruction.opcode == 'fusion':
      return _written(instruction.called[0], number)
    if instruction.opcode in _WRITE_A_PART:
      return instruction.operands[_WRITE_A_PART[instruction.opcode]].size
    if instruction.opcode not in _SAME_ARRAY:
      return math.inf
    instruction = instruction.operands[0]
