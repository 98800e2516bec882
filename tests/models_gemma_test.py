"""Our Gemma, for every option of the architecture."""

import gm_nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax.models import attention, gemma, presets


def _logits(config, params, tokens, **kwargs):
  model = gemma.Gemma(config)
  hidden, level = model.apply({'params': params}, tokens, **kwargs)
  return (
    model.apply({'params': params}, hidden, method='logits'),
    level,
  )


@pytest.mark.parametrize('variant', ['gemma2', 'gemma3'])
def test_long_rows_attend_in_parts_to_the_same(variant, monkeypatch):
  """Packed ones, too, and of no part to what comes after it."""
  config = gm_nn.small(variant)
  params, tokens = gm_nn.params_of(config), gm_nn.tokens_of(config, (2, 16))
  segments = jnp.array([[1] * 5 + [2] * 9 + [0] * 2, [1] * 16])
  positions = jnp.array([[*range(5), *range(9), -1, -1], range(16)])
  logits = lambda: _logits(
    config, params, tokens, positions_BxT=positions, segments_BxT=segments
  )[0][segments > 0]
  whole, widths, attend = logits(), [], attention._attend

  def counted(q, levels, soft_cap):
    widths.append(levels[0][0].shape[2])
    return attend(q, levels, soft_cap)

  monkeypatch.setattr(attention, '_attend', counted)
  monkeypatch.setattr(attention, '_LONG', 16)
  np.testing.assert_allclose(logits(), whole, rtol=1e-5, atol=1e-5)
  assert widths == [4, 8, 12, 16] * config.num_layers


@pytest.mark.parametrize('variant', gm_nn.EARLIER)
@pytest.mark.parametrize('split', [1, 3, 9])
def test_levels_give_the_logits_of_one_pass(variant, split):
  """Prefix shared, question in a cache, then one token at a time."""
  config = gm_nn.small(variant)
  params, tokens = gm_nn.params_of(config), gm_nn.tokens_of(config, (1, 17))
  expected, _ = _logits(config, params, tokens)
  _, prefix = _logits(config, params, tokens[:, :split])
  prefix = attention.share(prefix, config)
  question, end = 4, split + 4
  positions = jnp.arange(split, end)[None]
  logits, level = _logits(
    config,
    params,
    tokens[:, split:end],
    positions_BxT=positions,
    levels=[prefix],
  )
  got = [logits]
  room = 17 - split  # one column more than needed stays empty
  pad = lambda a: jnp.pad(a, ((0, 0), (0, 0), (0, room - question), (0, 0)))
  cache = attention.Level(
    layers=tuple((pad(k), pad(v)) for k, v in level.layers),
    positions=jnp.pad(
      positions, ((0, 0), (0, room - question)), constant_values=-1
    ),
  )
  for i in range(end, 17):
    # columns are filled from the last to the first: order does not matter
    column = room - 1 - (i - end)
    cache = cache.replace(positions=cache.positions.at[:, column].set(i))
    logits, cache = _logits(
      config,
      params,
      tokens[:, i : i + 1],
      positions_BxT=jnp.array([[i]]),
      levels=[prefix],
      cache=cache,
      column=column,
    )
    got.append(logits)
  got = jnp.concatenate(got, axis=1)
  want = expected[:, split:]
  assert np.linalg.norm(got - want) / np.linalg.norm(want) <= 1e-5


def test_gradient_shows_causality_and_segments():
  config = gm_nn.small('gemma2')
  params, tokens = gm_nn.params_of(config), gm_nn.tokens_of(config, (1, 8))
  segments = jnp.array([[1, 1, 1, 2, 2, 2, 2, 2]])
  positions = jnp.array([[0, 1, 2, 0, 1, 2, 3, 4]])
  model = gemma.Gemma(config)

  def logit(one_hot, at):
    # The embedding of each token as an input one can differentiate by.
    def embed(next_fun, args, kwargs, context):
      if context.method_name == 'encode':
        x = one_hot @ params['embedder']['input_embedding']
        return x * jnp.sqrt(32.0)
      return next_fun(*args, **kwargs)

    from flax import linen as nn

    with nn.intercept_methods(embed):
      hidden, _ = model.apply(
        {'params': params}, tokens, positions, segments_BxT=segments
      )
    return hidden[0, at].sum()

  one_hot = jax.nn.one_hot(tokens, config.num_embed)
  influence = jnp.abs(jax.grad(logit)(one_hot, 5)).sum((0, 2)) > 0
  assert influence.tolist() == [False] * 3 + [True] * 3 + [False] * 2


def test_the_paper_s_models_have_their_published_sizes():
  exact = {name: p.config.num_params for name, p in presets.PRESETS.items()}
  assert exact['gemma2_9b'] == 9_242_164_736
  assert exact['gemma2_27b'] == 27_227_718_144
  assert exact['gemma3_270m'] == 268_098_176
  wc, se = (
    presets.PRESETS[n].config.non_embedding_params
    for n in ('nano_wc', 'nano_se')
  )
  assert abs(se / wc / 3 - 1) <= 0.02
