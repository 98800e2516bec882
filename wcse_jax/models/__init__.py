"""Gemma models: architectures, weights in and out, sharding rules.

`load` is the short way in. The modules:

  presets      architectures by name
  gemma        the model, of
  attention      attention over levels of keys and values, and of
  layers         norms, and products with weights
  sharding     which axis is laid over which axis of the mesh
  checkpoint   a preset with weights and tokenizer, from any of the following
  formats      checkpoints on disk: what a folder holds, each kind in and out
  lora         adapters beside the weights of another checkpoint
  export       `python -m wcse_jax.models.export`
  tokenizer    SentencePiece with exact text
"""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from wcse_jax.models import presets

if TYPE_CHECKING:
  from jax.sharding import Mesh

  from wcse_jax.models import checkpoint, sharding


def load(
  source: str | pathlib.Path,
  mesh: 'Mesh | None' = None,
  dtype: str = 'float32',
  *,
  preset: str = '',
  tokenizer: str | pathlib.Path = '',
  base: str | pathlib.Path = '',
  rules: 'sharding.Rules | None' = None,
) -> 'checkpoint.Model':
  """Loads a model: weights, architecture and tokenizer.

  With a mesh, each tensor is read straight into its layout: no host holds more
  than its devices' share and one tensor.

  Args:
    source: The name of a preset that comes with weights, or a folder: one of
      Hugging Face (config.json beside safetensors), of `gemma.gm` (Orbax), a
      step of a finetuned student, or one with params.safetensors. Adapters of
      a student (LoRA) are added to the weights that they were trained beside.
    mesh: Devices as (data, tensor); None: arrays of the host.
    dtype: Type of the weights, e.g. 'bfloat16'.
    preset: The model's name in `presets.PRESETS`; '' finds it by the shapes. A
      folder of Hugging Face may also be of none of them, if config.json says
      what it is.
    tokenizer: A SentencePiece file, a folder with tokenizer.model, or a preset
      that comes with one; '' is the one in or beside the folder.
    base: The checkpoint that adapters are added to, as `source`, if it is no
      longer where it was.
    rules: Which axis goes over which axis of the mesh: `sharding.DECODE` (the
      default), or `sharding.TRAIN`.

  Raises:
    ArgumentError: There are no weights of such a type.
    CheckpointError: A file is missing, cut short, or of another architecture.

  Example:
    >>> model = load('nano_wc', dtype='bfloat16')
    >>> model.params['layer_0']['mlp']['linear'].shape, model.config.num_params
    ((384, 96), 640608)
    >>> model.tokenizer.decode(model.tokenizer.encode('12 apples'))
    '12 apples'
  """
  from wcse_jax.models import checkpoint, lora, sharding
  from wcse_jax.models.formats import gm

  known = presets.PRESETS
  if record := lora.record(source):
    model = load(
      base or record.folder or record.model,
      mesh,
      dtype,
      preset=preset or (record.model if record.model in known else ''),
      tokenizer=tokenizer,
      rules=rules,
    )
    adapters = gm.read_adapters(
      pathlib.Path(source) / 'params', lora.init(model.config, record.rank, 0)
    )
    merged = lora.merge(model.params, adapters, model.config, record.scale)
    return dataclasses.replace(model, params=merged, folder=str(source))
  name, folder = preset, str(source)
  if folder in presets.PRESETS:
    if preset not in ('', folder):
      raise checkpoint.CheckpointError(
        f'{folder} is another preset than {preset}: name one of them'
      )
    name, folder = folder, ''
  return checkpoint.load(
    name,
    folder,
    mesh,
    dtype,
    tokenizer=tokenizer,
    rules=sharding.DECODE if rules is None else rules,
  )
