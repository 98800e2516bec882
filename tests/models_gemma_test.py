"""Our Gemma against gemma.gm.nn, for every option of the architecture."""

import dataclasses

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wcse_jax.models import attention, gemma, presets

TINY = presets.GemmaConfig(
  num_embed=64,
  embed_dim=32,
  hidden_dim=48,
  num_heads=4,
  head_dim=16,
  num_kv_heads=2,
  attention_types=('local', 'global'),
  query_pre_attn_scalar=16**-0.5,
  sliding_window_size=5,
)
VARIANTS = {
  'gqa': {},
  'mha': {'num_kv_heads': 4},
  'mqa': {'num_kv_heads': 1},
  'gemma1': {
    'attention_types': ('global',) * 2,
    'sliding_window_size': None,
    'num_kv_heads': 4,
  },
  'gemma2': {
    'attn_logits_soft_cap': 50.0,
    'final_logit_softcap': 30.0,
    'use_post_attn_norm': True,
    'use_post_ffw_norm': True,
  },
  'gemma2_27b': {
    'attn_logits_soft_cap': 50.0,
    'final_logit_softcap': 30.0,
    'use_post_attn_norm': True,
    'use_post_ffw_norm': True,
    'transpose_gating_einsum': True,
    'query_pre_attn_scalar': (32 // 4) ** -0.5,
  },
  'gemma3': {
    'attention_types': ('local',) * 5 + ('global',),
    'use_post_attn_norm': True,
    'use_post_ffw_norm': True,
    'use_qk_norm': True,
    'transpose_gating_einsum': True,
    'global_base_frequency': 1_000_000,
    'global_scale_factor': 8.0,
    'num_kv_heads': 1,
  },
}


def _random_params(config, seed=0):
  rng = np.random.default_rng(seed)
  flat = {
    path: jnp.asarray(rng.normal(size=shape, scale=0.3), jnp.float32)
    for path, shape in config.param_shapes().items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def _tokens(config, shape=(2, 17)):
  rng = np.random.default_rng(1)
  # 0 is padding to gm.nn
  return jnp.asarray(rng.integers(1, config.num_embed, shape))


def _logits(config, params, tokens, **kwargs):
  model = gemma.Gemma(config)
  hidden, level = model.apply({'params': params}, tokens, **kwargs)
  return (
    model.apply({'params': params}, hidden, method='logits'),
    level,
  )


def _gm_model(config):
  from gemma import gm
  from gemma.gm.nn import _config, _modules

  kinds = {
    'local': _modules.AttentionType.LOCAL_SLIDING,
    'global': _modules.AttentionType.GLOBAL,
  }
  norms = _config.QueryPreAttentionNormalisation
  by_head = config.query_pre_attn_scalar == config.head_dim**-0.5
  known = {f.name for f in dataclasses.fields(_config.TransformerConfig)}
  fields = {n: v for n, v in dataclasses.asdict(config).items() if n in known}
  fields['attention_types'] = tuple(kinds[a] for a in config.attention_types)
  gm_config = _config.TransformerConfig(
    query_pre_attn_norm=(
      norms.BY_ONE_OVER_SQRT_HEAD_DIM
      if by_head
      else norms.BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS
    ),
    **fields,
  )
  return gm.nn.Transformer(config=gm_config, tokens='tokens', dtype=jnp.float32)


@pytest.mark.parametrize('variant', VARIANTS)
def test_logits_equal_those_of_gm(variant):
  config = dataclasses.replace(TINY, **VARIANTS[variant])
  params, tokens = _random_params(config), _tokens(config)
  expected = _gm_model(config).apply({'params': params}, tokens).logits
  logits, _ = _logits(config, params, tokens)
  error = np.linalg.norm(logits - expected) / np.linalg.norm(expected)
  assert error <= 1e-5


@pytest.mark.parametrize('variant', VARIANTS)
def test_parameter_tree_is_that_of_the_module(variant):
  config = dataclasses.replace(TINY, **VARIANTS[variant])
  shapes = jax.eval_shape(
    gemma.Gemma(config).init, jax.random.key(0), _tokens(config)
  )
  flat = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  assert {k: v.shape for k, v in flat.items()} == config.param_shapes()


@pytest.mark.parametrize('variant', ['gemma2', 'gemma3'])
def test_long_rows_attend_in_parts_to_the_same(variant, monkeypatch):
  """Packed ones, too, and of no part to what comes after it."""
  config = dataclasses.replace(TINY, **VARIANTS[variant])
  params, tokens = _random_params(config), _tokens(config, (2, 16))
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


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('split', [1, 3, 9])
def test_levels_give_the_logits_of_one_pass(variant, split):
  """Prefix shared, question in a cache, then one token at a time."""
  config = dataclasses.replace(TINY, **VARIANTS[variant])
  params, tokens = _random_params(config), _tokens(config, (1, 17))
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
  config = dataclasses.replace(TINY, **VARIANTS['gemma2'])
  params, tokens = _random_params(config), _tokens(config, (1, 8))
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
