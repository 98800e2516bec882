"""Our Gemma 4 against gemma.gm.nn: each model at a small size."""

import dataclasses
import os
import pathlib
import subprocess
import sys

from finetuning_step_test import quick_compile  # noqa: F401
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import plain_loop
import pytest

from wcse_jax import testing
from wcse_jax.models import checkpoint, gemma, lora, presets, sharding
from wcse_jax.sampling import engine

SMALL = {
  'num_embed': 64,
  'embed_dim': 32,
  'hidden_dim': 48,
  'num_heads': 4,
  'head_dim': 16,
  'global_key_size': 24,
  'sliding_window_size': 5,
}
OWN = {
  'gemma4_e2b': {
    'num_kv_heads': 1,
    'attention_types': ('local', 'global') * 2,
    'num_kv_shared_layers': 2,
    'kv_shared_hidden_dim': 96,
    'per_layer_input_dim': 8,
  },
  'gemma4_e4b': {
    'num_kv_heads': 2,
    'attention_types': ('local', 'global', 'local'),
    'num_kv_shared_layers': 1,
    'per_layer_input_dim': 8,
  },
  'gemma4_31b': {
    'num_kv_heads': 4,
    'num_global_kv_heads': 2,
    'attention_types': ('local', 'global'),
  },
  'gemma4_26b_a4b': {
    'num_kv_heads': 2,
    'num_global_kv_heads': 1,
    'attention_types': ('local', 'global'),
    'num_experts': 8,
    'expert_dim': 20,
    'top_k_experts': 3,
  },
}


def small(name):
  """Returns the small size of a model: every option of it is on."""
  config = presets.PRESETS[name].config
  return dataclasses.replace(config, **SMALL, **OWN[name])


def params_of(config, seed=0):
  rng, flat = np.random.default_rng(seed), {}
  for path, shape in config.param_shapes().items():
    around = 1.0 if path.endswith('scale') else 0.0
    drawn = around + rng.normal(size=shape, scale=0.3)
    flat[path] = jnp.asarray(drawn, jnp.float32)
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def tokens_of(config, shape=(2, 17)):
  rng = np.random.default_rng(1)
  # 0 is padding to gm.nn
  return jnp.asarray(rng.integers(1, config.num_embed, shape))


def logits_of(config, params, tokens):
  model = gemma.Gemma(config)
  hidden, _ = gemma.forward(model, params, tokens)
  return gemma.logits(model, params, hidden)


def gm_model(config):
  """Returns the model of gm.nn of an architecture."""
  from gemma import gm
  from gemma.gm.nn.gemma4 import _config, _modules, _transformer

  del gm
  kinds = {
    'local': _modules.AttentionType.LOCAL_SLIDING,
    'global': _modules.AttentionType.GLOBAL,
  }
  sharing = None
  if config.num_kv_shared_layers:
    sharing = _config.KVCacheSharingConfig(
      frac_shared_layers=config.num_kv_shared_layers / config.num_layers,
      share_global=True,
      share_local=True,
    )
  same = [
    'num_embed', 'embed_dim', 'hidden_dim', 'num_heads', 'head_dim',
    'num_kv_heads', 'final_logit_softcap', 'use_post_attn_norm',
    'use_post_ffw_norm', 'sliding_window_size', 'num_global_kv_heads',
    'global_key_size', 'k_eq_v_global', 'global_rope_proportion',
    'local_base_frequency', 'global_base_frequency', 'per_layer_input_dim',
    'num_experts', 'expert_dim', 'top_k_experts',
  ]  # fmt: skip
  theirs = _config.TransformerConfig(
    **{name: getattr(config, name) for name in same},
    attention_types=tuple(kinds[kind] for kind in config.attention_types),
    local_rope_proportion=1.0,
    kv_cache_sharing_config=sharing,
    override_kv_shared_ffw_hidden=config.kv_shared_hidden_dim,
    enable_moe=config.mixes,
    moe_dense_hidden_dim=config.hidden_dim if config.mixes else 0,
  )
  return _transformer.Transformer(
    config=theirs, tokens='tokens', dtype=jnp.float32
  )


