"""Folders of Hugging Face, in and out; the logits are those of transformers.

The folders are written here by hand, and the numbers of `GOLDEN` are what
transformers 5.23 gives for them. Where it is installed (`pip install
transformers torch`) it is asked again, and reads what we write.
"""

import dataclasses
import json

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from wcse_jax import models
from wcse_jax.models import checkpoint, gemma, presets, tokenizer
from wcse_jax.models.formats import huggingface

V, D, F, N, H = 512, 32, 48, 4, 16
VOCABULARY = checkpoint.NANO / 'tokenizer.model'
GEMMA = presets.GemmaConfig(
  num_embed=V,
  embed_dim=D,
  hidden_dim=F,
  num_heads=N,
  head_dim=H,
  num_kv_heads=N,
  attention_types=('global', 'global'),
  query_pre_attn_scalar=H**-0.5,
)
GEMMA2 = dataclasses.replace(
  GEMMA,
  num_kv_heads=2,
  attention_types=('local', 'global'),
  query_pre_attn_scalar=8**-0.5,
  attn_logits_soft_cap=50.0,
  final_logit_softcap=30.0,
  sliding_window_size=5,
  use_post_attn_norm=True,
  use_post_ffw_norm=True,
)
GEMMA3 = dataclasses.replace(
  GEMMA2,
  num_kv_heads=1,
  attention_types=('local', 'local', 'global'),
  attn_logits_soft_cap=None,
  final_logit_softcap=None,
  use_qk_norm=True,
  transpose_gating_einsum=True,
  global_base_frequency=1_000_000,
  global_scale_factor=8.0,
)
CONFIGS = {'gemma': GEMMA, 'gemma2': GEMMA2, 'gemma3_text': GEMMA3}
# What their config.json says, as that of the published ones.
COMMON = {
  'vocab_size': V,
  'hidden_size': D,
  'intermediate_size': F,
  'num_attention_heads': N,
  'head_dim': H,
  'rms_norm_eps': 1e-6,
  'max_position_embeddings': 8192,
  'bos_token_id': 2,
  'eos_token_id': 1,
  'pad_token_id': 0,
}
SAYS = {
  'gemma': COMMON
  | {
    'architectures': ['GemmaForCausalLM'],
    'num_key_value_heads': 4,
    'num_hidden_layers': 2,
    'hidden_act': 'gelu',  # of old: the tanh is meant
    'hidden_activation': None,
    'rope_scaling': None,
    'rope_theta': 10000.0,
  },
  'gemma2': COMMON
  | {
    'architectures': ['Gemma2ForCausalLM'],
    'num_key_value_heads': 2,
    'num_hidden_layers': 2,
    'hidden_activation': 'gelu_pytorch_tanh',
    'query_pre_attn_scalar': 8,
    'sliding_window': 5,
    'attn_logit_softcapping': 50.0,
    'final_logit_softcapping': 30.0,
    'rope_theta': 10000.0,
  },
  'gemma3_text': COMMON
  | {
    'architectures': ['Gemma3ForCausalLM'],
    'num_key_value_heads': 1,
    'num_hidden_layers': 3,
    'layer_types': 2 * ['sliding_attention'] + ['full_attention'],
    'query_pre_attn_scalar': 8,
    'sliding_window': 5,
    'rope_parameters': {
      'full_attention': {
        'factor': 8.0,
        'rope_theta': 1e6,
        'rope_type': 'linear',
      },
      'sliding_attention': {'rope_theta': 1e4, 'rope_type': 'default'},
    },
  },
}
# Logits of the first three ids after the last token of each row.
GOLDEN = {
  'gemma': [
    [0.43886351585388184, -1.1272447109222412, -1.9788744449615479],
    [0.3161439895629883, -1.9405603408813477, -2.2972311973571777],
  ],
  'gemma2': [
    [-0.6622916460037231, 1.5296968221664429, -1.6997085809707642],
    [0.6966012716293335, -3.4077982902526855, -0.4319951832294464],
  ],
  'gemma3_text': [
    [0.1598266363143921, 0.1426006704568863, -1.2014597654342651],
    [1.080761432647705, -1.5178142786026, 2.345883846282959],
  ],
}


