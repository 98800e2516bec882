"""Hugging Face's folders of Gemma 1 to 4: config.json and safetensors.

Their matrices are (out, in), with a head's columns beside those of the next;
queries, keys and values are apart, and so are gate and up. Their norms scale as
ours. `transformers` gives the same logits.
"""

from collections.abc import Callable, Iterator, Mapping
import dataclasses
import functools
import math
import pathlib
import shutil
from typing import Any

import flax.traverse_util
import numpy as np
import safetensors.numpy

from wcse_jax.models import presets
from wcse_jax.models.formats import config_json, weights
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.models.parameters import Parameter
from wcse_jax.models.tokenizer import Tokenizer

_FILE_BYTES = 4 * 10**9  # of a file that is written, at most
_ROWS = 8192  # of a head that are compared at a time
_VERSION = '4.57.3'  # reads what is written; without one vLLM warns
# Without it no BOS is put first, which Gemma needs.
_TOKENIZER_CONFIG = {'tokenizer_class': 'GemmaTokenizer', 'add_bos_token': True}
_HEAD = 'lm_head.weight'
# Of models that also see or hear: what reads, and what does not.
_READS = {
  'model.language_model.': 'model.',
  'language_model.model.': 'model.',
  'language_model.lm_head.': 'lm_head.',
}
_SEES = (
  'vision_tower.',
  'multi_modal_projector.',
  'embed_vision.',
  'audio_tower.',
  'embed_audio.',
)
_KEYS = 'k_proj', 'v_proj', 'k_norm', 'v_norm'


class Weights(weights.Files):
  """A folder as transformers writes it; of a model that sees, what reads."""

  table = 'model.embed_tokens.weight'

  def __init__(self, folder: pathlib.Path):
    """Reads config.json and the headers.

    Raises:
      CheckpointError: A file is missing, cut short, or of another family.
    """
    self._config = folder / 'config.json'
    self._has = config_json.read(self._config)
    self.family = self._has['model_type']
    shards = folder_lib.indexed(folder)
    files = sorted(set(shards.values())) or [folder / folder_lib.WHOLE]
    super().__init__(files, _name)
    said = {_name(name): file for name, file in shards.items()}
    self.paths = said | self.paths
    if _HEAD in self.shapes:  # then it is compared with the table
      self._has['tie_word_embeddings'] = True

  def sized(self, config: presets.GemmaConfig) -> presets.GemmaConfig:
    sized = super().sized(config)
    return dataclasses.replace(sized, routes_residual=config.mixes)

  def unused(self, config: presets.GemmaConfig) -> weights.Shapes:
    return {
      f'model.layers.{layer.index}.self_attn.{name}.weight': ()
      for layer in config.layers[len(config.kv_layers) :]
      for name in _KEYS
    }

  def architecture(self) -> presets.GemmaConfig | None:
    return config_json.architecture(self._has, self._config)

  def differences(self, config: presets.GemmaConfig) -> list[str]:
    other = [
      f'{self._config} has {text}'
      for text in config_json.differences(self._has, config)
    ]
    return [*other, *super().differences(config)]

  def wanted(self, config: presets.GemmaConfig) -> weights.Shapes:
    shapes = config.param_shapes()
    tensors = {
      name: _shape(stored, shapes[path])
      for path, stored in config.parameters.items()
      for name in stored.names
    }
    if _HEAD in self.shapes:
      tensors[_HEAD] = self.shapes.get(self.table, ())
    return tensors

  def read(
    self, config: presets.GemmaConfig, targets: weights.Targets
  ) -> dict[str, Any]:
    self._check_head()
    return {
      path: weights.place(
        target,
        functools.partial(
          read, self.tensor, config.parameters[path], target.shape
        ),
      )
      for path, target in targets.items()
    }

  def _check_head(self) -> None:
    """Raises CheckpointError if the head is not the table: ours always is."""
    rows = self.shapes.get(_HEAD, (0,))[0]
    for start in range(0, rows, _ROWS):
      part = slice(start, min(start + _ROWS, rows)), slice(None)
      head, table = (self.tensor(name, part) for name in (_HEAD, self.table))
      if not np.array_equal(head, table):
        raise CheckpointError(
          f'{self.paths[_HEAD]} holds {_HEAD}, which is not {self.table}: no'
          ' Gemma has a head of its own; name a checkpoint with tied weights'
        )


def _shape(stored: Parameter, shape: tuple[int, ...]) -> tuple[int, ...]:
  """Returns the shape of each of a parameter's tensors, given its own."""
  size = stored.by_axis(shape)
  return tuple(
    math.prod(size[axis] for axis in axes) for axes in stored.theirs.split()
  )


