"""The cells of `parity.py`: small Gemmas of each family, in every form."""

from collections.abc import Callable, Iterator
import dataclasses
import functools
import json
import pathlib
import sys
from typing import Any, cast

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import safetensors.numpy

from wcse_jax import models
from wcse_jax.models import checkpoint, export, gemma, lora, presets
from wcse_jax.models.formats import huggingface
from wcse_jax.models.tokenizer import Tokenizer

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'tests'))
import gm_nn  # noqa: F401  # pyright: ignore
import huggingface_folders as small  # pyright: ignore

FAMILIES = {
  'gemma': 'Gemma 1',
  'gemma2': 'Gemma 2',
  'gemma3_text': 'Gemma 3',
  'gemma4_text': 'Gemma 4',
  'gemma4_experts': 'Gemma 4, experts',
}
_FOURTH = 'gemma4_text', 'gemma4_experts'
PROMPT, NEW = 'Q: 12  apples.\n\nA:', 24  # far beyond the window of 5
_VISION = {'3': 'siglip_vision_model', '4': 'gemma4_vision'}
_SHARD_BYTES = 40_000
_STORED: dict[str, Any] = {
  'float32': np.float32, 'bfloat16': ml_dtypes.bfloat16, 'float16': np.float16,
}  # fmt: skip
_LOCAL = {'rope_theta': 1e4, 'rope_type': 'default'}
_FULL = {'rope_theta': 1e6, 'rope_type': 'linear', 'factor': 8}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
  """One folder, read here and by transformers.

  Attributes:
    family: A key of `FAMILIES`.
    group: Which part of the matrix it belongs to.
    what: What the folder is, or what its config.json says.
    theirs: What transformers reads.
    ours: What is read here; None: the same.
    logits: Gives our logits [B, T, V], if they are not those of `ours`.
    dtype: What both compute in.
    sampled: Whether greedy samples are compared, too.
    tokenized: Whether the ids of a text are compared, too.
    saved: Whether `ours` is what transformers saves of `theirs`.
    refused: What our refusal names; '': it must be read.
  """

  family: str
  group: str
  what: str
  theirs: pathlib.Path
  ours: pathlib.Path | None = None
  logits: Callable[[], np.ndarray] | None = None
  dtype: str = 'float32'
  sampled: bool = False
  tokenized: bool = False
  saved: bool = False
  refused: str = ''

  def load(self) -> checkpoint.Model:
    """Loads it here."""
    return models.load(
      self.ours or self.theirs, dtype=self.dtype, tokenizer=small.VOCABULARY
    )


def cells(folder: pathlib.Path) -> list[Cell]:
  """Writes all folders, and returns their cells."""
  made = []
  for family in FAMILIES:
    for part in (_layouts, _dtypes, _spellings, _samples):
      place = folder / family / part.__name__.strip('_')
      place.mkdir(parents=True)
      made += part(family, place)
  return made


