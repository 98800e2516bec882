"""A preset's architecture with weights and tokenizer, from any folder."""

from collections.abc import Iterable
import dataclasses
import pathlib
from typing import Any, Protocol

import flax.traverse_util
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import safetensors
import safetensors.numpy

from wcse_jax.experiment import arguments
from wcse_jax.models import lora, presets, recognition, sharding
from wcse_jax.models import tokenizer as tokenizer_lib
from wcse_jax.models.formats import folder as folder_lib
from wcse_jax.models.formats import huggingface, weights
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.store import digests

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
  def piece_id(self, piece: str) -> int | None: ...
  def pieces(self) -> list[bytes]: ...


@dataclasses.dataclass(frozen=True)
class Model:
  """An architecture with its weights and tokenizer.

  Attributes:
    name: The preset's name, or what config.json calls the family of one that is
      no preset.
    config: The architecture; it embeds as many ids as the weights do.
    params: The weights, in the tree of `gm.nn`: arrays of the host (who uses
      them lays them over devices) or of the mesh that they were loaded onto.
    tokenizer: The tokenizer that the weights were trained with.
    folder: Folder of the weights; '' is the preset's own source.
    ends: Ids that end a sample, besides the tokenizer's EOS.
    left_out: What the folder holds besides and is not read: what sees or hears.
  """

  name: str
  config: presets.GemmaConfig
  params: Any
  tokenizer: Tokenizer
  folder: str = ''
  ends: tuple[int, ...] = ()
  left_out: tuple[str, ...] = ()


def files(
  name: str, checkpoint: str = '', tokenizer: str | pathlib.Path = ''
) -> tuple[pathlib.Path, ...]:
  """Returns the files of a preset's weights and, last, of its tokenizer.

  Args:
    name: Name of a preset.
    checkpoint: A folder as for `wcse_jax.models.load`; '' is the preset's own
      source.
    tokenizer: A tokenizer as for `wcse_jax.models.load`.

  Raises:
    CheckpointError: There are none.

  Example:
    >>> [path.name for path in files('nano_se')]
    ['nano_se.safetensors', 'tokenizer.model']
  """
  vocabulary = _vocabulary(name, checkpoint, tokenizer)
  found = _find(name, checkpoint).files
  if lora.record(checkpoint):
    *base, _ = files(*_base(name, checkpoint), tokenizer)
    return *base, lora.path(checkpoint), *found, vocabulary
  return *found, vocabulary


def load(
  name: str,
  checkpoint: str = '',
  mesh: Mesh | None = None,
  dtype: str = 'float32',
  *,
  tokenizer: str | pathlib.Path = '',
  rules: sharding.Rules = sharding.DECODE,
) -> Model:
  """Loads a preset's weights and tokenizer.

  Args:
    name: Name of a preset; '' is the one that fits the folder or, if none does,
      what its config.json says.
    checkpoint: A folder as for `wcse_jax.models.load`; '' is the preset's own
      source.
    mesh: Devices to read the weights onto; None is the host.
    dtype: Type of the weights.
    tokenizer: A tokenizer as for `wcse_jax.models.load`.
    rules: Which axis goes over which axis of the mesh.

  Raises:
    ArgumentError: There are no weights of such a type.
    CheckpointError: A file is missing or cut short, or holds another
      architecture.

  Example:
    >>> model = load('nano_student')
    >>> model.name, model.tokenizer.vocab_size, model.config.num_layers
    ('nano_student', 512, 4)
  """
  _check_dtype(dtype)
  name, stored, config, tokens = _opened(name, checkpoint, tokenizer)
  params = _read(stored, config, dtype, mesh, rules)
  folder = checkpoint and str(pathlib.Path(checkpoint).absolute())
  left_out = tuple(sorted(stored.left_out))
  ends = _ends(checkpoint, tokens)
  return Model(name, config, params, tokens, folder, ends, left_out)


