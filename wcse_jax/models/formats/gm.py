"""Orbax checkpoints of `gemma.gm`, and of this project's students.

The tree is that of `gm.nn`. Official checkpoints of Gemma 1, 2 and 3 have it
flat: keys like 'transformer/layer_0/mlp/linear', each with one more level, 'w'.
Those that also see or hear hold more, which is not read.
"""

from collections.abc import Iterator
import contextlib
import math
import pathlib
import re
import shutil
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import orbax.checkpoint as ocp

from wcse_jax import store
from wcse_jax.models import presets
from wcse_jax.models.formats import config_fields, weights
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats.folder import CheckpointError, first_line
from wcse_jax.models.tokenizer import Tokenizer

_SEES = (
  'vision_encoder/',
  'SigLiPFromPatches_0/',
  'embedder/mm_',
  'audio_encoder/',
  'embedder/audio_',
)
_GEMMA3N = 'altup'


class Weights(weights.Weights):
  """A folder with _METADATA."""

  def __init__(self, folder: pathlib.Path):
    """Reads the metadata.

    Raises:
      CheckpointError: They are cut short, or of adapters.
    """
    self.home = folder.absolute()
    with self._reading() as orbax:
      if (metadata := orbax.metadata(self.home).item_metadata) is None:
        raise ValueError('no metadata of its arrays')
      self._tree: Any = metadata.tree
    leaves, self._treedef = jax.tree.flatten_with_path(self._tree)
    self._names = [_name(path, leaf) for path, leaf in leaves]
    self._leaves = {
      name: leaf
      for name, (_, leaf) in zip(self._names, leaves, strict=True)
      if not name.startswith(_SEES)
    }
    self.left_out = {
      name.split('/')[-2 if name.startswith('embedder') else 0]
      for name in self._names
      if name.startswith(_SEES)
    }
    self.shapes = {n: tuple(leaf.shape) for n, leaf in self._leaves.items()}
    self.types = {n: str(leaf.dtype) for n, leaf in self._leaves.items()}
    if any(_GEMMA3N in name for name in self.shapes):
      raise CheckpointError(f'{self.home} is of {config_fields.GEMMA3N}')
    if self.shapes and all(name[-2:] in ('/a', '/b') for name in self.shapes):
      raise CheckpointError(
        f'{self.home} holds adapters (LoRA), not weights: name the folder of'
        " the student's step, which says what they belong to"
      )

  def read(
    self, config: presets.GemmaConfig, targets: weights.Targets
  ) -> dict[str, Any]:
    del config

    def arguments(name):
      target = targets.get(name)
      if target is None:
        return ocp.RestoreArgs()
      if target.sharding is None:
        return ocp.RestoreArgs(restore_type=np.ndarray, dtype=target.dtype)
      return ocp.ArrayRestoreArgs(
        global_shape=target.shape, dtype=target.dtype, sharding=target.sharding
      )

    of_names = lambda f: self._treedef.unflatten(map(f, self._names))
    item = of_names(lambda name: targets.get(name, ocp.PLACEHOLDER))
    restore_args = of_names(arguments)
    # No more is on its way at a time than the largest tensor.
    largest = max(
      _read_bytes(self._leaves[name], target.dtype)
      for name, target in targets.items()
    )
    handler = ocp.BasePyTreeCheckpointHandler(
      restore_concurrent_bytes=largest + 1
    )
    with self._reading(handler_impl=handler) as orbax:
      store.check(self.home)
      tree = orbax.restore(
        self.home,
        args=ocp.args.PyTreeRestore(item=item, restore_args=restore_args),
      )
    read = dict(
      zip(self._names, self._treedef.flatten_up_to(tree), strict=True)
    )
    return {name: read[name] for name in targets}

  def unused(self, config: presets.GemmaConfig) -> weights.Shapes:
    return _unused(config)

  @contextlib.contextmanager
  def _reading(self, **options) -> Iterator[ocp.Checkpointer]:
    try:
      with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)) as orbax:
        yield orbax
    except Exception as e:  # orbax and tensorstore raise all kinds
      raise CheckpointError(
        f'{self.home} cannot be read ({first_line(e)}): it is cut short or'
        ' damaged; fetch it again'
      ) from e


