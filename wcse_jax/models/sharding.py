"""Which axis of which array is laid over which axes of the mesh."""

from collections.abc import Mapping
import math
import re
from typing import Any

import flax.traverse_util
import jax
from jax.experimental import mesh_utils
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from wcse_jax.models import int8

# Logical axes of the weights that `gemma.merge_layer` makes.
_MERGED: dict[str, tuple[str | None, ...]] = {
  'attn/qkv/w': ('kv_heads', 'embed'),
  'mlp/gate': ('embed', 'mlp'),
  'mlp/up': ('embed', 'mlp'),
  'mlp2/gate': ('embed', 'mlp'),
  'mlp2/up': ('embed', 'mlp'),
}

# Logical axis -> mesh axes. Decoding keeps weights whole along `embed`: to
# shard them there would gather them at every step.
Rules = Mapping[str, tuple[str, ...]]
DECODE: Rules = {
  'batch': ('data',),
  'vocab': ('tensor',),
  'heads': ('tensor',),
  'kv_heads': ('tensor',),
  'mlp': ('tensor',),
  'experts': ('tensor',),
}
# Training has parameters, gradients and moments in as many parts as there are
# devices of `fsdp`, and gathers a layer's weights when it is their turn. The
# embedding, larger than any layer, is never gathered: it is in parts along the
# vocabulary, and the logits with it, whose rows (`rows`) then are not.
TRAIN: Rules = {
  'batch': ('data', 'fsdp'),
  'rows': ('data',),
  'embed': ('fsdp',),
  'vocab': ('fsdp', 'tensor'),
  'heads': ('tensor',),
  'kv_heads': ('tensor',),
  'mlp': ('tensor',),
  'experts': ('tensor',),
}


