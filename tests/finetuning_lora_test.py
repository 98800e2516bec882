"""Adapters: beside the weights as merged into them, trained, saved small."""

import dataclasses
import os
import shutil

from finetuning_loop_test import SPEC, lines, plan
from finetuning_step_test import (
  quick_compile,  # noqa: F401
  table,
)
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax import models, testing
from wcse_jax.finetuning import checkpoints, loop
from wcse_jax.models import checkpoint, export, gemma, lora, presets

RANK_2 = dataclasses.replace(SPEC, lora_rank=2, lora_alpha=3.0)


def _hidden(model, params, adapters=None):
  return jax.jit(
    lambda params, adapters: gemma.forward(
      gemma.Gemma(model.config), params, table()['tokens'], adapters=adapters
    )[0]
  )(params, adapters)


@pytest.mark.parametrize(
  'changes',
  [{}, {'num_kv_heads': 4, 'transpose_gating_einsum': True}],
  ids=['gqa', 'mha'],
)
def test_beside_the_weights_as_merged_into_them(changes):
  model = testing.tiny_model(attention_types=('global',), **changes)
  adapters = lora.init(model.config, 2, seed=0)
  without = _hidden(model, model.params)
  beside = lambda: _hidden(
    model, model.params, lora.scaled(adapters, RANK_2.lora_scale)
  )
  np.testing.assert_array_equal(beside(), without)  # b is 0
  rng = np.random.default_rng(1)
  adapters = jax.tree.map(
    lambda a: jnp.asarray(rng.normal(size=a.shape, scale=0.1)), adapters
  )
  merged = _hidden(
    model,
    lora.merge(model.params, adapters, model.config, RANK_2.lora_scale),
  )
  assert float(jnp.abs(merged - without).max()) > 0.1
  np.testing.assert_allclose(beside(), merged, rtol=1e-4, atol=1e-4)


def test_every_matrix_of_a_layer_has_one():
  layer = lora.init(testing.TINY, 2, seed=0)['layer_0']
  assert sorted(layer) == ['attn', 'mlp']
  assert sorted(layer['attn']) == ['attn_vec_einsum', 'kv_einsum', 'q_einsum']
  assert sorted(layer['mlp']) == ['gating_einsum', 'linear']


@pytest.fixture(scope='module')
def finetuned(tmp_path_factory):
  """A model in a folder, and what finetuning adapters of it left."""
  folder = tmp_path_factory.mktemp('lora')
  config = testing.tiny_model(num_embed=512, attention_types=('local',)).config
  (folder / 'base').mkdir()
  checkpoint.write(
    folder / 'base' / 'params.safetensors', gemma.init(config, 0)
  )
  shutil.copy(checkpoint.NANO / 'tokenizer.model', folder / 'base')
  with pytest.MonkeyPatch.context() as patched:
    patched.setitem(presets.PRESETS, 'tiny', presets.Preset(config=config))
    model = checkpoint.load('tiny', str(folder / 'base'))
    before = jax.tree.map(np.array, model.params)
    steps = loop.finetune(model, plan(), RANK_2, folder)
    jax.tree.map(np.testing.assert_array_equal, model.params, before)
    yield model, folder, steps[-1]


def test_adapters_alone_are_trained_and_saved(finetuned):
  model, folder, step = finetuned
  losses = [line['loss'] for line in lines(folder)]
  assert losses[-1] < 0.98 * losses[0]
  like = lora.init(model.config, 2, seed=0)
  with checkpoints.Checkpoints(folder / 'checkpoints') as saved:
    adapters = saved.restore(step, params=like).params
  sizes = [
    sum(a.size for a in jax.tree.leaves(t)) for t in (adapters, model.params)
  ]
  assert sizes[0] < 0.25 * sizes[1]
  jax.tree.map(
    np.testing.assert_array_equal,
    loop.student(model, RANK_2, folder, step),
    lora.merge(model.params, adapters, model.config, RANK_2.lora_scale),
  )


def test_an_export_has_the_adapters_merged(finetuned, tmp_path):
  model, folder, step = finetuned
  saved = folder / 'checkpoints' / str(step)
  elsewhere = shutil.copytree(folder / 'base', tmp_path / 'moved')
  want = loop.student(model, RANK_2, folder, step)
  for i, more in enumerate(([], [f'--base={elsewhere}'])):
    made = tmp_path / f'made {i}'
    flags = ['--format=gm', '--dtype=float32', *more]
    export.main([f'--from={saved}', f'--to={made}', *flags])
    exported = models.load(made, preset='tiny')
    jax.tree.map(np.testing.assert_array_equal, exported.params, want)
    assert exported.tokenizer.pieces() == model.tokenizer.pieces()


def test_a_step_with_adapters_is_a_checkpoint(finetuned):
  """Of a run, too: its tokenizer and its base are those of the record."""
  model, folder, step = finetuned
  saved = folder / 'checkpoints' / str(step)
  names = [path.name for path in checkpoint.files('tiny', str(saved))]
  assert names[0] == 'params.safetensors'
  assert names[-1] == 'tokenizer.model'
  assert 'metadata' in names and '_METADATA' in names
  checkpoint.check('tiny', str(saved))  # as before anything is sampled
  assert checkpoint.ends('tiny', str(saved)) == model.ends
  loaded = models.load(saved, preset='tiny')
  want = loop.student(model, RANK_2, folder, step)
  jax.tree.map(np.testing.assert_array_equal, loaded.params, want)


def test_a_damaged_record_of_adapters_is_named(finetuned, tmp_path):
  _, folder, step = finetuned
  copy = shutil.copytree(folder / 'checkpoints' / str(step), tmp_path / 'copy')
  record = copy / 'adapters' / 'metadata'
  os.truncate(record, record.stat().st_size // 2)
  with pytest.raises(checkpoint.CheckpointError, match='adapters/metadata'):
    models.load(copy)
