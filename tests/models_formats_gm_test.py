"""Orbax checkpoints: those of `gm.ckpts`, ours for it, and students'."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys

import flax.traverse_util
import gm_nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from wcse_jax import models, testing
from wcse_jax.models import checkpoint, presets, sharding, tokenizer
from wcse_jax.models.formats import gm

VOCABULARY = checkpoint.NANO / 'tokenizer.model'
TINY = dataclasses.replace(testing.TINY, num_embed=512)


@pytest.fixture(autouse=True)
def _presets(monkeypatch):
  monkeypatch.setitem(presets.PRESETS, 'tiny', presets.Preset(config=TINY))


@pytest.fixture(scope='module')
def params():
  rng = np.random.default_rng(0)
  flat = {
    path: rng.normal(size=shape).astype(np.float32)
    for path, shape in TINY.param_shapes().items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def save(folder, tree):
  with ocp.StandardCheckpointer() as orbax:
    orbax.save(folder, tree)
  shutil.copy(VOCABULARY, folder)


def equal(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def flat(params):
  """Lays a tree out as official checkpoints have it."""
  tree = {
    'transformer/embedder': params['embedder'],
    'transformer/final_norm': params['final_norm'],
  }
  for i in range(TINY.num_layers):
    stem, layer = f'transformer/layer_{i}', params[f'layer_{i}']
    for name, value in layer['mlp'].items():
      tree[f'{stem}/mlp/{name}'] = {'w': value}
    for name, value in layer['attn'].items():
      tree[f'{stem}/attn/{name}'] = value
    for name, value in layer.items():
      if name.endswith('norm'):
        tree[f'{stem}/{name}'] = value
  return tree


@pytest.mark.filterwarnings('ignore')  # of what gemma imports
def test_gm_writes_what_we_read_and_reads_what_we_write(params, tmp_path):
  from gemma.gm import ckpts

  ckpts.save_params(params, tmp_path / 'theirs', wait_until_finished=True)
  theirs = models.load(tmp_path / 'theirs', tokenizer=VOCABULARY)
  assert (theirs.name, theirs.config) == ('tiny', TINY)
  equal(theirs.params, params)
  words = tokenizer.Tokenizer(VOCABULARY)
  gm.write(tmp_path / 'ours', params, TINY, words)
  equal(ckpts.load_params(tmp_path / 'ours'), params)
  equal(models.load(tmp_path / 'ours').params, params)
  # `flat` is what gm takes for flat.
  save(tmp_path / 'flat', flat(params))
  equal(ckpts.load_params(tmp_path / 'flat'), params)


@pytest.mark.filterwarnings('ignore')  # of what gemma imports
@pytest.mark.parametrize('name', ['gemma4_e2b', 'gemma4_26b_a4b'])
def test_gm_writes_the_gemma_4_that_we_read_and_reads_ours(
  name, tmp_path, monkeypatch
):
  """In both layouts; what hears is left out, and named."""
  from gemma.gm import ckpts
  from gemma.gm.ckpts import _checkpoint

  config = dataclasses.replace(gm_nn.small(name), num_embed=512)
  monkeypatch.setitem(presets.PRESETS, name, presets.Preset(config=config))
  params = gm_nn.params_of(config)
  whole = gm_nn.with_unused(config, params)
  hears = {'audio_input_projection': {'w': np.ones((2, 2), np.float32)}}
  theirs = whole | {'embedder': whole['embedder'] | hears}
  ckpts.save_params(theirs, tmp_path / 'theirs', wait_until_finished=True)
  save(tmp_path / 'flat', _checkpoint._nested_to_flat(theirs))
  for layout in ('theirs', 'flat'):
    model = models.load(tmp_path / layout, tokenizer=VOCABULARY)
    assert (model.name, model.config) == (name, config)
    assert model.left_out == ('audio_input_projection',)
    equal(model.params, params)
  gm.write(tmp_path / 'ours', params, config, tokenizer.Tokenizer(VOCABULARY))
  equal(ckpts.load_params(tmp_path / 'ours'), whole)
  equal(models.load(tmp_path / 'ours').params, params)


def test_a_gemma_3n_is_refused_with_what_is_read(params, tmp_path):
  layer = params['layer_0'] | {'altup': {'prediction_coefs': np.ones((2, 2))}}
  save(tmp_path / 'gm', params | {'layer_0': layer})
  with pytest.raises(checkpoint.CheckpointError, match='take gemma4_e2b'):
    models.load(tmp_path / 'gm')


def test_the_flat_layout_of_one_that_sees_is_read(params, tmp_path):
  seeing = {
    'SigLiPFromPatches_0/siglip_encoder/embedding': {'kernel': np.ones((3, 3))},
    'transformer/embedder/mm_input_projection': {'w': np.ones((2, 2))},
  }
  save(tmp_path / 'flat', flat(params) | seeing)
  model = models.load(tmp_path / 'flat')
  assert model.name == 'tiny'
  assert model.left_out == ('SigLiPFromPatches_0', 'mm_input_projection')
  equal(model.params, params)


def test_a_step_of_a_student_is_read(params, tmp_path):
  with ocp.CheckpointManager(tmp_path / 'checkpoints') as manager:
    manager.save(
      7,
      args=ocp.args.Composite(
        params=ocp.args.StandardSave(params),
        moments=ocp.args.StandardSave({'mu': params, 'count': np.ones(())}),
      ),
    )
  step = tmp_path / 'checkpoints' / '7'
  with pytest.raises(checkpoint.CheckpointError, match='tokenizer.model'):
    models.load(step)
  model = models.load(step, tokenizer='nano_wc')
  equal(model.params, params)
  assert model.tokenizer.encode('1 apple')


@pytest.mark.parametrize('stored', ['bfloat16', 'float32'])
@pytest.mark.parametrize('wanted', ['bfloat16', 'float32'])
@pytest.mark.parametrize('on_a_mesh', [False, True])
def test_dtypes_and_chunks(stored, wanted, on_a_mesh, params, tmp_path):
  """What may be on its way at a time is counted in the wider dtype."""
  held = jax.tree.map(lambda a: a.astype(jnp.dtype(stored)), params)
  chunked = jax.tree.map(lambda _: ocp.SaveArgs(chunk_byte_size=9999), params)
  ocp.PyTreeCheckpointer().save(tmp_path / 'gm', held, save_args=chunked)
  mesh = sharding.make_mesh(1, 1) if on_a_mesh else None
  model = models.load(tmp_path / 'gm', mesh, wanted, tokenizer=VOCABULARY)
  equal(model.params, jax.tree.map(lambda a: a.astype(wanted), held))


def test_the_tokenizer_beside_a_folder_is_found(params, tmp_path):
  """As Kaggle has it."""
  with ocp.StandardCheckpointer() as orbax:
    orbax.save(tmp_path / 'gemma2-tiny', params)
  shutil.copy(VOCABULARY, tmp_path)
  model = models.load(tmp_path / 'gemma2-tiny', dtype='bfloat16')
  assert model.params['final_norm']['scale'].dtype == 'bfloat16'


def test_as_many_ids_as_gm_has_are_written(params, tmp_path):
  words, table = tokenizer.Tokenizer(VOCABULARY), params['embedder']
  for rows in (500, 520):
    wanted = dataclasses.replace(TINY, num_embed=rows)
    gm.write(tmp_path / str(rows), params, wanted, words)
    with ocp.StandardCheckpointer() as orbax:
      written = orbax.restore(tmp_path / str(rows))['embedder']
    got = np.asarray(written['input_embedding'])
    assert got.shape == (rows, TINY.embed_dim)
    np.testing.assert_array_equal(got[:512], table['input_embedding'][:rows])
    assert not got[512:].any()


def _data(folder):
  return max(folder.rglob('d/*'), key=lambda file: file.stat().st_size)


def _cut(file):
  file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _of_old(folder):
  """Before 2024 it was not said that all parts must be there."""
  says = json.loads((folder / '_METADATA').read_text())
  del says['store_array_data_equal_to_fill_value']
  (folder / '_METADATA').write_text(json.dumps(says))


def _lose_of_old(folder):
  _of_old(folder)
  _data(folder).unlink()


DAMAGE = {
  'nothing': (lambda folder: None, 'read'),
  'nothing, of old': (_of_old, 'read'),
  'no metadata': (lambda f: (f / '_METADATA').unlink(), 'holds no checkpoint'),
  'metadata cut short': (lambda f: _cut(f / '_METADATA'), 'cut short'),
  'no manifest': (lambda f: (f / 'manifest.ocdbt').unlink(), 'cut short'),
  'no data': (lambda f: _data(f).unlink(), 'cut short'),
  'data cut short': (lambda f: _cut(_data(f)), 'cut short'),
  'no data, of old': (_lose_of_old, 'cut short'),
}


# In a process of its own, since tensorstore goes on to complain in threads.
_READ = """
import json, pathlib, sys
from wcse_jax import models
from wcse_jax.models import checkpoint, presets
import models_formats_gm_test as t
presets.PRESETS['tiny'] = presets.Preset(config=t.TINY)
said = {}
for folder in pathlib.Path(sys.argv[1]).iterdir():
  try:
    models.load(folder, preset='tiny')
    said[folder.name] = 'read'
  except checkpoint.CheckpointError as e:
    said[folder.name] = str(e)
