"""Weights in and out: a folder or file with parameters and its tokenizer."""

from collections.abc import Iterable
import dataclasses
import hashlib
import pathlib
from typing import Any, Protocol

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from wcse_jax.models import presets, tokenizer

NANO = pathlib.Path(__file__).parent / 'nano'
_TOKENIZER = 'tokenizer_sha256'  # a key of a file's metadata


class Tokenizer(Protocol):
  """What the engine needs of a tokenizer; `tokenizer.Tokenizer` is one."""

  @property
  def bos(self) -> int: ...
  @property
  def eos(self) -> int: ...
  def encode(self, text: str) -> list[int]: ...
  def decode(self, ids: Iterable[int]) -> str: ...
  def pieces(self) -> list[bytes]: ...


class CheckpointError(RuntimeError):
  """Weights that cannot be used; names the file and the remedy."""


@dataclasses.dataclass(frozen=True)
class Model:
  """An architecture with its weights and tokenizer.

  Attributes:
    name: The preset's.
    config: The architecture.
    params: The tree of `gm.nn`, of arrays of the host: who uses them lays
      them over devices.
    tokenizer: As trained with.
  """

  name: str
  config: presets.GemmaConfig
  params: Any
  tokenizer: Tokenizer


def files(name: str, checkpoint: str = '') -> tuple[pathlib.Path, pathlib.Path]:
  """Returns where weights and tokenizer of a preset are.

  Args:
    name: A preset.
    checkpoint: A folder with `params.safetensors` and `tokenizer.model`; ''
      is the preset's own source.

  Raises:
    CheckpointError: There are none.
  """
  source = presets.PRESETS[name].source
  if checkpoint:
    folder = pathlib.Path(checkpoint)
    pair = folder / 'params.safetensors', folder / 'tokenizer.model'
  elif source == 'package':
    pair = NANO / f'{name}.safetensors', NANO / 'tokenizer.model'
  elif source == 'gguf':
    from wcse_jax.models import gguf

    folder = gguf.convert()
    pair = folder / 'params.safetensors', folder / 'tokenizer.model'
  else:
    raise CheckpointError(
      f'{name} has no weights of its own here: name a folder that holds its'
      ' params.safetensors and tokenizer.model in config.checkpoints'
    )
  for path in pair:
    if not path.is_file():
      raise CheckpointError(f'{path} is missing: {name} cannot be loaded')
  return pair


def load(name: str, checkpoint: str = '', dtype: str = 'float32') -> Model:
  """Loads a preset's weights and tokenizer.

  Raises:
    CheckpointError: A file is missing or cut short, or holds another
      architecture.
  """
  weights, vocabulary = files(name, checkpoint)
  config = presets.PRESETS[name].config
  params = read(weights, config, dtype)
  with safetensors.safe_open(weights, 'numpy') as file:
    trained_with = (file.metadata() or {}).get(_TOKENIZER)
  if trained_with not in (None, _sha256(vocabulary)):
    raise CheckpointError(
      f'{vocabulary} is not the tokenizer that {weights} was trained with'
      f' (sha256 {trained_with}): restore it'
    )
  tokens = tokenizer.Tokenizer(vocabulary)
  if tokens.vocab_size > config.num_embed:
    raise CheckpointError(
      f'{vocabulary} has {tokens.vocab_size} pieces, but {name} embeds'
      f' {config.num_embed}: it is the tokenizer of another model'
    )
  return Model(name, config, params, tokens)


def read(path: pathlib.Path, config: presets.GemmaConfig, dtype: str) -> Any:
  """Reads a safetensors file into the tree of `config`.

  Raises:
    CheckpointError: It is cut short or of another architecture.
  """
  try:
    flat = safetensors.numpy.load_file(path)
  except (safetensors.SafetensorError, OSError, ValueError) as e:
    raise CheckpointError(
      f'{path} cannot be read ({e}): restore it or write it anew'
    ) from e
  expected = config.param_shapes()
  for key in sorted(expected.keys() | flat.keys()):
    want = expected.get(key, 'nothing')
    have = flat[key].shape if key in flat else 'nothing'
    if want != have:
      raise CheckpointError(
        f'{path} is of another architecture: at {key} it holds {have}, the'
        f' model has {want}; choose the preset that it was made with'
      )
  return flax.traverse_util.unflatten_dict(
    {k: v.astype(jnp.dtype(dtype)) for k, v in flat.items()}, sep='/'
  )


def write(
  path: pathlib.Path,
  params: Any,
  dtype: str = 'float32',
  vocabulary: pathlib.Path | None = None,
) -> None:
  """Writes a tree of parameters as safetensors, in `dtype`.

  With `vocabulary`, the tokenizer's file, `load` refuses any other.
  """
  flat = flax.traverse_util.flatten_dict(params, sep='/')
  safetensors.numpy.save_file(
    {k: np.asarray(v).astype(jnp.dtype(dtype)) for k, v in flat.items()},
    path,
    {_TOKENIZER: _sha256(vocabulary)} if vocabulary else None,
  )


def _sha256(path: pathlib.Path) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def init(config: presets.GemmaConfig, seed: int) -> Any:
  """Draws parameters to pretrain from: normal, by the fan-in."""
  keys = jax.random.split(jax.random.key(seed), len(config.param_shapes()))
  flat = {}
  for key, (path, shape) in zip(
    keys, config.param_shapes().items(), strict=True
  ):
    if path.endswith('scale'):
      flat[path] = jnp.zeros(shape)
    else:
      fan_in = _fan_in(path, shape, config)
      flat[path] = jax.random.normal(key, shape) * fan_in**-0.5
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def _fan_in(path: str, shape, config: presets.GemmaConfig) -> int:
  if path.endswith('attn_vec_einsum/w'):
    return int(np.prod(shape[:2]))
  if path.endswith('linear'):
    return config.hidden_dim
  return config.embed_dim