def check(
  name: str, checkpoint: str, tokenizer: str | pathlib.Path = ''
) -> None:
  """Makes sure that `load` can load weights; reads nothing but their headers.

  Args:
    name: Name of a preset.
    checkpoint: A folder as for `wcse_jax.models.load`.
    tokenizer: A tokenizer as for `wcse_jax.models.load`.

  Raises:
    CheckpointError: As `load` does.

  Example:
    >>> import shutil, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   _ = shutil.copy(NANO / 'tokenizer.model', folder)
    ...   _ = shutil.copy(
    ...     NANO / 'nano_se.safetensors', f'{folder}/params.safetensors'
    ...   )
    ...   check('nano_se', folder)
  """
  _opened(*_base(name, checkpoint), tokenizer)


def _base(name: str, checkpoint: str) -> tuple[str, str]:
  """Returns the model that adapters are added to; what are none, as it is."""
  if record := lora.record(checkpoint):
    return record.model, record.folder
  return name, checkpoint


def _opened(
  name: str, checkpoint: str, tokenizer: str | pathlib.Path
) -> tuple[str, weights.Weights, presets.GemmaConfig, tokenizer_lib.Tokenizer]:
  """Returns what a checkpoint is of, its tensors unread, and its tokenizer."""
  found = _find(name, checkpoint)
  vocabulary = _vocabulary(name, checkpoint, tokenizer)
  stored = _open(found)
  if name:
    config = stored.sized(presets.PRESETS[name].config)
    recognition.check(stored, config, name)
  else:
    name, config = recognition.recognised(stored, checkpoint)
  trained_with = stored.metadata.get(_TOKENIZER)
  if trained_with and trained_with != digests.sha256(vocabulary):
    raise CheckpointError(
      f'{vocabulary} is not the tokenizer that {found.path} was trained with'
      f' (sha256 {trained_with}): restore it'
    )
  tokens = tokenizer_lib.Tokenizer(vocabulary)
  if tokens.vocab_size > config.num_embed:
    raise CheckpointError(
      f'{vocabulary} has {tokens.vocab_size} pieces, but {found.path} embeds'
      f' {config.num_embed}: it is the tokenizer of another model'
    )
  return name, stored, config, tokens


def ends(
  name: str, checkpoint: str = '', tokenizer: str | pathlib.Path = ''
) -> tuple[int, ...]:
  """Returns the ids that end a sample, besides the tokenizer's EOS.

  generation_config.json or config.json says them, of chat-tuned models.

  Args:
    name: Name of a preset.
    checkpoint: A folder as for `wcse_jax.models.load`; '' is the preset's own
      source.
    tokenizer: A tokenizer as for `wcse_jax.models.load`.

  Raises:
    CheckpointError: There is no tokenizer, or what is said is damaged.

  Example:
    >>> ends('nano_wc')
    ()
  """
  name, checkpoint = _base(name, checkpoint)
  vocabulary = _vocabulary(name, checkpoint, tokenizer)
  return _ends(checkpoint, tokenizer_lib.Tokenizer(vocabulary))


def _ends(checkpoint: str, tokens: tokenizer_lib.Tokenizer) -> tuple[int, ...]:
  said = folder_lib.ends(homes(checkpoint, tokens))
  return tuple(i for i in said if i != tokens.eos)


def chats(name: str, checkpoint: str = '') -> bool | None:
  """Tells whether a model is chat-tuned; None where nothing tells.

  Args:
    name: Name of a preset; its own weights are pretrained alone.
    checkpoint: A folder as for `wcse_jax.models.load`, or ''.

  Raises:
    CheckpointError: What is said beside the weights is damaged.

  Example:
    >>> chats('nano_wc')
    False
  """
  name, checkpoint = _base(name, checkpoint)
  return folder_lib.chats([pathlib.Path(checkpoint)]) if checkpoint else False


def homes(
  checkpoint: str, tokens: tokenizer_lib.Tokenizer
) -> list[pathlib.Path]:
  """Returns the folders of weights, if there is one, and of the tokenizer."""
  return [*map(pathlib.Path, checkpoint and [checkpoint]), tokens.path.parent]


