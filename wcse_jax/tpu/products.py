"""FLOPs of the products in HLO: `dot`, and `convolution` as TPUs have it."""

import math
import re

import numpy as np

from wcse_jax.tpu.hlo import Instruction


def flops(instruction: Instruction) -> float:
  """Returns the FLOPs of one instruction, 0 if it is no product."""
  if instruction.opcode not in ('dot', 'convolution'):
    return 0
  left, right = (operand.arrays[0].shape for operand in instruction.operands)
  (result,) = instruction.arrays
  if instruction.opcode == 'convolution':
    return 2 * _multiplications(
      left, right, result.shape, instruction.attributes
    )
  dims = re.search(r'lhs_contracting_dims=\{([\d,]*)\}', instruction.attributes)
  axes = [int(d) for d in dims[1].split(',') if d] if dims else []
  return 2 * math.prod(result.shape) * math.prod(left[d] for d in axes)


def _multiplications(left, right, result, attributes: str) -> float:
  """Returns the multiplications of a convolution.

  A batch dimension of a product is a spatial one here, of which the window
  sees one element at a time: only what it really sees counts.
  """
  labels = re.search(r'dim_labels=(\w+)_(\w+)->(\w+)', attributes)
  if not labels:
    raise ValueError(f'a convolution without dim_labels: {attributes[:80]}')
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
