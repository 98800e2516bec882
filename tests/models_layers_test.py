"""Products of a float32 weight with bfloat16 inputs, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax.models import layers


def _normal(seed, *shape):
  return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize(
  'equation, x_shape, w_shape',
  [
    ('TD,DF->TF', (32, 8), (8, 24)),
    ('TD,DF->TF', (31, 8), (8, 24)),  # in no whole tiles
    ('BTD,DF->BTF', (2, 16, 8), (8, 24)),
    ('TD,NDH->TNH', (32, 8), (3, 8, 5)),
    ('TNH,NHD->TD', (32, 3, 5), (3, 5, 8)),
    ('TD,CDF->CTF', (32, 8), (2, 8, 6)),
  ],
)
def test_a_gradient_is_the_float32_one_of_rounded_values(
  equation, x_shape, w_shape
):
  """Added up in float32: not even one of many rows is lost."""
  x, w = _normal(0, *x_shape).astype('bfloat16'), _normal(1, *w_shape)
  y, pull = jax.vjp(lambda x, w: layers.product(equation, x, w), x, w)
  g = _normal(2, *y.shape).astype('bfloat16')
  wide = lambda a: a.astype('bfloat16').astype('float32')
  y32, pull32 = jax.vjp(
    lambda x, w: jnp.einsum(equation, x, w), wide(x), wide(w)
  )
  (dx, dw), (dx32, dw32) = pull(g), pull32(wide(g))
  assert (y.dtype, dx.dtype, dw.dtype) == (x.dtype, x.dtype, 'float32')
  np.testing.assert_allclose(dw, dw32, rtol=1e-5, atol=1e-5)
  for ours, theirs in ((y, y32), (dx, dx32)):
    np.testing.assert_allclose(wide(ours), theirs, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize('shape', [(32, 8), (2, 16, 8)])
def test_scores_are_float32_and_so_is_the_gradient_of_the_table(shape):
  x, table = _normal(0, *shape).astype('bfloat16'), _normal(1, 50, 8)
  y, pull = jax.vjp(layers.scores, x, table)
  g = _normal(2, *y.shape).astype('bfloat16').astype('float32')
  dx, dtable = pull(g)
  assert (y.dtype, dx.dtype, dtable.dtype) == ('float32', x.dtype, 'float32')
  rounded = table.astype('bfloat16').astype('float32')
  flat = lambda a: np.asarray(a, np.float32).reshape(-1, a.shape[-1])
  np.testing.assert_allclose(flat(y), flat(x) @ rounded.T, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(dtable, flat(g).T @ flat(x), rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(flat(dx), flat(g) @ rounded, rtol=2e-2, atol=5e-2)


def test_the_scores_of_one_type_are_as_they_were():
  x, table = _normal(0, 3, 8), _normal(1, 50, 8)
  assert jnp.array_equal(layers.scores(x, table), x @ table.T)
