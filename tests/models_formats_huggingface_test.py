"""Folders of Hugging Face, in and out; the logits are those of transformers.

`benchmarks/parity.py` asks transformers itself, which also reads what we write.
"""

import dataclasses
import json

from huggingface_folders import (
  CONFIGS,
  GEMMA2,
  GOLDEN,
  SAYS,
  D,
  F,
  V,
  difference,
  export,
  logits,
  random_params,
  tensors,
  write,
)
import jax
import numpy as np
import pytest
import safetensors.numpy

from wcse_jax import models
from wcse_jax.models import checkpoint, presets, tokenizer
from wcse_jax.models.formats import gm


@pytest.fixture(autouse=True)
def _presets(monkeypatch):
  for kind, config in CONFIGS.items():
    monkeypatch.setitem(presets.PRESETS, kind, presets.Preset(config=config))


@pytest.mark.parametrize('kind', CONFIGS)
def test_logits_are_those_of_transformers(kind, tmp_path):
  model = models.load(write(tmp_path, kind))
  assert model.name == kind
  got = logits(model)[:, -1, :3]
  assert difference(got, np.array(GOLDEN[kind])) <= 1e-5


@pytest.mark.parametrize('kind', CONFIGS)
def test_what_is_written_is_read(kind, tmp_path):
  params = random_params(CONFIGS[kind])
  for name, file_bytes in (('one', 10**9), ('several', 40_000)):
    export(tmp_path / name, params, CONFIGS[kind], file_bytes=file_bytes)
    model = models.load(tmp_path / name)
    assert (model.name, model.config) == (kind, CONFIGS[kind])
    jax.tree.map(np.testing.assert_array_equal, model.params, params)
  index = json.loads(
    (tmp_path / 'several' / 'model.safetensors.index.json').read_text()
  )
  assert set(index['weight_map']) == set(tensors(kind))
  assert len(set(index['weight_map'].values())) > 3
  sizes = sum(a.nbytes for a in jax.tree.leaves(params))
  assert index['metadata']['total_size'] == sizes


def test_the_text_of_a_model_that_sees_is_read(tmp_path):
  kind, arrays = 'gemma3_text', tensors('gemma3_text')
  extra = np.ones((64, D), np.float32)  # ids of images
  table = arrays['model.embed_tokens.weight']
  seeing = {
    'vision_tower.vision_model.post_layernorm.bias': np.ones(3, np.float32),
    'multi_modal_projector.mm_soft_emb_norm.weight': np.ones(3, np.float32),
  }
  more = {
    **arrays,
    'model.embed_tokens.weight': np.concatenate([table, extra]),
  }
  want = models.load(write(tmp_path / 'text', kind, arrays)).params
  want['embedder']['input_embedding'] = more['model.embed_tokens.weight']
  for before in ('language_model.model.', 'model.language_model.'):
    folder = write(
      tmp_path / before,
      kind,
      {n.replace('model.', before, 1): a for n, a in more.items()} | seeing,
      model_type='gemma3',
      text_config={'model_type': kind, **SAYS[kind]},
    )
    model = models.load(folder)
    assert model.config.num_embed == V + 64
    assert model.left_out == ('multi_modal_projector', 'vision_tower')
    jax.tree.map(np.testing.assert_array_equal, model.params, want)