def tensors(kind, seed=0):
  """Draws a checkpoint: (out, in), norms near 0, for `1 + weight`."""
  says, rng = SAYS[kind], np.random.default_rng(seed)
  shapes = {'model.embed_tokens.weight': (V, D), 'model.norm.weight': (D,)}
  norms = ['input_layernorm', 'post_attention_layernorm']
  if kind != 'gemma':
    norms += ['pre_feedforward_layernorm', 'post_feedforward_layernorm']
  if kind == 'gemma3_text':
    norms += ['self_attn.q_norm', 'self_attn.k_norm']
  kv = says['num_key_value_heads'] * H
  for i in range(says['num_hidden_layers']):
    layer = {
      'self_attn.q_proj': (N * H, D),
      'self_attn.k_proj': (kv, D),
      'self_attn.v_proj': (kv, D),
      'self_attn.o_proj': (D, N * H),
      'mlp.gate_proj': (F, D),
      'mlp.up_proj': (F, D),
      'mlp.down_proj': (D, F),
    } | {n: (H if n.startswith('self') else D,) for n in norms}
    shapes |= {f'model.layers.{i}.{n}.weight': s for n, s in layer.items()}
  return {
    name: rng.normal(scale=0.3, size=shape).astype(np.float32)
    for name, shape in shapes.items()
  }


def write(folder, kind, arrays=None, **says):
  """Writes a folder as it is published."""
  folder.mkdir(exist_ok=True)
  says = {'model_type': kind} | SAYS[kind] | says
  (folder / 'config.json').write_text(json.dumps(says))
  arrays = tensors(kind) if arrays is None else arrays
  safetensors.numpy.save_file(
    arrays, folder / 'model.safetensors', {'format': 'pt'}
  )
  (folder / 'tokenizer.model').write_bytes(VOCABULARY.read_bytes())
  return folder


@pytest.fixture(autouse=True)
def _presets(monkeypatch):
  for kind, config in CONFIGS.items():
    monkeypatch.setitem(presets.PRESETS, kind, presets.Preset(config=config))


def tokens():
  return np.random.default_rng(1).integers(1, V, (2, 17))


def logits(model):
  module = gemma.Gemma(model.config)

  @jax.jit
  def run(params):
    hidden, _ = gemma.forward(module, params, jnp.asarray(tokens()))
    return gemma.logits(module, params, hidden)

  return np.asarray(run(model.params))


def difference(got, want):
  return np.linalg.norm(got - want) / np.linalg.norm(want)


def export(folder, params, config, **kwargs):
  words = tokenizer.Tokenizer(VOCABULARY)
  huggingface.write(folder, params, config, words, **kwargs)


def random_params(config):
  rng = np.random.default_rng(2)
  flat = {
    path: rng.normal(scale=0.3, size=shape).astype(np.float32)
    for path, shape in config.param_shapes().items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


@pytest.mark.parametrize('kind', CONFIGS)
def test_logits_are_those_of_transformers(kind, tmp_path):
  model = models.load(write(tmp_path, kind))
  assert model.name == kind
  got = logits(model)[:, -1, :3]
  assert difference(got, np.array(GOLDEN[kind])) <= 1e-5


@pytest.mark.parametrize('kind', CONFIGS)
def test_transformers_reads_and_writes_the_same(kind, tmp_path):
  transformers = pytest.importorskip('transformers', '5.23')
  torch = pytest.importorskip('torch')

  def theirs(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(
      folder, dtype=torch.float32, attn_implementation='eager'
    ).eval()
    with torch.no_grad():
      return model, model(torch.tensor(tokens())).logits.numpy()

  by_hand, want = theirs(write(tmp_path / 'by_hand', kind))
  assert difference(want[:, -1, :3], np.array(GOLDEN[kind])) <= 1e-5
  assert difference(logits(models.load(tmp_path / 'by_hand')), want) <= 1e-5

  by_hand.save_pretrained(tmp_path / 'theirs', max_shard_size='40KB')
  model = models.load(tmp_path / 'theirs', tokenizer=VOCABULARY)
  assert difference(logits(model), want) <= 1e-5

  model = dataclasses.replace(model, params=random_params(model.config))
  export(tmp_path / 'ours', model.params, model.config, file_bytes=40_000)
  _, want = theirs(tmp_path / 'ours')
  assert difference(logits(model), want) <= 1e-5
  text, words = '12  apples.\n\nSolution', tokenizer.Tokenizer(VOCABULARY)
  pieces = transformers.AutoTokenizer.from_pretrained(tmp_path / 'ours')
  assert pieces(text).input_ids == [words.bos, *words.encode(text)]


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
    jax.tree.map(np.testing.assert_array_equal, model.params, want)


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


@pytest.mark.parametrize('changes', [
  {'query_pre_attn_scalar': 0.3},
  {'use_post_ffw_norm': False},
  {'global_scale_factor': 8.0},
  {'use_post_attn_norm': False, 'use_post_ffw_norm': False},
])  # fmt: skip
def test_what_transformers_has_not_is_said(changes, tmp_path):
  config = dataclasses.replace(GEMMA2, **changes)
  with pytest.raises(checkpoint.CheckpointError, match='transformers has no'):
    export(tmp_path / 'x', random_params(config), config)
