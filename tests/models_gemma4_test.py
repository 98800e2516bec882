"""Our Gemma 4: each model at a small size."""

import dataclasses
import os
import pathlib
import subprocess
import sys

from finetuning_step_test import quick_compile  # noqa: F401
import flax.traverse_util
import gm_nn
import jax
import jax.numpy as jnp
import numpy as np
import plain_loop
import pytest

from wcse_jax import testing
from wcse_jax.models import checkpoint, gemma, lora, presets, sharding
from wcse_jax.sampling import engine


@pytest.mark.parametrize('name', gm_nn.GEMMA4)
def test_greedy_samples_are_those_of_full_passes(name):
  """Behind a shared prefix, beyond the window, with the layers merged."""
  config = dataclasses.replace(
    gm_nn.small(name), num_embed=testing.ByteTokenizer.vocab_size
  )
  params = gm_nn.params_of(config)
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


@pytest.mark.parametrize('name', gm_nn.GEMMA4)
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
    for name in gm_nn.GEMMA4
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
  config = gm_nn.small(name)
  params, tokens = gm_nn.params_of(config), gm_nn.tokens_of(config)
  adapters = random_adapters(config)
  merged = lora.merge(params, adapters, config, 0.5)
  want = gm_nn.logits_of(config, merged, tokens)
  beside = gemma.forward(
    gemma.Gemma(config), params, tokens, adapters=lora.scaled(adapters, 0.5)
  )[0]
  got = gemma.logits(gemma.Gemma(config), params, beside)
  assert np.linalg.norm(got - want) / np.linalg.norm(want) <= 1e-5
  without = gm_nn.logits_of(config, params, tokens)
  assert np.linalg.norm(got - without) / np.linalg.norm(want) > 1e-2
  assert 'router_logits' not in adapters['layer_0']['mlp']


def random_adapters(config):
  rng = np.random.default_rng(2)
  return jax.tree.map(
    lambda a: rng.normal(size=a.shape, scale=0.2).astype(np.float32),
    lora.init(config, 2, 0),
  )


@pytest.mark.slow
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
    gm_nn.small('gemma4_26b_a4b'), num_embed=testing.ByteTokenizer.vocab_size
  )
  params, tokens = gm_nn.params_of(config), gm_nn.tokens_of(config)
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