def read(path: pathlib.Path, config: presets.GemmaConfig, dtype: str) -> Any:
  """Reads a safetensors file of this project onto the host.

  Args:
    path: The file.
    config: Its architecture.
    dtype: Type of the weights.

  Returns:
    The weights, in the tree of `gm.nn`.

  Raises:
    CheckpointError: It is cut short or of another architecture.

  Example:
    >>> config = presets.PRESETS['nano_wc'].config
    >>> params = read(NANO / 'nano_wc.safetensors', config, 'float32')
    >>> params['final_norm']['scale'].shape
    (96,)
  """
  _check_dtype(dtype)
  stored = weights.Files([path])
  recognition.check(stored, config, 'the model')
  return _read(stored, config, dtype)


def write(
  path: pathlib.Path,
  params: Any,
  dtype: str = 'float32',
  vocabulary: pathlib.Path | None = None,
) -> None:
  """Writes parameters as a safetensors file of this project.

  Args:
    path: The file.
    params: The weights, in the tree of `gm.nn`.
    dtype: Type to write them in.
    vocabulary: The tokenizer's file; if it is given, `load` refuses any other.

  Example:
    >>> import tempfile
    >>> import jax
    >>> from wcse_jax import testing
    >>> tiny = testing.tiny_model()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   write(path := pathlib.Path(folder, 'params.safetensors'), tiny.params)
    ...   back = read(path, tiny.config, 'float32')
    >>> jax.tree.all(jax.tree.map(np.array_equal, tiny.params, back))
    True
  """
  flat = flax.traverse_util.flatten_dict(params, sep='/')
  safetensors.numpy.save_file(
    {k: np.asarray(v).astype(jnp.dtype(dtype)) for k, v in flat.items()},
    path,
    {_TOKENIZER: digests.sha256(vocabulary)} if vocabulary else None,
  )


def _check_dtype(dtype: str) -> None:
  """Raises ArgumentError unless weights can be of a type."""
  try:
    fits = jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
  except TypeError:
    fits = False
  if not fits:
    raise arguments.ArgumentError(
      'dtype', dtype, 'give a type of weights: float32 or bfloat16'
    )


def _find(name: str, checkpoint: str) -> folder_lib.Found:
  """Returns where the weights of a preset are."""
  source = _preset(name).source if name or not checkpoint else ''
  if checkpoint:
    return folder_lib.find(checkpoint)
  if source == 'package':
    path = NANO / f'{name}.safetensors'
    return folder_lib.Found('params', path, (path,))
  if source == 'gguf':
    from wcse_jax.models.formats import gguf

    return folder_lib.find(gguf.convert())
  raise CheckpointError(
    f'{name} has no weights of its own here: name a folder that holds them,'
    ' in a run as config.checkpoints'
  )


def _preset(name: str) -> presets.Preset:
  if name not in presets.PRESETS:
    raise CheckpointError(
      f'there is no preset {name!r}: name one of {", ".join(presets.PRESETS)},'
      " or '' for the one that fits the weights"
    )
  return presets.PRESETS[name]


def _vocabulary(
  name: str, checkpoint: str, tokenizer: str | pathlib.Path
) -> pathlib.Path:
  """Returns the file of a tokenizer."""
  if tokenizer in presets.PRESETS:
    return _vocabulary(str(tokenizer), '', '')
  if not tokenizer:
    name, checkpoint = _base(name, checkpoint)
  place = tokenizer or checkpoint
  if not place:
    place = _find(name, '').path.parent
  return folder_lib.tokenizer(place)


def _open(found: folder_lib.Found) -> weights.Weights:
  if found.kind == 'params':
    return weights.Files([found.path])
  if found.kind == 'huggingface':
    return huggingface.Weights(found.path)
  from wcse_jax.models.formats import gm

  return gm.Weights(found.path)


def _read(
  stored: weights.Weights,
  config: presets.GemmaConfig,
  dtype: str,
  mesh: Mesh | None = None,
  rules: sharding.Rules = sharding.DECODE,
) -> Any:
  """Reads the tree of `config`, each tensor into its layout."""
  targets = sharding.params_shapes(config, dtype)
  if mesh is not None:
    targets = sharding.laid_out(targets, mesh, rules, config)
  flat: Any = flax.traverse_util.flatten_dict(targets, sep='/')
  return flax.traverse_util.unflatten_dict(stored.read(config, flat), sep='/')