def with_unused(config, params):
  """Adds what gm.nn has and does not use: layers that share have zeros."""
  tokens = tokens_of(config)
  shapes = jax.eval_shape(gm_model(config).init, jax.random.key(0), tokens)
  flat = flax.traverse_util.flatten_dict(params, sep='/')
  theirs = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  assert not flat.keys() - theirs.keys()
  whole = {
    path: flat.get(path, jnp.zeros(leaf.shape)) for path, leaf in theirs.items()
  }
  return flax.traverse_util.unflatten_dict(whole, sep='/')


@pytest.mark.parametrize('name', OWN)
def test_logits_equal_those_of_gm(name):
  config = small(name)
  params, tokens = params_of(config), tokens_of(config)
  whole = with_unused(config, params)
  expected = gm_model(config).apply({'params': whole}, tokens).logits
  logits = logits_of(config, params, tokens)
  error = np.linalg.norm(logits - expected) / np.linalg.norm(expected)
  assert error <= 1e-5


@pytest.mark.parametrize('name', OWN)
def test_parameter_tree_is_that_of_the_module(name):
  config = small(name)
  shapes = jax.eval_shape(
    gemma.Gemma(config).init, jax.random.key(0), tokens_of(config)
  )
  flat = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  assert {k: v.shape for k, v in flat.items()} == config.param_shapes()


@pytest.mark.parametrize('name', OWN)
def test_greedy_samples_are_those_of_full_passes(name):
  """Behind a shared prefix, beyond the window, with the layers merged."""
  config = dataclasses.replace(
    small(name), num_embed=testing.ByteTokenizer.vocab_size
  )
  params = params_of(config)
  model = checkpoint.Model(name, config, params, testing.ByteTokenizer())
  settings = plain_loop.SETTINGS | {'max_new_tokens': 9}
  requests = plain_loop.make_requests(problems=2, samples=1, temperature=0.0)
  rows = plain_loop.draw(engine.Sampler(model, slots=4, **settings), requests)
  for request in requests:
    row = rows[request.problem_id, request.sample_index]
    text, count, reason, logprob = plain_loop.plain(model, request, settings)
    assert (row.text, row.num_tokens, row.finish_reason) == (
      text,
      count,
      reason,
    )
    assert row.logprob == pytest.approx(logprob, rel=1e-4)


@pytest.mark.parametrize('name', OWN)
def test_counts_are_those_of_gm(name):
  """But for keys and values that gm.nn has and layers that share never use."""
  from gemma import gm

  theirs = {
    'gemma4_e2b': gm.nn.Gemma4_E2B,
    'gemma4_e4b': gm.nn.Gemma4_E4B,
    'gemma4_31b': gm.nn.Gemma4_31B,
    'gemma4_26b_a4b': gm.nn.Gemma4_26B_A4B,
  }[name](tokens='tokens')
  shapes = jax.eval_shape(
    theirs.init, jax.random.key(0), jnp.ones((1, 3), jnp.int32)
  )
  flat = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  config = presets.PRESETS[name].config
  sharing = [layer for layer in config.layers if layer.source is not None]
  unused = {
    f'layer_{layer.index}/attn/{path}'
    for layer in sharing
    for path in ('kv_einsum/w', 'key_norm/scale')
  }
  used = {path: a.shape for path, a in flat.items() if path not in unused}
  assert used == config.param_shapes()
  assert unused <= flat.keys()


def test_what_counts_of_parameters():
  counts = {
    name: (c.num_params, c.non_embedding_params, c.active)
    for name in OWN
    for c in (presets.PRESETS[name].config,)
  }
  assert counts == {
    'gemma4_e2b': (4_628_569_379, 1_877_105_955, 2_279_759_139),
    'gemma4_e4b': (7_463_013_418, 3_973_352_490, 4_644_441_130),
    'gemma4_31b': (30_697_345_340, 29_288_059_196, 30_697_345_340),
    'gemma4_26b_a4b': (25_233_141_790, 24_494_944_286, 3_822_526_990),
  }
  e2b = presets.PRESETS['gemma4_e2b'].config
  assert e2b.looked_up == 262_144 * 35 * 256
  assert presets.PRESETS['gemma4_26b_a4b'].config.routed == 8 / 128
  nine = presets.PRESETS['gemma2_9b'].config
  assert (nine.looked_up, nine.active) == (0, nine.num_params)