def test_the_text_of_a_gemma_4_that_sees_and_hears_is_read(tmp_path):
  """And keys that layers would have, if they did not read those of others."""
  kind, arrays = 'gemma4_text', tensors('gemma4_text')
  want = models.load(write(tmp_path / 'text', kind, arrays))
  more = {
    'model.vision_tower.patch_embedder.input_proj.weight': (3, 3),
    'model.embed_vision.embedding_projection.weight': (D, 3),
    'model.audio_tower.layers.0.norm_out.weight': (3,),
    'model.embed_audio.embedding_projection.weight': (D, 3),
    'model.language_model.layers.2.self_attn.k_proj.weight': (16, D),
    'model.language_model.layers.3.self_attn.k_norm.weight': (24,),
  }
  folder = write(
    tmp_path / 'all',
    kind,
    {n.replace('model.', 'model.language_model.'): a for n, a in arrays.items()}
    | {name: np.ones(shape, np.float32) for name, shape in more.items()},
    model_type='gemma4',
    text_config=SAYS[kind],
    vision_config={'hidden_size': 3},
    audio_config={'hidden_size': 3},
  )
  model = models.load(folder)
  assert (model.name, model.config) == (kind, CONFIGS[kind])
  assert model.left_out == (
    'audio_tower', 'embed_audio', 'embed_vision', 'vision_tower',
  )  # fmt: skip
  jax.tree.map(np.testing.assert_array_equal, model.params, want.params)
  used = more | {'model.language_model.layers.2.self_attn.x.weight': (3,)}
  write(
    tmp_path / 'other',
    kind,
    arrays | {name: np.ones(shape, np.float32) for name, shape in used.items()},
  )
  with pytest.raises(checkpoint.CheckpointError, match='layers.2.self_attn.x'):
    models.load(tmp_path / 'other')


def test_routers_that_read_something_else_are_not_written_as_if(tmp_path):
  """gm's read what a norm gives, those of transformers what it reads."""
  config = CONFIGS['gemma4_experts']
  words = tokenizer.Tokenizer(checkpoint.NANO / 'tokenizer.model')
  with pytest.raises(checkpoint.CheckpointError, match='format huggingface'):
    gm.write(tmp_path / 'gm', random_params(config), config, words)
  other = dataclasses.replace(config, routes_residual=False)
  with pytest.raises(checkpoint.CheckpointError, match='format gm'):
    export(tmp_path / 'hf', random_params(other), other)
  gm.write(tmp_path / 'gm', random_params(other), other, words)
  assert models.load(tmp_path / 'gm').config == other


@pytest.mark.parametrize(('says', 'said'), [
  ({'model_type': 'gemma3n'}, 'AltUp'),
  ({'model_type': 'gemma3n_text'}, 'take gemma4_e2b'),
  ({'quantization_config': {'quant_method': 'awq'}}, 'quantised'),
  ({'model_type': 'gemma4_unified'}, 'another architecture'),
])  # fmt: skip
def test_what_is_not_read_is_named_with_what_is(says, said, tmp_path):
  with pytest.raises(checkpoint.CheckpointError, match=said):
    models.load(write(tmp_path, 'gemma4_text', **says))


@pytest.mark.parametrize('name', [
  'lm_head.weight', 'language_model.lm_head.weight',
])  # fmt: skip
@pytest.mark.parametrize('tied', [True, False])
def test_a_head_is_compared_with_the_table(name, tied, tmp_path):
  """One that is the table may stand there; another gives other logits."""
  arrays = tensors('gemma2')
  table = arrays['model.embed_tokens.weight']
  folder = write(
    tmp_path,
    'gemma2',
    arrays | {name: table.copy()},
    tie_word_embeddings=tied,
  )
  assert models.load(folder).name == 'gemma2'
  other = table.copy()
  other[-1, -1] += 1e-3
  for head, said in ((other, 'lm_head.weight, which'), (table[:-1], '511')):
    write(folder, 'gemma2', arrays | {name: head}, tie_word_embeddings=tied)
    with pytest.raises(checkpoint.CheckpointError, match=said):
      models.load(folder)


@pytest.mark.parametrize('name', [
  'score.weight', 'model.layers.0.lm_head.weight', 'a.vision_tower.b',
])  # fmt: skip
def test_tensors_that_no_text_model_has_are_refused(name, tmp_path):
  arrays = tensors('gemma2') | {name: np.ones((3, D), np.float32)}
  with pytest.raises(checkpoint.CheckpointError, match=name):
    models.load(write(tmp_path, 'gemma2', arrays))