def make_mesh(data: int = 0, tensor: int = 1, devices=None) -> Mesh:
  """Lays devices out for sampling, as (data, tensor).

  Args:
    data: Number of groups, each of which holds the model; 0 takes all devices.
    tensor: Number of devices that share the model.
    devices: The devices; None is all of this process.

  Raises:
    ValueError: There are too few devices.

  Example:
    >>> dict(make_mesh(1, 1).shape)
    {'data': 1, 'tensor': 1}
    >>> make_mesh(999, 2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: a mesh of 999 x 2 (...) needs 1998 devices; there are ...
  """
  devices = list(devices if devices is not None else jax.devices())
  shape = data or max(1, len(devices) // tensor), tensor
  used = _first(devices, shape, 'config.mesh.data x config.mesh.tensor')
  return Mesh(np.reshape(used, shape), ('data', 'tensor'))


def train_mesh(
  data: int = 1, fsdp: int = 0, tensor: int = 1, devices=None
) -> Mesh:
  """Lays devices out for finetuning, as (data, fsdp, tensor).

  Args:
    data: Number of groups, each of which holds parameters and moments.
    fsdp: Number of parts that these are in; 0 takes all devices.
    tensor: Number of devices that share a layer's products.
    devices: The devices; None is all there are.

  Raises:
    ValueError: There are too few devices.

  Example:
    >>> dict(train_mesh(fsdp=1).shape)
    {'data': 1, 'fsdp': 1, 'tensor': 1}
    >>> train_mesh().shape['fsdp'] == jax.device_count()
    True
  """
  devices = list(devices if devices is not None else jax.devices())
  fsdp = fsdp or max(1, len(devices) // (data * tensor))
  shape = (data, fsdp, tensor)
  used = _first(devices, shape, 'finetune.layout.data x fsdp x tensor')
  grid = mesh_utils.create_device_mesh(
    shape, used, allow_split_physical_axes=True
  )
  return Mesh(grid, ('data', 'fsdp', 'tensor'))


def _first(devices: list, shape: tuple[int, ...], fields: str) -> list:
  """Returns as many devices as a mesh has, whose sizes the fields are."""
  if (count := math.prod(shape)) > len(devices):
    raise ValueError(
      f'a mesh of {" x ".join(map(str, shape))} ({fields}) needs {count}'
      f' devices; there are {len(devices)}'
    )
  return devices[:count]


def named(mesh: Mesh, rules: Rules, shape, axes) -> NamedSharding:
  """Shards each axis by its rule where it divides; else replicates it.

  A mesh axis is given once, to the first axis that it divides.

  Args:
    mesh: The devices.
    rules: Which axis goes over which axes of the mesh.
    shape: The array's shape.
    axes: The logical name of each of its axes; None is replicated.

  Example:
    >>> mesh = jax.sharding.AbstractMesh((2, 4), ('data', 'tensor'))
    >>> tuple(named(mesh, DECODE, (6, 8, 5), ('batch', 'heads', None)).spec)
    ('data', 'tensor', None)
    >>> tuple(named(mesh, DECODE, (6, 2, 5), ('batch', 'kv_heads', None)).spec)
    ('data', None, None)
  """
  spec, free = [], set(mesh.axis_names)
  for size, axis in zip(shape, axes, strict=True):
    over = tuple(a for a in rules.get(axis, ()) if a in free)
    if size % math.prod(mesh.shape[a] for a in over):
      over = ()
    free -= set(over)
    spec.append(over if len(over) > 1 else next(iter(over), None))
  return NamedSharding(mesh, PartitionSpec(*spec))


def struct(
  mesh: Mesh, rules: Rules, dtype, axes: tuple[str | None, ...], *shape: int
) -> Any:
  """Returns the shape of an array that is laid over a mesh.

  Args:
    mesh: The devices.
    rules: Which axis goes over which axes of the mesh.
    dtype: Type of the array.
    axes: The logical name of each of its axes; None is replicated.
    *shape: Length of each of its axes.

  Example:
    >>> mesh = jax.sharding.AbstractMesh((2, 4), ('data', 'tensor'))
    >>> made = struct(mesh, DECODE, 'int32', ('batch', None), 6, 5)
    >>> made.shape, tuple(made.sharding.spec)
    ((6, 5), ('data', None))
  """
  where = named(mesh, rules, shape, axes)
  return jax.ShapeDtypeStruct(shape, jnp.dtype(dtype), sharding=where)


def lay(tree, shapes):
  """Lays arrays out, within a program, as the shapes say.

  Args:
    tree: The arrays.
    shapes: Shapes with shardings, in a tree like it.

  Example:
    >>> like = struct(make_mesh(1, 1), DECODE, 'int32', ('batch',), 3)
    >>> lay(jnp.arange(3), like).sharding == like.sharding
    True
  """
  return jax.lax.with_sharding_constraint(
    tree, jax.tree.map(lambda s: s.sharding, shapes)
  )


def axes_of(path: str, config) -> tuple[str | None, ...]:
  """Returns the logical axes of a parameter, by its path in the tree.

  Args:
    path: E.g. 'layer_0/mlp/linear', or 'mlp/linear' of any layer.
    config: The architecture.

  Example:
    >>> from wcse_jax.models import presets
    >>> config = presets.PRESETS['gemma2_9b'].config
    >>> axes_of('layer_0/mlp/gating_einsum', config)
    (None, 'mlp', 'embed')
    >>> axes_of('final_norm/scale', config)
    (None,)
  """
  in_layer = re.sub(r'^layer_\d+/', '', path)
  if in_layer in _MERGED:
    return _MERGED[in_layer]
  return tuple(axis or None for axis in config.axes[in_layer])


def params_shapes(config, dtype):
  """Returns shape and dtype of each parameter, as a tree like the weights.

  Args:
    config: The architecture.
    dtype: Type of the weights.

  Example:
    >>> from wcse_jax import testing
    >>> params_shapes(testing.TINY, 'bfloat16')['final_norm']
    {'scale': ShapeDtypeStruct(shape=(32,), dtype=bfloat16)}
  """
  flat = {
    path: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
    for path, shape in config.param_shapes().items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def laid_out(shapes, mesh: Mesh, rules: Rules, config):
  """Returns shapes of parameters with the sharding of each.

  Args:
    shapes: Parameters, or their shapes as `params_shapes` returns them.
    mesh: The devices.
    rules: Which axis goes over which axes of the mesh.
    config: The architecture.

  Example:
    >>> from wcse_jax import testing
    >>> mesh = jax.sharding.AbstractMesh((1, 4), ('data', 'tensor'))
    >>> shapes = params_shapes(testing.TINY, 'bfloat16')
    >>> shapes = laid_out(shapes, mesh, DECODE, testing.TINY)
    >>> tuple(shapes['layer_0']['mlp']['linear'].sharding.spec)
    ('tensor', None)
  """

  def lay_out(path, leaf):
    axes = axes_of('/'.join(p.key for p in path), config)
    lay_part = lambda a: struct(mesh, rules, a.dtype, axes, *a.shape)
    return jax.tree.map(lay_part, leaf)

  whole = lambda leaf: isinstance(leaf, int8.Int8)
  return jax.tree.map_with_path(lay_out, shapes, is_leaf=whole)