print('said', json.dumps(said))
"""


def test_what_is_damaged_is_named(params, tmp_path):
  for name, (change, _) in DAMAGE.items():
    save(tmp_path / name, params)
    change(tmp_path / name)
  done = subprocess.run(
    [sys.executable, '-c', _READ, str(tmp_path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parent,
    env=os.environ | {'PYTHONPATH': str(pathlib.Path(__file__).parents[1])},
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  (line,) = [x for x in done.stdout.splitlines() if x.startswith('said ')]
  for name, said in json.loads(line.removeprefix('said ')).items():
    assert DAMAGE[name][1] in said, name
    assert said == 'read' or str(tmp_path / name) in said


def test_a_missing_or_misshapen_tensor_is_named(params, tmp_path):
  layer = dict(params['layer_1'])
  del layer['mlp']
  save(tmp_path / 'missing', params | {'layer_1': layer})
  with pytest.raises(checkpoint.CheckpointError, match='layer_1/mlp/'):
    models.load(tmp_path / 'missing', preset='tiny')
  norm = {'scale': np.ones(3)}
  save(tmp_path / 'lora', {'w': {'a': np.ones(3), 'b': np.ones(3)}})
  with pytest.raises(checkpoint.CheckpointError, match="LoRA.*student's step"):
    models.load(tmp_path / 'lora', preset='tiny')
  save(tmp_path / 'misshapen', params | {'final_norm': norm})
  with pytest.raises(checkpoint.CheckpointError, match=r'scale as \(3,\)'):
    models.load(tmp_path / 'misshapen')


def test_whole_numbers_are_no_weights(params, tmp_path):
  whole = params['final_norm']['scale'].astype(np.int32)
  save(tmp_path / 'whole', params | {'final_norm': {'scale': whole}})
  with pytest.raises(checkpoint.CheckpointError, match='scale as int32'):
    models.load(tmp_path / 'whole', preset='tiny')