@pytest.mark.parametrize('beside', [
  'model-00001-of-00002.safetensors', 'model.safetensors.index.json',
  'params.safetensors',
])  # fmt: skip
def test_a_folder_with_several_checkpoints_is_refused(beside, tmp_path):
  write(tmp_path, 'gemma2')
  index = {'weight_map': {NORM: 'model-00001-of-00002.safetensors'}}
  (tmp_path / beside).write_text(json.dumps(index))
  with pytest.raises(checkpoint.CheckpointError, match='several checkpoints'):
    models.load(tmp_path)


def test_an_index_of_one_file_is_no_other_checkpoint(tmp_path):
  index = {'weight_map': dict.fromkeys(tensors('gemma2'), 'model.safetensors')}
  write(tmp_path, 'gemma2')
  (tmp_path / 'model.safetensors.index.json').write_text(json.dumps(index))
  assert models.load(tmp_path).name == 'gemma2'


def test_fewer_ids_than_the_preset_embeds(monkeypatch, tmp_path):
  """Of Gemma 2, 256,000 rows are published; `gm.nn` has 256,128."""
  wide = dataclasses.replace(GEMMA2, num_embed=V + 128)
  monkeypatch.setitem(presets.PRESETS, 'gemma2', presets.Preset(config=wide))
  assert models.load(write(tmp_path, 'gemma2')).config == GEMMA2


def _without(name):
  def change(folder):
    arrays = tensors('gemma2')
    del arrays[name]
    write(folder, 'gemma2', arrays)

  return change


def _with(name, shape):
  def change(folder):
    arrays = tensors('gemma2') | {name: np.zeros(shape, np.float32)}
    write(folder, 'gemma2', arrays)

  return change


def _says(**says):
  return lambda folder: write(folder, 'gemma2', **says)


def _cut(name):
  def change(folder):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])

  return change


def _shards(weight_map):
  def change(folder):
    (folder / 'model.safetensors').rename(
      folder / 'model-00001-of-00002.safetensors'
    )
    index = {'weight_map': dict.fromkeys(tensors('gemma2'), weight_map)}
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))

  return change


def _remove(name):
  return lambda folder: (folder / name).unlink()


NORM, DOWN = 'model.norm.weight', 'model.layers.1.mlp.down_proj.weight'
BIAS = 'model.layers.0.self_attn.q_proj.bias'
DAMAGE = {
  'another family': (_says(model_type='llama'), ['config.json', "'llama'"]),
  'another field': (
    _says(sliding_window=7),
    ['config.json', 'sliding_window = 7', '5'],
  ),
  'another rope': (
    _says(rope_scaling={'type': 'linear', 'factor': 4.0}),
    ['config.json', 'rope_scaling', 'linear, 4.0'],
  ),
  'a new field': (_says(new_field=3), ['config.json', 'new_field = 3']),
  'another activation': (_says(hidden_act='silu'), ['config.json', 'silu']),
  'untied': (_says(tie_word_embeddings=False), ['tie_word_embeddings']),
  'a missing tensor': (_without(NORM), ['model.safetensors lacks', NORM]),
  'a misshapen tensor': (
    _with(DOWN, (D, 2 * F)),
    ['model.safetensors', DOWN, '(32, 96)', '(32, 48)'],
  ),
  'one too many': (_with(BIAS, (64,)), ['model.safetensors', BIAS]),
  'cut short': (_cut('model.safetensors'), ['model.safetensors', 'restore']),
  'a config cut short': (_cut('config.json'), ['config.json', 'again']),
  'a missing shard': (
    _shards('model-00002-of-00002.safetensors'),
    ['model-00002-of-00002.safetensors is missing', 'fetch it again'],
  ),
  'no weights': (_remove('model.safetensors'), ['holds no checkpoint']),
  'no tokenizer': (_remove('tokenizer.model'), ['tokenizer.model is missing']),
}