def _sharded(family: str, folder: pathlib.Path) -> pathlib.Path:
  """Writes a folder with two files and an index."""
  arrays = small.tensors(family)
  small.write(folder, family, arrays)
  (folder / 'model.safetensors').unlink()
  names, parts = sorted(arrays), {}
  for i, part in enumerate((names[::2], names[1::2]), 1):
    file = f'model-{i:05}-of-00002.safetensors'
    safetensors.numpy.save_file(
      {name: arrays[name] for name in part}, folder / file, {'format': 'pt'}
    )
    parts |= dict.fromkeys(part, file)
  index = {'metadata': {}, 'weight_map': parts}
  (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
  return folder


def _seeing(family: str, folder: pathlib.Path, before: str) -> pathlib.Path:
  """Writes the text of a Gemma that sees, under names of a version."""
  arrays = {
    name.replace('model.', before, 1): array
    for name, array in small.tensors(family).items()
  }
  vision = {'hidden_size': 16, 'intermediate_size': 16, 'image_size': 28,
            'num_hidden_layers': 1, 'num_attention_heads': 2, 'patch_size': 14,
            'head_dim': 8, 'num_key_value_heads': 2}  # fmt: skip
  number = family[len('gemma')]
  return small.write(
    folder,
    family,
    arrays,
    model_type=f'gemma{number}',
    architectures=[f'Gemma{number}ForConditionalGeneration'],
    text_config={'model_type': family, **small.SAYS[family]},
    vision_config=vision | {'model_type': _VISION[number]},
    mm_tokens_per_image=4,
  )


def _layouts(family: str, folder: pathlib.Path) -> Iterator[Cell]:
  def cell(what: str, theirs: pathlib.Path, **fields: Any) -> Cell:
    return Cell(
      family=family, group='layout', what=what, theirs=theirs, **fields
    )

  one = small.write(folder / 'one', family)
  yield cell('one file', one)
  yield cell('shards and an index', _sharded(family, folder / 'shards'))
  yield cell(
    'saved again by transformers', one, ours=folder / 'again', saved=True
  )
  for name, before, families in (
    ('4', 'language_model.model.', ('gemma3_text',)),
    ('5', 'model.language_model.', ('gemma3_text', *_FOURTH)),
  ):
    if family in families:
      seeing = _seeing(family, folder / f'seeing_{name}', before)
      yield cell(f'a model that sees, names of transformers {name}', seeing)
  model = models.load(one)
  tokens = cast(Tokenizer, model.tokenizer)
  for what, most in (('one file', 10**9), ('shards', _SHARD_BYTES)):
    to = folder / f'export_{most}'
    huggingface.write(to, model.params, model.config, tokens, file_bytes=most)
    yield cell(f'our export, {what}', to, tokenized=True)
  if not model.config.routes_residual:  # gm has no such routers
    export.export(one, folder / 'gm', 'gm', dtype='float32')
    of_gm = functools.partial(_with_preset, family, folder / 'gm')
    yield cell('Orbax, as gm has it', one, logits=of_gm)
  yield _adapters(model, folder / 'merged', cell)
  arrays, table = small.tensors(family), 'model.embed_tokens.weight'
  extra = np.random.default_rng(3).normal(scale=0.3, size=(64, small.D))
  arrays[table] = np.concatenate([arrays[table], extra.astype(np.float32)])
  more = {'vocab_size': len(arrays[table])}
  table = 'model.embed_tokens_per_layer.weight'
  if table in arrays:
    arrays[table] = np.concatenate([arrays[table], arrays[table][:64]])
    more['vocab_size_per_layer_input'] = len(arrays[table])
  yield cell(
    'a table with 64 rows more than pieces',
    small.write(folder / 'rows', family, arrays, **more),
  )


def _with_preset(family: str, folder: pathlib.Path) -> np.ndarray:
  """Reads a folder that does not say what it is: it must be of a preset."""
  presets.PRESETS[family] = presets.Preset(config=small.CONFIGS[family])
  try:
    return small.logits(models.load(folder, preset=family))
  finally:
    del presets.PRESETS[family]


def _adapters(model: checkpoint.Model, to: pathlib.Path, cell: Any) -> Cell:
  """Adapters beside the weights here, merged into them there."""
  zero = lora.init(model.config, 4, 0)
  rng, scale = np.random.default_rng(0), 0.5
  adapters = jax.tree.map(
    lambda a: rng.normal(scale=0.3, size=a.shape).astype(np.float32), zero
  )
  merged = lora.merge(model.params, adapters, model.config, scale)
  tokens = cast(Tokenizer, model.tokenizer)
  huggingface.write(to, merged, model.config, tokens)

  def beside() -> np.ndarray:
    module = gemma.Gemma(model.config)
    hidden, _ = gemma.forward(
      module,
      model.params,
      jnp.asarray(small.tokens()),
      adapters=lora.scaled(adapters, scale),
    )
    return np.asarray(gemma.logits(module, model.params, hidden))

  return cell('adapters (LoRA), merged by our export', to, logits=beside)


def _dtypes(family: str, folder: pathlib.Path) -> Iterator[Cell]:
  # A choice of experts flips by the last bits of bfloat16: it is not compared.
  mixes = small.CONFIGS[family].mixes
  for stored, kind in _STORED.items():
    arrays = {n: a.astype(kind) for n, a in small.tensors(family).items()}
    path = small.write(folder / stored, family, arrays, dtype=stored)
    for dtype in ('float32', *(() if mixes else ('bfloat16',))):
      yield Cell(
        family=family,
        group=f'computed in {dtype}',
        what=f'stored as {stored}',
        theirs=path,
        dtype=dtype,
      )


# What config.json says otherwise than the folders of `huggingface_folders`,
# and what our refusal names, if it is one.
SPELLINGS: dict[str, list[tuple[dict[str, Any], str]]] = {
  'gemma': [
    ({'hidden_act': 'gelu_pytorch_tanh'}, ''),
    ({'rope_parameters': {'rope_type': 'default', 'rope_theta': 1e4}}, ''),
    ({'rope_parameters': {'rope_type': 'default'}}, ''),
    ({'rope_parameters': {'rope_theta': 5e4}}, ''),
    ({'rope_theta': 5e5}, ''),
    ({'tie_word_embeddings': True}, ''),
    ({'hidden_act': 'silu', 'hidden_activation': 'silu'}, 'silu'),
    ({'rope_scaling': {'rope_type': 'linear', 'factor': 4}}, ''),
    ({'rope_scaling': {'rope_type': 'dynamic', 'factor': 4.0}}, 'dynamic'),
    ({'attention_bias': True}, 'attention_bias'),
    ({'use_bidirectional_attention': True}, 'use_bidirectional_attention'),
  ],
  'gemma2': [
    ({'sliding_window': 3}, ''),
    ({'sliding_window_size': 5}, ''),
    ({'hidden_act': 'gelu_pytorch_tanh'}, ''),
    ({'final_logit_softcapping': None}, ''),
    ({'attn_logit_softcapping': None}, ''),
    ({'query_pre_attn_scalar': 16}, ''),
    ({'layer_types': ['full_attention', 'sliding_attention']}, ''),
    ({'layer_types': ['chunked_attention'] * 2}, 'layer_types'),
    ({'rope_scaling': {'type': 'linear', 'factor': 4}}, ''),
    ({'rope_parameters': {'rope_type': 'linear', 'factor': 2}}, ''),
    ({'rms_norm_eps': 1e-5}, 'rms_norm_eps'),
    ({'hidden_activation': 'relu'}, 'relu'),
    ({'a_new_field': 3}, 'a_new_field'),
  ],
  'gemma3_text': [
    ({'rope_parameters': {'full_attention': _FULL}}, ''),
    ({'rope_parameters': {'full_attention': _FULL | {'factor': 8.0},
                          'sliding_attention': _LOCAL}}, ''),
    ({'rope_parameters': {
      'sliding_attention': _LOCAL | {'rope_theta': 5e4}}}, ''),
    ({'rope_parameters': {
      'full_attention': _FULL,
      'sliding_attention': {'rope_type': 'linear', 'factor': 2}}},
     'local_scaling'),
    ({'rope_parameters': {'full_attention': _FULL | {'rope_type': 'yarn'}}},
     'yarn'),
    ({'rope_parameters': None, 'rope_theta': 5e5, 'rope_local_base_freq': 2e4,
      'rope_scaling': {'rope_type': 'linear', 'factor': 4.0}}, ''),
    ({'layer_types': None, 'sliding_window_pattern': 2}, ''),
    ({'layer_types': None}, ''),
    ({'attn_logit_softcapping': 10.0}, 'attn_logit_softcapping'),
    ({'final_logit_softcapping': 20.0}, ''),
    ({'use_bidirectional_attention': False}, ''),
    ({'use_bidirectional_attention': True}, 'use_bidirectional_attention'),
    ({'tie_word_embeddings': False}, 'tie_word_embeddings'),
  ],
  'gemma4_text': [
    ({'rope_parameters': None}, ''),
    ({'rope_parameters': {
      'full_attention': _FULL | {'rope_type': 'proportional', 'factor': 1,
                                 'partial_rotary_factor': 0.5},
      'sliding_attention': _LOCAL}}, ''),
    ({'rope_parameters': {
      'full_attention': {'rope_theta': 1e6, 'rope_type': 'default'},
      'sliding_attention': _LOCAL | {'rope_theta': 5e4}}}, ''),
    ({'rope_parameters': {
      'full_attention': _FULL, 'sliding_attention': _LOCAL}}, 'linear'),
    ({'global_head_dim': None, 'per_layer_config': {
      '1': {'head_dim': 24}, '3': {'head_dim': 24}}}, ''),
    ({'per_layer_config': {'1': {'head_dim': 24}}}, 'per_layer_config'),
    ({'final_logit_softcapping': None}, ''),
    ({'sliding_window': 3}, ''),
    ({'use_bidirectional_attention': 'vision'}, ''),
    ({'use_bidirectional_attention': 'all'}, 'use_bidirectional_attention'),
    ({'num_global_key_value_heads': 2}, ''),
    ({'hidden_activation': 'relu'}, 'relu'),
    ({'a_new_field': 3}, 'a_new_field'),
  ],
  'gemma4_experts': [
    ({'top_k_experts': 1}, ''),
    ({'final_logit_softcapping': None}, ''),
    ({'use_double_wide_mlp': True}, ''),
  ],
}  # fmt: skip


def _spellings(family: str, folder: pathlib.Path) -> Iterator[Cell]:
  for i, (says, refused) in enumerate(SPELLINGS[family]):
    yield Cell(
      family=family,
      group='config.json',
      what=', '.join(f'{n}: {json.dumps(v)}' for n, v in says.items()),
      theirs=small.write(folder / str(i), family, **says),
      refused=refused,
    )


def _samples(family: str, folder: pathlib.Path) -> Iterator[Cell]:
  """Greedy ones: with no end, and with ends as chat-tuned folders say them."""
  path = small.write(folder / 'greedy', family)
  tokens = greedy(models.load(path), NEW - 1)
  ends = [1, max(tokens, key=tokens.index)]  # the last that is a new one
  config = small.write(folder / 'config', family, eos_token_id=ends)
  generation = small.write(folder / 'generation', family)
  (generation / 'generation_config.json').write_text(
    json.dumps({'bos_token_id': 2, 'eos_token_id': ends, 'pad_token_id': 0})
  )
  for what, at in (
    ('to the limit', path),
    ('eos_token_id is a list, in config.json', config),
    ('eos_token_id is a list, in generation_config.json', generation),
  ):
    yield Cell(
      family=family,
      group='greedy samples',
      what=what,
      theirs=at,
      sampled=True,
    )


def greedy(model: checkpoint.Model, number: int) -> list[int]:
  """Returns the first greedy tokens, computed without a cache."""
  module, start = gemma.Gemma(model.config), prompt(model)
  tokens = np.zeros((1, len(start) + number), np.int32)
  tokens[0, : len(start)] = start

  @jax.jit
  def likeliest(params, tokens):
    hidden, _ = gemma.forward(module, params, tokens)
    return gemma.logits(module, params, hidden)[0].argmax(-1)

  for at in range(len(start), tokens.shape[1]):
    tokens[0, at] = likeliest(model.params, tokens)[at - 1]
  return tokens[0, len(start) :].tolist()


def prompt(model: checkpoint.Model) -> list[int]:
  """Returns the ids of the prompt of all samples."""
  return [model.tokenizer.bos, *model.tokenizer.encode(PROMPT)]
