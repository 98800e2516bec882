"""What Gemma's layers are made of: norms, products with weights, layouts."""

import functools
import re
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from wcse_jax.models import int8, presets, sharding


class RMSNorm(nn.Module):
  """Scales to unit root mean square, times `offset` + scale.

  Attributes:
    offset: 1 up to Gemma 3, 0 in Gemma 4.
    has_scale: Whether there is a scale; without one nothing is multiplied.
  """

  offset: float = 1.0
  has_scale: bool = True

  @nn.compact
  def __call__(self, x):
    x_32 = x.astype(jnp.float32)
    variance = jnp.mean(jnp.square(x_32), axis=-1, keepdims=True)
    x_32 = x_32 * jax.lax.rsqrt(variance + 1e-6)
    if self.has_scale:
      init = nn.initializers.constant(1 - self.offset)
      scale = self.param('scale', init, (x.shape[-1],))
      x_32 = x_32 * (self.offset + scale.astype(jnp.float32))
    return x_32.astype(x.dtype)


def norm_of(config: presets.GemmaConfig, name: str | None = None) -> RMSNorm:
  """Returns a norm as an architecture has them, by the name of its weights.

  Example:
    >>> norm_of(presets.PRESETS['gemma4_e2b'].config).offset
    0.0
  """
  return RMSNorm(0.0 if config.gemma4 else 1.0, name=name)


class Einsum(nn.Module):
  """A weight `w` and the einsum that applies it."""

  shape: tuple[int, ...]

  @nn.compact
  def __call__(self, equation: str, x: jax.Array) -> jax.Array:
    w = self.param('w', nn.initializers.normal(), self.shape)
    return adapt(self, 'w', equation, x, product(equation, x, w))


def product(
  equation: str, x: jax.Array, w: jax.Array | int8.Int8, dtype: Any = None
) -> jax.Array:
  """Returns einsum(x, w); w's gradient is added up in w's dtype.

  Args:
    equation: The einsum, input first, e.g. 'BTD,DF->BTF'.
    x: Input, e.g. in bfloat16.
    w: Weight, e.g. in float32, or in eight bits.
    dtype: Of the product; None is x's.

  Example:
    >>> x, w = jnp.ones((3, 2), 'bfloat16'), jnp.ones((2, 5))
    >>> loss = lambda w: product('TD,DF->TF', x, w).astype('float32').sum()
    >>> str(product('TD,DF->TF', x, w).dtype), str(jax.grad(loss)(w).dtype)
    ('bfloat16', 'float32')
  """
  if isinstance(w, int8.Int8):
    return int8.einsum(equation, x, w, dtype)
  if w.dtype == x.dtype:
    return jnp.einsum(equation, x, w, preferred_element_type=dtype)
  return _mixed_product(equation, dtype, x, w)


def scores(x: jax.Array, table_VxD: jax.Array | int8.Int8) -> jax.Array:
  """Returns the product [..., V] of x [..., D] with each row, in float32."""
  rows = 'ABT'[4 - x.ndim :]
  return product(f'{rows}D,VD->{rows}V', x, table_VxD, jnp.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _mixed_product(equation, dtype, x, w):
  w = w.astype(x.dtype)
  return jnp.einsum(equation, x, w, preferred_element_type=dtype)


def _mixed_product_forward(equation, dtype, x, w):
  # Written out: a policy of REMAT does not look into what has a gradient of
  # its own.
  y = jnp.einsum(equation, x, w.astype(x.dtype), preferred_element_type=dtype)
  return y, (x, w)


def _mixed_product_backward(equation, dtype, x_and_w, g):
  # Of bfloat16 products over rows and devices, the sum is in float32.
  del dtype
  x, w = x_and_w
  g = g.astype(x.dtype)
  inputs, weight, output = re.split('->|,', equation)
  return (
    jnp.einsum(f'{output},{weight}->{inputs}', g, w.astype(g.dtype)),
    jax.lax.platform_dependent(
      x,
      g,
      cpu=functools.partial(_gradient, equation, w.dtype, tile=16),
      default=functools.partial(_gradient, equation, w.dtype),
    ),
  )


def _gradient(equation, dtype, x, g, tile=1):
  """Returns the gradient of a weight, added up in a type.

  Where rows have one axis, XLA multiplies bfloat16 on a CPU at a third of the
  rate that it reaches where they have two: they are cut into tiles.
  """
  inputs, weight, output = re.split('->|,', equation)
  rows = [c for c in inputs if c not in weight]
  if len(rows) == 1 and x.shape[inputs.index(rows[0])] % tile == 0:
    (row,) = rows
    x, g = (
      _tiled(a, of.index(row), tile) for a, of in ((x, inputs), (g, output))
    )
    inputs, output = (of.replace(row, f'{row}t') for of in (inputs, output))
  return jnp.einsum(
    f'{inputs},{output}->{weight}', x, g, preferred_element_type=dtype
  )


def _tiled(x, axis, tile):
  before, after = x.shape[:axis], x.shape[axis + 1 :]
  return x.reshape(*before, -1, tile, *after)


_mixed_product.defvjp(_mixed_product_forward, _mixed_product_backward)


def adapt(module: nn.Module, name: str, equation: str, x, y):
  """Adds to y = einsum(x, w) what w's adapter adds, if it has one.

  An adapter is two factors in the collection `adapters`: a, from the axes that
  the weight sums over to the rank, and b, from the rank to its other axes.

  Args:
    module: The module that holds the weight.
    name: The weight's name.
    equation: The einsum, input first.
    x: Input.
    y: The product with the weight.

  Example:
    >>> x = jnp.ones((1, 2))
    >>> factors = {'a': jnp.full((2, 1), 3.0), 'b': jnp.full((1, 4), 0.5)}
    >>> held = {'params': {'w': jnp.zeros((2, 4))}, 'adapters': {'w': factors}}
    >>> Einsum((2, 4)).apply(held, 'TD,DF->TF', x).tolist()
    [[3.0, 3.0, 3.0, 3.0]]
  """
  if not module.has_variable('adapters', name):
    return y
  factors = module.get_variable('adapters', name)
  inputs, weight, output = re.split('->|,', equation)
  summed = ''.join(c for c in weight if c in inputs)
  rest = ''.join(c for c in weight if c not in inputs)
  kept = ''.join(c for c in inputs if c not in summed)
  a, b = factors['a'].astype(x.dtype), factors['b'].astype(x.dtype)
  x = jnp.einsum(f'{inputs},{summed}r->{kept}r', x, a)
  return y + jnp.einsum(f'{kept}r,r{rest}->{output}', x, b)


def laid(x: jax.Array, mesh: Mesh | None, *axes: str | None) -> jax.Array:
  """Lays an activation over the devices that train, if there are several.

  Args:
    x: The activation.
    mesh: The devices; None is one.
    *axes: Logical name of each of its axes, see `sharding.TRAIN`.

  Example:
    >>> laid(jnp.arange(2), None, 'batch').tolist()
    [0, 1]
  """
  if mesh is None:
    return x
  where = sharding.named(mesh, sharding.TRAIN, x.shape, axes)
  return jax.lax.with_sharding_constraint(x, where)
