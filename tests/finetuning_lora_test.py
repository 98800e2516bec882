"""Adapters: beside the weights as merged into them, trained, saved small."""

import dataclasses

from finetuning_loop_test import SPEC, lines, plan
from finetuning_step_test import (
  quick_compile,  # noqa: F401
  table,
)
import jax
import jax.numpy as jnp
import numpy as np

from wcse_jax import testing
from wcse_jax.finetuning import checkpoints, loop, lora
from wcse_jax.models import gemma

RANK_2 = dataclasses.replace(SPEC, lora_rank=2, lora_alpha=3.0)


def _hidden(model, params, adapters=None):
  return jax.jit(
    lambda params, adapters: gemma.forward(
      gemma.Gemma(model.config), params, table()['tokens'], adapters=adapters
    )[0]
  )(params, adapters)


def test_beside_the_weights_as_merged_into_them():
  """With the weights of Gemma 1 and 2; those of GQA are below."""
  changes = {
    'num_kv_heads': 4,
    'transpose_gating_einsum': True,
    'attention_types': ('global',),
  }
  model = testing.tiny_model(**changes)
  adapters = lora.init(model.config, 2, seed=0)
  without = _hidden(model, model.params)
  beside = lambda: _hidden(model, model.params, lora.scaled(adapters, RANK_2))
  np.testing.assert_array_equal(beside(), without)  # b is 0
  rng = np.random.default_rng(1)
  adapters = jax.tree.map(
    lambda a: jnp.asarray(rng.normal(size=a.shape, scale=0.1)), adapters
  )
  merged = _hidden(
    model, lora.merge(model.params, adapters, model.config, RANK_2)
  )
  assert float(jnp.abs(merged - without).max()) > 0.1
  np.testing.assert_allclose(beside(), merged, rtol=1e-4, atol=1e-4)


def test_every_matrix_of_a_layer_has_one():
  layer = lora.init(testing.TINY, 2, seed=0)['layer_0']
  assert sorted(layer) == ['attn', 'mlp']
  assert sorted(layer['attn']) == ['attn_vec_einsum', 'kv_einsum', 'q_einsum']
  assert sorted(layer['mlp']) == ['gating_einsum', 'linear']


def test_adapters_alone_are_trained_and_saved(tmp_path):
  model = testing.tiny_model()
  before = jax.tree.map(np.array, model.params)
  steps = loop.finetune(model, plan(), RANK_2, tmp_path)
  jax.tree.map(np.testing.assert_array_equal, model.params, before)
  losses = [line['loss'] for line in lines(tmp_path)]
  assert losses[-1] < 0.95 * losses[0]
  like = lora.init(model.config, 2, seed=0)
  with checkpoints.Checkpoints(tmp_path / 'checkpoints') as saved:
    adapters = saved.restore(steps[-1], like)
  sizes = [sum(a.size for a in jax.tree.leaves(t)) for t in (adapters, before)]
  assert sizes[0] < 0.25 * sizes[1]
  student = loop.student(model, RANK_2, tmp_path, steps[-1])
  assert jax.tree.structure(student) == jax.tree.structure(model.params)
  np.testing.assert_allclose(
    _hidden(model, student),
    _hidden(model, model.params, lora.scaled(adapters, RANK_2)),
    rtol=1e-4,
    atol=1e-4,
  )