def read(
  tensor: Callable[[str, weights.Index], np.ndarray],
  stored: Parameter,
  shape: tuple[int, ...],
  index: weights.Index,
) -> np.ndarray:
  """Reads a slice of a parameter.

  Of axes that are one in the file, only the first is cut when reading.

  Args:
    tensor: Reads a slice of one of the parameter's tensors, by its name.
    stored: How the parameter is stored.
    shape: The parameter's shape.
    index: The slice.
  """
  size, cut = stored.by_axis(shape), stored.by_axis(index)
  theirs, lengths, order = [], [], ''
  for first, *inner in stored.theirs.split():
    start, stop, _ = cut[first].indices(size[first])
    step = math.prod(size[axis] for axis in inner)
    theirs.append(slice(start * step, stop * step))
    lengths += [stop - start, *(size[axis] for axis in inner)]
    order += ''.join([first, *inner])
    cut[first] = slice(None)
  stacked = len(index) > len(cut)
  ones = [
    tensor(name, tuple(theirs))
    .reshape(lengths)
    .transpose([order.index(axis) for axis in cut])[tuple(cut.values())]
    for name in (stored.names[index[0]] if stacked else stored.names)
  ]
  return np.stack(ones) if stacked else ones[0]


def _write(stored: Parameter, array: np.ndarray) -> dict[str, np.ndarray]:
  """Returns the tensors of a parameter."""
  ours = list(stored.by_axis(array.shape))
  order = [ours.index(axis) for axis in stored.theirs.replace(' ', '')]
  shape = _shape(stored, array.shape)
  ones = array if array.ndim > len(ours) else [array]
  return {
    name: np.ascontiguousarray(one.transpose(order).reshape(shape))
    for name, one in zip(stored.names, ones, strict=True)
  }


def write(
  folder: pathlib.Path,
  params: Any,
  config: presets.GemmaConfig,
  tokenizer: Tokenizer,
  file_bytes: int = _FILE_BYTES,
  fields: Mapping[str, Any] | None = None,
) -> None:
  """Writes what `AutoModelForCausalLM.from_pretrained` loads.

  Args:
    folder: A folder that does not exist. It gets config.json, tokenizer.model
      and model.safetensors or, if that were larger than `file_bytes`, several
      of them and their index.
    params: The weights, in the tree of `gm.nn`; those of one file are on the
      host at a time.
    config: The architecture.
    tokenizer: The model's tokenizer.
    file_bytes: Most bytes of a file, if no parameter is larger.
    fields: What config.json is to say besides, or instead.

  Raises:
    CheckpointError: transformers has no such architecture.

  Example:
    >>> import tempfile
    >>> from wcse_jax.models import checkpoint
    >>> nano = checkpoint.load('nano_wc')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   path = pathlib.Path(folder, 'hf')
    ...   write(path, nano.params, nano.config, nano.tokenizer, 10**6)
    ...   files = len(list(path.glob('*.safetensors')))
    ...   Weights(path).differences(nano.config), files
    ([], 3)
  """
  if config.mixes and not config.routes_residual:
    raise CheckpointError(
      'the routers of these weights read what a norm gives, as gm has it, and'
      ' those of transformers what it reads: use the format gm'
    )
  flat: dict[str, Any] = dict(flax.traverse_util.flatten_dict(params, sep='/'))
  says = config_json.says(config) | {
    'pad_token_id': tokenizer.pad,
    'bos_token_id': tokenizer.bos,
    'eos_token_id': tokenizer.eos,
    'torch_dtype': str(flat['final_norm/scale'].dtype),
    'transformers_version': _VERSION,
    **(fields or {}),
  }
  folder.mkdir(parents=True)
  sizes = {path: flat[path].nbytes for path in config.parameters}
  groups = list(_groups(sizes, file_bytes))
  shards = {}
  for i, group in enumerate(groups, 1):
    file = folder_lib.WHOLE
    if len(groups) > 1:
      file = f'model-{i:05}-of-{len(groups):05}.safetensors'
    tensors = {}
    for path in group:
      tensors |= _write(config.parameters[path], np.asarray(flat[path]))
    # transformers refuses a file that does not name its framework.
    safetensors.numpy.save_file(tensors, folder / file, {'format': 'pt'})
    (folder / file).chmod(0o644)  # it is made for its owner alone
    shards |= dict.fromkeys(tensors, file)
  if len(groups) > 1:
    size = sum(a.nbytes for a in flat.values())
    index = {'metadata': {'total_size': size}, 'weight_map': shards}
    folder_lib.write_json(folder / folder_lib.INDEX, index)
  folder_lib.write_json(folder / 'config.json', says)
  folder_lib.write_json(folder / 'tokenizer_config.json', _TOKENIZER_CONFIG)
  shutil.copyfile(tokenizer.path, folder / folder_lib.TOKENIZER)


def _groups(sizes: Mapping[str, int], most: int) -> Iterator[list[str]]:
  """Yields names in groups of at most so many bytes, if one has no more."""
  group, room = [], most
  for name, size in sizes.items():
    if group and size > room:
      yield group
      group, room = [], most
    group.append(name)
    room -= size
  yield group


def _name(stored: str) -> str:
  """Returns a tensor's name in a text model, or '' if that has none."""
  if stored.removeprefix('model.').startswith(_SEES):
    return ''
  for theirs, ours in _READS.items():
    if stored.startswith(theirs):
      return ours + stored.removeprefix(theirs)
  return stored
