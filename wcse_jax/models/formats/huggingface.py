"""Hugging Face's folders of Gemma 1, 2 and 3: config.json and safetensors.

Their matrices are (out, in), with a head's columns beside those of the next;
queries, keys and values are apart, and so are gate and up. Their norms scale by
`1 + weight`, as ours. `transformers` gives the same logits.
"""

from collections.abc import Callable, Iterator, Mapping
import functools
import json
import math
import pathlib
import shutil
from typing import Any

import flax.traverse_util
import msgspec
import numpy as np
import safetensors.numpy

from wcse_jax.models import presets
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats import weights
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.models.tokenizer import Tokenizer

_FILE_BYTES = 4 * 10**9  # of a file that is written, at most
_INDEX = 'model.safetensors.index.json'
_CLASSES = {
  'gemma': 'GemmaForCausalLM',
  'gemma2': 'Gemma2ForCausalLM',
  'gemma3_text': 'Gemma3ForCausalLM',
}
# Without it no BOS is put first, which Gemma needs.
_TOKENIZER_CONFIG = {'tokenizer_class': 'GemmaTokenizer', 'add_bos_token': True}
# Of models that also see; and the output, which is the embedding again.
_PREFIXES = ('model.language_model.', 'language_model.model.')
_UNUSED = ('vision_tower.', 'multi_modal_projector.', 'lm_head.')
# Fields of config.json that do not tell architectures apart.
_FREE = ('architectures', 'vocab_size', 'max_position_embeddings', 'hidden_act')


class Weights(weights.Files):
  """A folder as transformers writes it; of a model that sees, what reads."""

  table = 'model.embed_tokens.weight'

  def __init__(self, folder: pathlib.Path):
    """Reads config.json and the headers.

    Raises:
      CheckpointError: A file is missing, cut short, or of another family.
    """
    self._config = folder / 'config.json'
    self._says = _normal(_json(self._config))
    if (kind := self._says.get('model_type')) not in _CLASSES:
      raise CheckpointError(
        f'{self._config} is of another architecture, {kind!r}: name a folder'
        f' with one of {", ".join(_CLASSES)}'
      )
    index, shards = folder / _INDEX, {}
    if index.is_file():
      shards = _json(index).get('weight_map', {})
    names = sorted(set(shards.values())) or ['model.safetensors']
    for name in names:
      if not (folder / name).is_file():
        raise CheckpointError(
          f'{folder / name} is missing, of {len(names)} files: fetch it again'
        )
    super().__init__([folder / name for name in names], _name)
    said = {_name(name): folder / file for name, file in shards.items()}
    self.paths = said | self.paths

  def differences(self, config: presets.GemmaConfig) -> list[str]:
    wanted = _normal(_says(config))
    other = [
      f'{self._config} has {name} = {self._says[name]!r}, the model {value!r}'
      for name, value in wanted.items()
      if name not in _FREE and self._says.get(name, value) != value
    ]
    shapes = config.param_shapes()
    tensors = {
      name: _shape(stored, shapes[path])
      for path, stored in config.parameters.items()
      for name in stored.names
    }
    return [*other, *self._compared(tensors)]

  def read(
    self, config: presets.GemmaConfig, targets: weights.Targets
  ) -> dict[str, Any]:
    return {
      path: weights.place(
        target,
        functools.partial(
          read, self.tensor, config.parameters[path], target.shape
        ),
      )
      for path, target in targets.items()
    }


def _shape(
  stored: presets.Parameter, shape: tuple[int, ...]
) -> tuple[int, ...]:
  """Returns the shape of each of a parameter's tensors, given its own."""
  size = stored.by_axis(shape)
  return tuple(
    math.prod(size[axis] for axis in axes) for axes in stored.theirs.split()
  )


