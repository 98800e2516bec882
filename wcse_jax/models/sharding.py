"""Which axis of which array is laid over which axis of the mesh."""

from collections.abc import Mapping

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

# Logical axes of each parameter, by the last names of its path.
_PARAM_AXES: dict[str, tuple[str | None, ...]] = {
  'input_embedding': ('vocab', 'embed'),
  'q_einsum/w': ('heads', 'embed', None),
  'kv_einsum/w': (None, 'kv_heads', 'embed', None),
  'qkv_einsum/w': (None, 'heads', 'embed', None),
  'attn_vec_einsum/w': ('heads', None, 'embed'),
  'gating_einsum': (None, 'embed', 'mlp'),
  'gating_einsum_transposed': (None, 'mlp', 'embed'),
  'linear': ('mlp', 'embed'),
  'qkv/w': ('kv_heads', 'embed'),  # this and the next two as merged
  'gate': ('embed', 'mlp'),
  'up': ('embed', 'mlp'),
}

# Logical axis -> mesh axis. Decoding keeps weights whole along `embed`: to
# shard them there would gather them at every step.
DECODE = {
  'batch': 'data',
  'vocab': 'tensor',
  'heads': 'tensor',
  'kv_heads': 'tensor',
  'mlp': 'tensor',
}
TRAIN = DECODE | {'embed': 'data'}


def make_mesh(data: int = 0, tensor: int = 1, devices=None) -> Mesh:
  """Lays devices out as (data, tensor); data = 0 takes all there are.

  Raises:
    ValueError: The devices do not divide that way.
  """
  devices = np.array(devices if devices is not None else jax.devices())
  data = data or max(1, devices.size // tensor)
  if data * tensor > devices.size:
    raise ValueError(
      f'a mesh of {data} x {tensor} (config.mesh.data x config.mesh.tensor)'
      f' needs {data * tensor} devices; there are {devices.size}'
    )
  grid = devices[: data * tensor].reshape(data, tensor)
  return Mesh(grid, ('data', 'tensor'))


def named(mesh: Mesh, rules: Mapping[str, str], shape, axes) -> NamedSharding:
  """Shards each axis by its rule where it divides; else replicates it."""
  spec = []
  for size, axis in zip(shape, axes, strict=True):
    over = rules.get(axis) if axis is not None else None
    spec.append(over if over and size % mesh.shape[over] == 0 else None)
  return NamedSharding(mesh, PartitionSpec(*spec))


def params_shardings(params, mesh: Mesh, rules: Mapping[str, str], config):
  """Returns the sharding of each parameter, as a tree like `params`."""

  def sharding(path, leaf):
    names = [p.key for p in path]
    name = names[-1] if names[-1] != 'w' else '/'.join(names[-2:])
    if name == 'gating_einsum' and config.transpose_gating_einsum:
      name = 'gating_einsum_transposed'
    axes = _PARAM_AXES.get(name, (None,) * leaf.ndim)
    return named(mesh, rules, leaf.shape, axes)

  return jax.tree.map_with_path(sharding, params)
