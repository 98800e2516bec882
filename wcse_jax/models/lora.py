"""LoRA: adapters of low rank beside frozen weights (arXiv 2106.09685).

The tree of adapters has those weights of the layers that are matrices. Instead
of a weight it has two factors: `a`, from what the weight sums over to the rank,
and `b`, from the rank to the rest. `gemma` applies them beside the weights; for
other uses they are merged, to w + scale * a b, where scale is alpha / rank.
"""

import dataclasses
import json
import pathlib
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import msgspec
import numpy as np

from wcse_jax.models import presets, sharding
from wcse_jax.models.formats.folder import RECORD as RECORD
from wcse_jax.models.formats.folder import CheckpointError

_INTO_RESIDUALS = (  # sum over all but `embed`
  'attn_vec_einsum/w',
  'linear',
  'linear/w',
  'per_layer_projection/w',
)


@dataclasses.dataclass(frozen=True)
class Record:
  """What a student's adapters are added to, and how much they count.

  Attributes:
    model: The preset that was finetuned.
    folder: Folder of its weights; '' is the preset's own source.
    rank: Rank of the adapters.
    scale: What adapters are multiplied by.
  """

  model: str
  folder: str
  rank: int
  scale: float


def path(step: str | pathlib.Path) -> pathlib.Path:
  """Returns where a step's record is, as Orbax writes JSON."""
  return pathlib.Path(step) / RECORD / 'metadata'


def record(step: str | pathlib.Path) -> Record | None:
  """Reads the record of a student's step; None if it has no adapters.

  Args:
    step: The step's folder.

  Raises:
    CheckpointError: The record is damaged.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as step:
    ...   before = record(step)
    ...   said = '{"model": "gemma_7b", "folder": "", "rank": 8, "scale": 2.0}'
    ...   pathlib.Path(step, RECORD).mkdir()
    ...   _ = pathlib.Path(step, RECORD, 'metadata').write_text(said)
    ...   after = record(step)
    >>> before, after
    (None, Record(model='gemma_7b', folder='', rank=8, scale=2.0))
  """
  if not step or not (file := path(step)).is_file():
    return None
  try:
    return msgspec.convert(json.loads(file.read_text()), Record)
  except (OSError, ValueError, RecursionError) as e:
    raise CheckpointError(
      f'{file} cannot be read ({e}): it is cut short or damaged; take another'
      ' step, or finetune again'
    ) from e


def shapes(config: presets.GemmaConfig, rank: int, mesh: Mesh) -> Any:
  """Returns shapes, dtypes and shardings of the adapters.

  Args:
    config: The architecture.
    rank: Rank of the adapters.
    mesh: The devices that train.

  Example:
    >>> from wcse_jax import testing
    >>> made = shapes(testing.TINY, 3, sharding.train_mesh(1, 1))
    >>> {name: a.shape for name, a in made['layer_1']['mlp']['linear'].items()}
    {'a': (48, 3), 'b': (3, 32)}
  """
  flat = {
    path: sharding.struct(mesh, sharding.TRAIN, jnp.float32, axes, *shape)
    for path, (shape, axes) in _factors(config, rank).items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def init(config: presets.GemmaConfig, rank: int, seed: int) -> Any:
  """Draws adapters that change nothing yet: a by its fan-in, b is 0.

  Args:
    config: The architecture.
    rank: Rank of the adapters.
    seed: The seed of the random numbers.

  Example:
    >>> from wcse_jax import testing
    >>> linear = init(testing.TINY, 3, seed=0)['layer_1']['mlp']['linear']
    >>> linear['a'].shape, bool(linear['a'].any()), bool(linear['b'].any())
    ((48, 3), True, False)
  """
  rng, flat = np.random.default_rng(seed), {}
  for path, (shape, axes) in _factors(config, rank).items():
    drawn = np.zeros(shape)
    if path.endswith('/a'):
      # An expert's input is its own.
      first = axes.index('experts') + 1 if 'experts' in axes else 0
      fan_in = np.prod(shape[first:-1])
      drawn = rng.normal(size=shape, scale=fan_in**-0.5)
    flat[path] = drawn.astype(np.float32)
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def scaled(adapters: Any, scale: float) -> Any:
  """Multiplies each `b` of adapters by the scale.

  Example:
    >>> scaled({'w': {'a': 1.0, 'b': 2.0}}, 3.0)
    {'w': {'a': 1.0, 'b': 6.0}}
  """
  return jax.tree.map_with_path(
    lambda path, x: x * scale if path[-1].key == 'b' else x, adapters
  )


def merge(
  params: Any, adapters: Any, config: presets.GemmaConfig, scale: float
) -> Any:
  """Returns parameters with the adapters added to their weights.

  Args:
    params: The parameters that the adapters were trained beside.
    adapters: The adapters, not scaled yet.
    config: The architecture.
    scale: What adapters are multiplied by.

  Example:
    >>> from wcse_jax import testing
    >>> tiny = testing.tiny_model()
    >>> adapters = jax.tree.map(lambda a: a * 0 + 1, init(tiny.config, 3, 0))
    >>> merged = merge(tiny.params, adapters, tiny.config, scale=0.5)
    >>> change = merged['layer_0']['mlp']['linear']
    >>> change -= tiny.params['layer_0']['mlp']['linear']
    >>> bool(jnp.allclose(change, 3 * 0.5, atol=1e-5))
    True
  """
  flat: Any = flax.traverse_util.flatten_dict(params, sep='/')
  factors: Any = flax.traverse_util.flatten_dict(
    scaled(adapters, scale), sep='/'
  )
  for path in dict.fromkeys(path.rpartition('/')[0] for path in factors):
    added = jnp.tensordot(factors[f'{path}/a'], factors[f'{path}/b'], axes=1)
    if not path.endswith(_INTO_RESIDUALS):
      embed = sharding.axes_of(path, config).index('embed')
      added = jnp.moveaxis(added, 0, embed)
    flat[path] = (flat[path] + added).astype(flat[path].dtype)
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def _factors(
  config: presets.GemmaConfig, rank: int
) -> dict[str, tuple[tuple[int, ...], tuple[str | None, ...]]]:
  """Returns shape and logical axes of each factor, by its path in the tree."""
  flat = {}
  for path, shape in config.param_shapes().items():
    axes = sharding.axes_of(path, config)
    if 'embed' in axes and 'vocab' not in axes:
      i = axes.index('embed')
      one = shape[i : i + 1], axes[i : i + 1]
      others = shape[:i] + shape[i + 1 :], axes[:i] + axes[i + 1 :]
      into = path.endswith(_INTO_RESIDUALS)
      summed, rest = (others, one) if into else (one, others)
      flat[f'{path}/a'] = (*summed[0], rank), (*summed[1], None)
      flat[f'{path}/b'] = (rank, *rest[0]), (None, *rest[1])
  return flat