def read(
  tensor: Callable[[str, weights.Index], np.ndarray],
  stored: presets.Parameter,
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


def _write(
  stored: presets.Parameter, array: np.ndarray
) -> dict[str, np.ndarray]:
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
  flat: dict[str, Any] = dict(flax.traverse_util.flatten_dict(params, sep='/'))
  says = _says(config) | {
    'pad_token_id': tokenizer.pad,
    'bos_token_id': tokenizer.bos,
    'eos_token_id': tokenizer.eos,
    'torch_dtype': str(flat['final_norm/scale'].dtype),
  }
  folder.mkdir(parents=True)
  sizes = {path: flat[path].nbytes for path in config.parameters}
  groups = list(_groups(sizes, file_bytes))
  shards = {}
  for i, group in enumerate(groups, 1):
    file = 'model.safetensors'
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
    (folder / _INDEX).write_text(json.dumps(index, indent=2) + '\n')
  for name, text in (
    ('config.json', says),
    ('tokenizer_config.json', _TOKENIZER_CONFIG),
  ):
    (folder / name).write_text(json.dumps(text, indent=2) + '\n')
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


def _says(c: presets.GemmaConfig) -> dict[str, Any]:
  """Returns the config.json of an architecture.

  Raises:
    CheckpointError: transformers has no such one.
  """
  kind = 'gemma'
  if c.use_post_attn_norm:
    kind = 'gemma3_text' if c.use_qk_norm else 'gemma2'
  scalar = round(c.query_pre_attn_scalar**-2)  # has to be an int
  same: dict[str, Any] = {
    'query_pre_attn_scalar': scalar**-0.5,
    'local_scale_factor': 1.0,
    'use_post_ffw_norm': c.use_post_attn_norm,
  }
  if kind != 'gemma3_text':
    same |= {
      'use_qk_norm': False,
      'global_scale_factor': 1.0,
      'local_base_frequency': c.global_base_frequency,
    }
  if kind == 'gemma':
    same |= {
      'query_pre_attn_scalar': c.head_dim**-0.5,
      'attention_types': ('global',) * c.num_layers,
      'attn_logits_soft_cap': None,
      'final_logit_softcap': None,
    }
  for field, value in same.items():
    if (given := getattr(c, field)) != value:
      raise CheckpointError(
        f'transformers has no {kind} with {field} = {given!r}: use the format'
        ' gm'
      )
  says: dict[str, Any] = {
    'architectures': [_CLASSES[kind]],
    'model_type': kind,
    'vocab_size': c.num_embed,
    'hidden_size': c.embed_dim,
    'intermediate_size': c.hidden_dim,
    'num_hidden_layers': c.num_layers,
    'num_attention_heads': c.num_heads,
    'num_key_value_heads': c.num_kv_heads,
    'head_dim': c.head_dim,
    'hidden_act': 'gelu_pytorch_tanh',
    'hidden_activation': 'gelu_pytorch_tanh',
    'max_position_embeddings': c.context_length,
    'rms_norm_eps': 1e-6,
    'rope_theta': float(c.global_base_frequency),
    'rope_scaling': None,
    'attention_bias': False,
    'tie_word_embeddings': True,
  }
  if kind == 'gemma':
    return says
  names = {'local': 'sliding_attention', 'global': 'full_attention'}
  says |= {
    'query_pre_attn_scalar': scalar,
    'sliding_window': c.sliding_window_size,
    'layer_types': [names[kind] for kind in c.attention_types],
    'attn_logit_softcapping': c.attn_logits_soft_cap,
    'final_logit_softcapping': c.final_logit_softcap,
  }
  if kind == 'gemma3_text':
    says['rope_local_base_freq'] = float(c.local_base_frequency)
    if c.global_scale_factor != 1:
      factor = c.global_scale_factor
      says['rope_scaling'] = {'rope_type': 'linear', 'factor': factor}
  return says


def _normal(says: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what a config.json says of text, spelled in one way.

  transformers 5 has `rope_parameters`, 4 has `rope_theta` and `rope_scaling`.
  """
  says = dict(says.get('text_config', says))
  rope = says.pop('rope_parameters', None) or {}
  if 'full_attention' in rope:
    says['rope_local_base_freq'] = rope['sliding_attention']['rope_theta']
    rope = rope['full_attention']
  if rope:
    says |= {'rope_theta': rope['rope_theta'], 'rope_scaling': rope}
  scaling = says.get('rope_scaling') or {}
  kind = scaling.get('rope_type', scaling.get('type', 'default'))
  says['rope_scaling'] = (
    None if kind == 'default' else f'{kind}, {scaling.get("factor")}'
  )
  if says.get('hidden_activation') is None:  # then it is the usual one
    says.pop('hidden_activation', None)
  return says


def _name(stored: str) -> str:
  """Returns a tensor's name in a text model, or '' if that has none."""
  if any(name in stored for name in _UNUSED):
    return ''
  for prefix in _PREFIXES:
    if stored.startswith(prefix):
      return 'model.' + stored.removeprefix(prefix)
  return stored


def _json(path: pathlib.Path) -> dict[str, Any]:
  try:
    return msgspec.convert(json.loads(path.read_text()), dict[str, Any])
  except (OSError, ValueError, RecursionError) as e:
    raise CheckpointError(f'{path} cannot be read ({e}): fetch it again') from e