@pytest.mark.parametrize('name', ['gemma4_e2b', 'gemma4_26b_a4b'])
def test_adapters_beside_the_weights_are_as_merged_into_them(name):
  config = small(name)
  params, tokens = params_of(config), tokens_of(config)
  adapters = random_adapters(config)
  merged = lora.merge(params, adapters, config, 0.5)
  want = logits_of(config, merged, tokens)
  beside = gemma.forward(
    gemma.Gemma(config), params, tokens, adapters=lora.scaled(adapters, 0.5)
  )[0]
  got = gemma.logits(gemma.Gemma(config), params, beside)
  assert np.linalg.norm(got - want) / np.linalg.norm(want) <= 1e-5
  without = logits_of(config, params, tokens)
  assert np.linalg.norm(got - without) / np.linalg.norm(want) > 1e-2
  assert 'router_logits' not in adapters['layer_0']['mlp']


def random_adapters(config):
  rng = np.random.default_rng(2)
  return jax.tree.map(
    lambda a: rng.normal(size=a.shape, scale=0.2).astype(np.float32),
    lora.init(config, 2, 0),
  )


def test_experts_over_devices_give_what_one_gives():
  """In training, with gradients and adapters, and in decoding."""
  script = (
    "import sys; sys.path.insert(0, 'tests'); import models_gemma4_test as t;"
    "t.jax.config.update('jax_disable_most_optimizations', True);"
    't.on_four_devices()'
  )
  flags = '--xla_force_host_platform_device_count=4'
  root = pathlib.Path(__file__).parents[1]
  done = subprocess.run(
    [sys.executable, '-c', script],
    capture_output=True,
    text=True,
    cwd=root,
    env=os.environ | {'PYTHONPATH': str(root), 'XLA_FLAGS': flags},
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  assert done.stdout.split() == ['trained', 'decoded']


def on_four_devices():
  config = dataclasses.replace(
    small('gemma4_26b_a4b'), num_embed=testing.ByteTokenizer.vocab_size
  )
  params, tokens = params_of(config), tokens_of(config)
  adapters = random_adapters(config)

  def loss(mesh, params, adapters):
    model = gemma.Gemma(config, mesh=mesh)
    hidden, _ = gemma.forward(model, params, tokens, adapters=adapters)
    return jnp.square(gemma.logits(model, params, hidden)).mean()

  grad = jax.value_and_grad(loss, argnums=(1, 2))
  run = jax.jit(grad, static_argnums=0)
  want = run(None, params, adapters)
  mesh = sharding.train_mesh(1, 2, 2)
  shapes = sharding.laid_out(params, mesh, sharding.TRAIN, config)
  laid = jax.device_put(params, jax.tree.map(lambda s: s.sharding, shapes))
  experts = laid['layer_0']['mlp']['gating_einsum']['w'].sharding
  assert experts.spec[0] == 'tensor', experts
  got = run(mesh, laid, adapters)
  for one, other in zip(
    jax.tree.leaves(want), jax.tree.leaves(got), strict=True
  ):
    # A norm's input has no gradient along itself: of that only noise is left.
    error = np.linalg.norm(one - other) / (np.linalg.norm(one) + 1e-3)
    assert error <= 1e-3, error
  print('trained')
  model = checkpoint.Model('x', config, params, testing.ByteTokenizer())
  settings = plain_loop.SETTINGS | {'max_new_tokens': 9}
  requests = plain_loop.make_requests(problems=2, samples=1, temperature=0.0)
  rows = [
    plain_loop.draw(
      engine.Sampler(model, slots=4, mesh=mesh, **settings), requests
    )
    for mesh in (None, sharding.make_mesh(2, 2))
  ]
  for key, row in rows[0].items():
    assert rows[1][key].text == row.text
    assert rows[1][key].logprob == pytest.approx(row.logprob, rel=1e-4)
  print('decoded')
