"""Experts: each token is multiplied by the few that a router gives it to."""

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from wcse_jax.models import layers, presets, sharding

_whole = lambda axis: PartitionSpec()
# Which axis of weights, and of the factors of their adapters, is of experts.
_EXPERTS = {
  ('gating_einsum', 'w'): lambda axis: PartitionSpec(axis),
  ('gating_einsum', 'b'): lambda axis: PartitionSpec(None, axis),
  ('linear', 'w'): lambda axis: PartitionSpec(axis),
  ('linear', 'a'): lambda axis: PartitionSpec(axis),
}


class Experts(nn.Module):
  """A mixture of gated feed-forward layers, of which a token sees a few.

  Attributes:
    config: The architecture.
    mesh: Devices that experts are laid over; None is one.
  """

  config: presets.GemmaConfig
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD, residual_BxTxD):
    """Returns the chosen experts' sum, by the router's weights, [B, T, D].

    Args:
      x_BxTxD: What the experts see.
      residual_BxTxD: The same before it was normalised.
    """
    c = self.config
    e, f, d = c.num_experts, c.expert_dim, c.embed_dim
    ones = nn.initializers.ones
    # By its own name: weights say which of the two they were trained with.
    name = 'residual_' if c.routes_residual else ''
    x = residual_BxTxD if c.routes_residual else x_BxTxD
    x = layers.RMSNorm(has_scale=False)(x) * d**-0.5
    x *= self.param(f'{name}router_scale', ones, (d,)).astype(x.dtype)
    router = layers.Einsum((d, e), name='router_logits')
    logits_BxTxE = router('BTD,DE->BTE', x).astype(jnp.float32)
    # Of a softmax over all, those of the chosen, divided by their sum.
    chosen_BxTxC, choice_BxTxC = jax.lax.top_k(logits_BxTxE, c.top_k_experts)
    share_BxTxC = jax.nn.softmax(chosen_BxTxC, axis=-1)
    scale_E = self.param('per_expert_scale', ones, (e,))
    share_BxTxC *= scale_E.astype(jnp.float32)[choice_BxTxC]
    weights = {
      'gating_einsum': _Weight((e, 2, f, d), name='gating_einsum')(),
      'linear': _Weight((e, f, d), name='linear')(),
    }
    args = x_BxTxD, choice_BxTxC, share_BxTxC.astype(x_BxTxD.dtype), weights
    if self.mesh is None:
      return _mixed(*args)
    place = functools.partial(sharding.named, self.mesh, sharding.TRAIN)
    by_row = place(x_BxTxD.shape, ('batch', None, None)).spec
    (axis,) = place((e,), ('experts',)).spec
    specs = jax.tree.map_with_path(
      lambda path, _: _EXPERTS.get(tuple(p.key for p in path), _whole)(axis),
      weights,
    )
    return jax.shard_map(
      functools.partial(_mixed, axis=axis),
      mesh=self.mesh,
      in_specs=(by_row, by_row, by_row, specs),
      out_specs=by_row,
      check_vma=False,
    )(*args)


class _Weight(nn.Module):
  """A weight `w` of all experts, with the factors of its adapter."""

  shape: tuple[int, ...]

  @nn.compact
  def __call__(self) -> dict[str, Any]:
    weight = {'w': self.param('w', nn.initializers.normal(), self.shape)}
    if self.has_variable('adapters', 'w'):
      weight |= self.get_variable('adapters', 'w')
    return weight


def _mixed(x_BxTxD, choice_BxTxC, share_BxTxC, weights, axis=None):
  """Returns the sum of a device's experts, added up over those of `axis`."""
  b, t, d = x_BxTxD.shape
  choices = choice_BxTxC.shape[-1]
  gating, linear = weights['gating_einsum'], weights['linear']
  here = len(gating['w'])
  first = 0 if axis is None else jax.lax.axis_index(axis) * here
  expert_M = choice_BxTxC.reshape(-1) - first
  # Those of other devices come last, behind all groups.
  expert_M = jnp.where((expert_M >= 0) & (expert_M < here), expert_M, here)
  order_M = jnp.argsort(expert_M)
  sizes_E = jnp.bincount(expert_M, length=here).astype(jnp.int32)
  x_MxD = x_BxTxD.reshape(-1, d)[order_M // choices]
  product = functools.partial(jax.lax.ragged_dot, group_sizes=sizes_E)

  def into(weight, x):  # (E, 2, F, D), summed over D
    w = weight['w'].astype(x.dtype)
    e, two, f, _ = w.shape
    y = product(x, jnp.moveaxis(w, 3, 1).reshape(e, d, two * f))
    if 'a' in weight:
      a, b = weight['a'].astype(x.dtype), weight['b'].astype(x.dtype)
      b = jnp.moveaxis(b, 0, 1).reshape(e, -1, two * f)
      y += product(x @ a, b)
    return y.reshape(-1, two, f)

  def out_of(weight, x):  # (E, F, D), summed over F
    y = product(x, weight['w'].astype(x.dtype))
    if 'a' in weight:
      y += product(x, weight['a'].astype(x.dtype)) @ weight['b'].astype(x.dtype)
    return y

  both_Mx2xF = into(gating, x_MxD)
  y_MxD = out_of(linear, nn.gelu(both_Mx2xF[:, 0]) * both_Mx2xF[:, 1])
  y_MxD *= share_BxTxC.reshape(-1)[order_M][:, None]
  # Rows behind all groups are of no expert here.
  y_MxD = jnp.where((expert_M[order_M] < here)[:, None], y_MxD, 0)
  y_MxD = y_MxD[jnp.argsort(order_M)]
  y_BxTxD = y_MxD.reshape(b, t, choices, d).sum(2)
  return y_BxTxD if axis is None else jax.lax.psum(y_BxTxD, axis)