@pytest.mark.parametrize('damage', DAMAGE)
def test_what_does_not_fit_is_named(damage, tmp_path):
  change, patterns = DAMAGE[damage]
  folder = tmp_path / 'gemma'
  change(write(folder, 'gemma2'))
  for preset in ('gemma2', ''):
    with pytest.raises(checkpoint.CheckpointError) as error:
      models.load(folder, preset=preset)
    assert str(folder) in str(error.value)
    for pattern in patterns:
      assert pattern in str(error.value)


@pytest.mark.parametrize('kind', CONFIGS)
def test_a_gemma_of_its_own_is_what_its_config_json_says(
  kind, tmp_path, monkeypatch
):
  config = models.load(write(tmp_path / 'preset', kind)).config
  monkeypatch.delitem(presets.PRESETS, kind)
  model = models.load(write(tmp_path / 'own', kind))
  assert model.name == SAYS[kind].get('model_type', kind)
  own = dataclasses.replace(
    model.config, transpose_gating_einsum=config.transpose_gating_einsum
  )
  assert own == config
  assert difference(logits(model)[:, -1, :3], np.array(GOLDEN[kind])) <= 1e-5
  with pytest.raises(checkpoint.CheckpointError, match='gemma2_9b'):
    models.load(tmp_path / 'own', preset='gemma2_9b')
  arrays = tensors(kind)
  arrays[NORM] = arrays[NORM][:-1]
  with pytest.raises(checkpoint.CheckpointError, match=NORM):
    models.load(write(tmp_path / 'misshapen', kind, arrays))


def test_a_tensor_that_its_shard_lacks_is_named_with_the_shard(tmp_path):
  write(tmp_path, 'gemma2')
  file = 'model-00001-of-00002.safetensors'
  _shards(file)(tmp_path)
  models.load(tmp_path)
  arrays = tensors('gemma2')
  del arrays[DOWN]
  safetensors.numpy.save_file(arrays, tmp_path / file)
  with pytest.raises(checkpoint.CheckpointError, match=f'{file} lacks {DOWN}'):
    models.load(tmp_path)


@pytest.mark.parametrize(
  'name', ['../x.safetensors', '/x.safetensors', 'a/x.safetensors', '..', '', 1]
)
def test_an_index_that_names_files_elsewhere_is_refused(name, tmp_path):
  folder = write(tmp_path / 'gemma', 'gemma2')
  (tmp_path / 'x.safetensors').symlink_to(folder / 'model.safetensors')
  index = {'weight_map': dict.fromkeys(tensors('gemma2'), name)}
  path = folder / 'model.safetensors.index.json'
  path.write_text(json.dumps(index))
  with pytest.raises(checkpoint.CheckpointError, match='no file of its folder'):
    models.load(folder)
  for text in ('[]', '{', '{}', '{"weight_map": 1}', '{"weight_map": [1]}'):
    path.write_text(text)
    with pytest.raises(checkpoint.CheckpointError, match=r'index\.json cannot'):
      models.load(folder)


def test_files_that_only_the_index_names_belong_to_the_identity(tmp_path):
  """Other weights in them once left the fingerprint as it was."""
  folder = write(tmp_path / 'gemma', 'gemma2')
  (folder / 'model.safetensors').rename(folder / 'weights-1.safetensors')
  index = {
    'weight_map': dict.fromkeys(tensors('gemma2'), 'weights-1.safetensors')
  }
  (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
  models.load(folder)
  found = checkpoint.files('gemma2', str(folder))
  assert [file.name for file in found] == [
    'weights-1.safetensors', 'tokenizer.model',
  ]  # fmt: skip


@pytest.mark.parametrize('changes', [
  {'query_pre_attn_scalar': 0.3},
  {'use_post_ffw_norm': False},
  {'global_scale_factor': 8.0},
  {'use_qk_norm': True},
  {'use_post_attn_norm': False, 'use_post_ffw_norm': False},
])  # fmt: skip
def test_what_transformers_has_not_is_said(changes, tmp_path):
  config = dataclasses.replace(GEMMA2, **changes)
  with pytest.raises(checkpoint.CheckpointError, match='transformers has no'):
    export(tmp_path / 'x', random_params(config), config)
