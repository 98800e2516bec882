"""Weights, keys and values in eight bits; products with weights.

A weight w is stored, with a scale for each output, as round(w / scale), from
-127 to 127. For a product each row of the input is rounded to eight bits in the
same way, so that the product is one of integers, whose sums are exact;
processors do several times as many of these in a second as of floats. Only
decoding uses it: nothing is trained so.
"""

import re
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

_MOST = 127
# The axes that a product sums over, by the end of a weight's path, of layers as
# `gemma.merge_layer` lays them out. The last product of the feed-forward layer
# is not among them: a few numbers of its input are so large that of the others
# eight bits would leave little (benchmarks/formats.py).
SUMMED = {
  'input_embedding': (1,),
  'per_layer_embeddings': (2,),
  'per_layer_model_projection/w': (0,),
  'per_layer_input_gate/w': (0,),
  'per_layer_projection/w': (0,),
  'attn/qkv/w': (1,),
  'attn_vec_einsum/w': (0, 1),
  'gate': (0,),
  'up': (0,),
}


class Int8(flax.struct.PyTreeNode):
  """A weight in eight bits.

  Attributes:
    values: Its values by their scale, int8, of the weight's shape.
    scale: What they are multiplied by, float32; of length 1 on the axes that a
      product sums over.
  """

  values: jax.Array
  scale: jax.Array

  def __getitem__(self, rows: jax.Array) -> jax.Array:
    """Returns rows of a table, as floats."""
    return self.values[rows] * self.scale[rows]


def quantized(w: jax.Array, axes: tuple[int, ...]) -> Int8:
  """Rounds an array to eight bits.

  Args:
    w: The array, of floats.
    axes: Those whose entries share a scale, for they are summed over.

  Example:
    >>> made = quantized(jnp.array([[-1.0, 0.5, 2.0]]), (1,))
    >>> made.values.tolist(), (127 * made.scale).tolist()
    ([[-64, 32, 127]], [[2.0]])
  """
  w = w.astype(jnp.float32)
  largest = jnp.max(jnp.abs(w), axis=axes, keepdims=True)
  scale = jnp.where(largest == 0, 1, largest) / _MOST
  return Int8(values=jnp.round(w / scale).astype(jnp.int8), scale=scale)


class Rows(flax.struct.PyTreeNode):
  """Keys or values in eight bits, a scale for each token and kv head.

  Attributes:
    values: They by their scale, int8, [B, K, S, H], or [K, S, H].
    scale: What they are multiplied by, float32, of the shape without H.
  """

  values: jax.Array
  scale: jax.Array

  @property
  def shape(self) -> tuple[int, ...]:
    return self.values.shape

  @property
  def ndim(self) -> int:
    return self.values.ndim

  def __getitem__(self, at: Any) -> 'Rows':
    """Returns some of them, by axes before H."""
    return Rows(values=self.values[at], scale=self.scale[at])


def rows(x: jax.Array) -> Rows:
  """Rounds keys or values to eight bits, a scale for each row of H.

  Example:
    >>> made = rows(jnp.array([[[-1.0, 0.5], [0.0, 4.0]]]))
    >>> made.values.tolist(), (127 * made.scale).tolist()
    ([[[-127, 64], [0, 127]]], [[1.0, 4.0]])
  """
  made = quantized(x, (x.ndim - 1,))
  return Rows(values=made.values, scale=made.scale[..., 0])


def rows_shapes(struct: Any, axes: tuple, *shape: int) -> Rows:
  """Returns the shapes of what `rows` makes of keys or values.

  Args:
    struct: Makes a shape of a dtype, the logical axes and the lengths.
    axes: Logical name of each axis.
    *shape: Length of each axis.
  """
  return Rows(
    values=struct(jnp.int8, axes, *shape),
    scale=struct(jnp.float32, axes[:-1], *shape[:-1]),
  )


def axes_of(path: str) -> tuple[int, ...] | None:
  """Returns the axes that products sum over of a weight; None if it has none.

  Args:
    path: Of the weight in the tree, e.g. 'layer_0/mlp/gate'.

  Example:
    >>> axes_of('layer_0/attn/attn_vec_einsum/w'), axes_of('final_norm/scale')
    ((0, 1), None)
  """
  for end, axes in SUMMED.items():
    if path == end or path.endswith(f'/{end}'):
      return axes
  return None


@jax.jit
def stored(params: Any) -> Any:
  """Returns parameters with all weights of `SUMMED` in eight bits.

  Args:
    params: Of a model or a layer, as nested dicts of floats.

  Example:
    >>> made = stored({'mlp': {'gate': jnp.ones((4, 2))}, 'x': jnp.ones(1)})
    >>> made['mlp']['gate'].scale.shape, made['x'].dtype
    ((1, 2), dtype('float32'))
  """

  def store(path, w):
    axes = axes_of('/'.join(part.key for part in path))
    return w if axes is None else quantized(w, axes)

  return jax.tree.map_with_path(store, params)


def einsum(equation: str, x: jax.Array, w: Int8, dtype=None) -> jax.Array:
  """Returns a product, for which x is rounded to eight bits row by row.

  Args:
    equation: The einsum, input first, e.g. 'BTD,DF->BTF'. What is summed over
      is no axis of the output.
    x: Input, of floats.
    w: The weight, quantized over the axes that are summed over.
    dtype: Type of the output; None is x's.

  Example:
    >>> w = quantized(jnp.array([[1.0, 3.0], [2.0, -4.0]]), (0,))
    >>> y = einsum('TD,DF->TF', jnp.array([[1.0, 0.5]]), w)
    >>> [round(float(v), 1) for v in y[0]]  # of 2 and 1
    [2.0, 1.0]
  """
  inputs, weight, output = re.split('->|,', equation)
  summed = tuple(i for i, axis in enumerate(inputs) if axis not in output)
  rows = quantized(x, summed)
  y = jnp.einsum(
    equation, rows.values, w.values, preferred_element_type=jnp.int32
  )
  y = y.astype(jnp.float32)
  for letters, scale in ((inputs, rows.scale), (weight, w.scale)):
    y = y * _over(output, letters, scale)
  return y.astype(dtype or x.dtype)


def _over(output: str, letters: str, scale: jax.Array) -> jax.Array:
  """Returns a scale with the axes of the output, in whose order it is."""
  length = dict(zip(letters, scale.shape, strict=True))
  return scale.reshape([length.get(axis, 1) for axis in output])