def read_adapters(folder: pathlib.Path, like: Any) -> Any:
  """Reads adapters (LoRA) as arrays of the host.

  Args:
    folder: Folder of a student's step that holds them.
    like: Adapters of the same architecture and rank.

  Raises:
    CheckpointError: They are damaged, or of another architecture.

  Example:
    >>> import tempfile
    >>> like = {'a': np.ones(3, np.float32)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   with ocp.StandardCheckpointer() as orbax:
    ...     orbax.save(f'{folder}/params', {'a': 2 * like['a']})
    ...   read_adapters(pathlib.Path(folder, 'params'), like)
    {'a': array([2., 2., 2.], dtype=float32)}
  """
  try:
    store.check(folder)
    with ocp.StandardCheckpointer() as orbax:
      return orbax.restore(folder.absolute(), like)
  except Exception as e:  # orbax and tensorstore raise all kinds
    raise CheckpointError(
      f'{folder} cannot be read ({first_line(e)}): it is cut short, damaged or'
      ' of another model; take another step, or name the right preset'
    ) from e


def write(
  folder: pathlib.Path,
  params: Any,
  config: presets.GemmaConfig,
  tokenizer: Tokenizer,
) -> None:
  """Writes what `gm.ckpts.load_params` reads, and tokenizer.model with it.

  Args:
    folder: A folder that does not exist.
    params: The weights, in the tree of `gm.nn`.
    config: The architecture as `gm.nn` has it, which says how many ids are
      embedded. Rows that are missing are written as zeros, those too many are
      left out.
    tokenizer: The model's tokenizer.

  Example:
    >>> import tempfile
    >>> from wcse_jax.models import checkpoint
    >>> nano = checkpoint.load('nano_wc')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   path = pathlib.Path(folder, 'gm')
    ...   write(path, nano.params, nano.config, nano.tokenizer)
    ...   Weights(path).differences(nano.config)
    []
  """
  if config.routes_residual:
    raise CheckpointError(
      'the routers of these weights read what a norm reads, as transformers has'
      ' it, and those of gm what it gives: use the format huggingface'
    )
  flat: dict[str, Any] = dict(flax.traverse_util.flatten_dict(params, sep='/'))
  kind = flat['final_norm/scale'].dtype
  flat |= {n: np.zeros(shape, kind) for n, shape in _unused(config).items()}
  table, rows = flat[Weights.table], config.num_embed
  if len(table) != rows:
    table = np.asarray(table)[:rows]
    flat[Weights.table] = np.pad(table, ((0, rows - len(table)), (0, 0)))
  with ocp.StandardCheckpointer() as orbax:
    tree = flax.traverse_util.unflatten_dict(flat, sep='/')
    orbax.save(folder.absolute(), tree)
  shutil.copyfile(tokenizer.path, folder / folder_lib.TOKENIZER)


def _name(path, leaf: Any) -> str:
  """Returns a parameter's path in the tree of `gm.nn`."""
  name = jax.tree_util.keystr(path, simple=True, separator='/')
  name = name.removeprefix('transformer/')
  experts = len(leaf.shape) == (4 if 'gating_einsum' in name else 3)
  if not experts and re.search(r'mlp2?/(linear|gating_einsum)/w$', name):
    name = name.removesuffix('/w')
  return name


def _unused(config: presets.GemmaConfig) -> dict[str, tuple[int, ...]]:
  """Returns shapes of what `gm.nn` has and never reads: layers that share."""
  d, shapes = config.embed_dim, {}
  for layer in config.layers[len(config.kv_layers) :]:
    k, h = layer.num_kv_heads, layer.head_dim
    at = f'layer_{layer.index}/attn'
    if layer.attention_type == 'global' and config.k_eq_v_global:
      shapes[f'{at}/k_einsum/w'] = (k, d, h)
    else:
      shapes[f'{at}/kv_einsum/w'] = (2, k, d, h)
    shapes[f'{at}/key_norm/scale'] = (h,)
  return shapes


def _read_bytes(leaf: Any, dtype: np.dtype) -> int:
  """Returns how many bytes Orbax reserves to read an array: whole chunks."""
  chunk = leaf.storage.chunk_shape if leaf.storage else leaf.shape
  size = max(np.dtype(leaf.dtype).itemsize, dtype.itemsize)
  return size * math.prod(
    -(-length // step) * step
    for length, step in zip(leaf.shape, chunk, strict=True)
  )
