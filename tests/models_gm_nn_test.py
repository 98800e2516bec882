"""Our Gemmas against gemma.gm.nn, for every option of the architecture."""

import flax.traverse_util
import gm_nn
import jax
import pytest

from wcse_jax.models import gemma


@pytest.mark.parametrize('name', gm_nn.CASES)
def test_logits_equal_those_of_gm(name):
  assert gm_nn.difference(name) <= gm_nn.MOST


@pytest.mark.parametrize('name', gm_nn.CASES)
def test_parameter_tree_is_that_of_the_module(name):
  config = gm_nn.small(name)
  shapes = jax.eval_shape(
    gemma.Gemma(config).init, jax.random.key(0), gm_nn.tokens_of(config)
  )
  flat = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  assert {k: v.shape for k, v in flat.items()} == config.param_shapes()
