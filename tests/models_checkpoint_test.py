"""Weights in and out, and what is said of those that do not fit."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax import models, testing
from wcse_jax.models import checkpoint, presets, recognition
from wcse_jax.models.formats import weights
from wcse_jax.store import digests


def test_what_is_written_is_read(tmp_path):
  model = testing.tiny_model()
  path = tmp_path / 'params.safetensors'
  checkpoint.write(path, model.params)
  back = checkpoint.read(path, model.config, 'float32')
  jax.tree.map(np.testing.assert_array_equal, model.params, back)
  checkpoint.write(path, model.params, 'bfloat16')
  half = checkpoint.read(path, model.config, 'float32')
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(
      a.astype(jnp.bfloat16).astype(jnp.float32), b
    ),
    model.params,
    half,
  )


@pytest.mark.parametrize('changes', [
  {'hidden_dim': 64},
  {'use_qk_norm': True},
  {'attention_types': ('global',)},
])  # fmt: skip
def test_another_architecture_is_named_with_the_tensor(tmp_path, changes):
  path = tmp_path / 'params.safetensors'
  checkpoint.write(path, testing.tiny_model().params)
  other = testing.tiny_model(**changes).config
  with pytest.raises(checkpoint.CheckpointError, match='layer_') as error:
    checkpoint.read(path, other, 'float32')
  assert 'another architecture' in str(error.value)
  assert str(path) in str(error.value)


def test_a_file_cut_short_is_named(tmp_path):
  path = tmp_path / 'params.safetensors'
  checkpoint.write(path, testing.tiny_model().params)
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(checkpoint.CheckpointError, match='cannot be read'):
    checkpoint.read(path, testing.TINY, 'float32')


def test_missing_weights_and_foreign_tokenizers_are_named(tmp_path):
  with pytest.raises(checkpoint.CheckpointError, match='config.checkpoints'):
    checkpoint.load('gemma2_9b')
  with pytest.raises(checkpoint.CheckpointError, match='holds no checkpoint'):
    checkpoint.load('nano_wc', str(tmp_path))
  with pytest.raises(checkpoint.CheckpointError, match='is no folder'):
    checkpoint.load('nano_wc', str(tmp_path / 'x'))
  params = tmp_path / 'params.safetensors'
  checkpoint.write(params, testing.tiny_model().params)
  with pytest.raises(checkpoint.CheckpointError, match='is missing'):
    checkpoint.files('nano_wc', str(tmp_path))
  other = checkpoint.NANO / 'tokenizer.model'
  files = checkpoint.files('nano_wc', str(tmp_path), other)
  assert files == (params, other)
  with pytest.raises(checkpoint.CheckpointError, match='no preset.*nano_'):
    models.load(tmp_path, tokenizer=other)


@pytest.mark.parametrize('load', [
  lambda name: models.load('nano_wc', preset=name),
  lambda name: checkpoint.load(name),
  lambda name: checkpoint.load(name, str(checkpoint.NANO)),
  lambda name: checkpoint.files(name),
])  # fmt: skip
def test_a_preset_that_is_none_is_named(load):
  with pytest.raises(checkpoint.CheckpointError, match='gemma5_2b|another'):
    load('gemma5_2b')


def test_a_folder_with_tokenizer_json_alone_takes_another_s(tmp_path):
  """transformers 5 writes no tokenizer.model."""
  params = models.load('nano_wc').params
  checkpoint.write(tmp_path / 'params.safetensors', params)
  (tmp_path / 'tokenizer.json').write_text('{}')
  with pytest.raises(
    checkpoint.CheckpointError, match=r'tokenizer\.json.*config\.tokenizers'
  ):
    models.load(tmp_path)
  for words in (
    'nano_se',
    checkpoint.NANO,
    checkpoint.NANO / 'tokenizer.model',
  ):
    files = checkpoint.files('nano_wc', str(tmp_path), words)
    assert files[-1] == checkpoint.NANO / 'tokenizer.model'


def test_the_tokenizer_of_a_preset_without_one_is_not_another_s():
  with pytest.raises(checkpoint.CheckpointError, match='no weights of its own'):
    models.load('nano_wc', tokenizer='gemma2_9b')


@pytest.mark.parametrize('name, changes, nearest', [
  ('gemma_2b', {'embed_dim': 2304}, 'gemma_2b'),
  ('gemma_7b', {'embed_dim': 2880}, 'gemma_7b'),
  ('gemma2_9b', {'num_kv_heads': 4}, 'gemma2_9b'),
  ('gemma2_9b', {'attention_types': ('local', 'global') * 20}, 'gemma2_9b'),
  ('gemma3_4b', {'hidden_dim': 10_000}, 'gemma3_4b'),
])  # fmt: skip
def test_the_nearest_preset_is_that_of_the_nearest_layer(
  name, changes, nearest
):
  stored = weights.Weights()
  config = dataclasses.replace(presets.PRESETS[name].config, **changes)
  stored.shapes, stored.home = config.param_shapes(), pathlib.Path('x')
  with pytest.raises(checkpoint.CheckpointError, match=f'is {nearest}, but'):
    recognition.recognised(stored, 'x')


@pytest.mark.parametrize('name', ['nano_wc', 'nano_se', 'nano_student'])
def test_the_shipped_ladder_loads(name):
  model = checkpoint.load(name)
  assert model.config == presets.PRESETS[name].config
  assert model.tokenizer.vocab_size == model.config.num_embed
  assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(model.params))


def test_the_shipped_ladder_is_small():
  files = list(checkpoint.NANO.glob('*.safetensors'))
  assert len(files) == 3
  assert sum(f.stat().st_size for f in files) <= 12e6


@pytest.mark.parametrize('variant', [
  {}, {'num_kv_heads': 4}, {'transpose_gating_einsum': True},
])  # fmt: skip
def test_initial_activations_are_of_order_one(variant):
  """A fan-in that is off by the width shows at once."""
  from wcse_jax.models import gemma

  model = testing.tiny_model(**variant)
  tokens = np.random.default_rng(0).integers(4, 260, (4, 16))
  logits = gemma.logits(
    gemma.Gemma(model.config),
    model.params,
    gemma.forward(gemma.Gemma(model.config), model.params, tokens)[0],
  )
  assert 0.3 < float(logits.std()) < 3


def test_the_tokenizer_of_another_training_is_named(tmp_path, monkeypatch):
  """One of the same size gave garbage in silence."""
  vocabulary = tmp_path / 'tokenizer.model'
  shipped = checkpoint.NANO / 'tokenizer.model'
  vocabulary.write_bytes(shipped.read_bytes())
  weights = tmp_path / 'params.safetensors'
  params = checkpoint.load('nano_wc').params
  checkpoint.write(weights, params, 'bfloat16', vocabulary)
  assert checkpoint.load('nano_wc', str(tmp_path)).tokenizer.bos == 2
  vocabulary.write_bytes(shipped.read_bytes() + b'\n\0')
  with pytest.raises(checkpoint.CheckpointError, match='not the tokenizer'):
    checkpoint.load('nano_wc', str(tmp_path))


def test_a_tokenizer_is_hashed_only_if_the_weights_name_one(
  tmp_path, monkeypatch
):
  (tmp_path / 'tokenizer.model').write_bytes(
    (checkpoint.NANO / 'tokenizer.model').read_bytes()
  )
  path, params = tmp_path / 'params.safetensors', models.load('nano_wc').params
  monkeypatch.setattr(digests, 'sha256', lambda path: 1 / 0)
  checkpoint.write(path, params)
  assert models.load(tmp_path).name == 'nano_wc'


def test_a_tokenizer_with_more_pieces_than_the_weights_is_named(
  tmp_path, monkeypatch
):
  model = testing.tiny_model()
  monkeypatch.setitem(
    presets.PRESETS, 'tiny', presets.Preset(config=model.config)
  )
  checkpoint.write(tmp_path / 'params.safetensors', model.params)
  with pytest.raises(checkpoint.CheckpointError, match='512 pieces.*260'):
    models.load(tmp_path, tokenizer='nano_wc')


@pytest.mark.parametrize('stored', ['int32', 'bool', 'int8', 'uint16'])
def test_numbers_that_are_no_weights_are_named(tmp_path, stored):
  """They were read as weights, and sampled garbage."""
  path = tmp_path / 'params.safetensors'
  checkpoint.write(path, testing.tiny_model().params, stored)
  with pytest.raises(checkpoint.CheckpointError, match='no weights') as error:
    checkpoint.read(path, testing.TINY, 'float32')
  assert str(path) in str(error.value)


@pytest.mark.parametrize('stored', ['float16', 'bfloat16', 'float32'])
def test_numbers_that_are_weights_are_read(tmp_path, stored):
  path = tmp_path / 'params.safetensors'
  checkpoint.write(path, testing.tiny_model().params, stored)
  assert checkpoint.read(path, testing.TINY, 'bfloat16')


@pytest.mark.parametrize('wanted', ['int32', 'bool', 'float31', ''])
def test_a_type_that_no_weights_have_is_refused(wanted):
  with pytest.raises(ValueError, match='float32 or bfloat16'):
    models.load('nano_wc', dtype=wanted)
