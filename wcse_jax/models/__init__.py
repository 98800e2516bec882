"""Gemma models: architectures, weights in and out, sharding rules.

`load` is the short way in. The modules:

  presets      architectures by name
  gemma        the model
  sharding     which axis is laid over which axis of the mesh
  checkpoint   a preset with weights and tokenizer, from any of the following
  folder       what kind of checkpoint a folder holds
  weights      tensors on disk, read slice by slice
  gm           Orbax checkpoints of `gemma.gm`
  huggingface  folders as transformers has them
  gguf         the pretrained Gemma 3 270M
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

  Example:
    model = models.load('/data/gemma-2-9b', sharding.make_mesh(tensor=8))
    samples = sampling.Sampler(model, mesh=..., ...).sample(prompts)

  Args:
    source: The name of a preset that comes with weights, or a folder: one of
      Hugging Face (config.json beside safetensors), of `gemma.gm` (Orbax), a
      step of a finetuned student, or one with params.safetensors. Adapters of
      a student (LoRA) are added to the weights that they were trained beside.
    mesh: Devices as (data, tensor); None: arrays of the host.
    dtype: Of the weights.
    preset: The model's name in `presets.PRESETS`; '' finds it by the shapes.
    tokenizer: A SentencePiece file, a folder with tokenizer.model, or a preset
      that comes with one; '' is the one in or beside the folder.
    base: What adapters are added to, if it is no longer where it was.
    rules: Which axis goes over which axis of the mesh: `sharding.DECODE` (the
      default), or `sharding.TRAIN`.

  Raises:
    CheckpointError: A file is missing, cut short, or of another architecture.
  """
  from wcse_jax.models import checkpoint, lora, sharding
  from wcse_jax.models.formats import gm

  if record := lora.record(source):
    model = load(
      base or record.folder or record.model,
      mesh,
      dtype,
      preset=preset or record.model,
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
    name or checkpoint.recognise(folder),
    folder,
    dtype,
    mesh=mesh,
    tokenizer=tokenizer,
    rules=sharding.DECODE if rules is None else rules,
  )
