"""Small Gemmas, a case for every option, and what gemma.gm.nn makes of them."""

import dataclasses

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from wcse_jax.models import gemma, presets

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
_GEMMA2 = {
  'attn_logits_soft_cap': 50.0,
  'final_logit_softcap': 30.0,
  'use_post_attn_norm': True,
  'use_post_ffw_norm': True,
}
_GEMMA3 = {
  'attention_types': ('local',) * 5 + ('global',),
  'use_post_attn_norm': True,
  'use_post_ffw_norm': True,
  'use_qk_norm': True,
  'transpose_gating_einsum': True,
  'global_base_frequency': 1_000_000,
  'num_kv_heads': 1,
}
# Of Gemma 1 to 3, each option by itself and as the models have them.
EARLIER = {
  'gqa': {},
  'mha': {'num_kv_heads': 4},
  'mqa': {'num_kv_heads': 1},
  'gemma1': {
    'attention_types': ('global',) * 2,
    'sliding_window_size': None,
    'num_kv_heads': 4,
  },
  'gemma2': _GEMMA2,
  'gemma2_27b': {
    **_GEMMA2,
    'transpose_gating_einsum': True,
    'query_pre_attn_scalar': (32 // 4) ** -0.5,
  },
  'gemma3_1b': _GEMMA3,
  'gemma3': {**_GEMMA3, 'global_scale_factor': 8.0},
}
# Of each Gemma 4 a small size with every option of it.
GEMMA4 = {
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
CASES = (*EARLIER, *GEMMA4)
MOST = 1e-5  # what logits may differ by, relative to their norm


def small(name):
  """Returns the architecture of a case."""
  if name in EARLIER:
    return dataclasses.replace(TINY, **EARLIER[name])
  sizes = ('num_embed', 'embed_dim', 'hidden_dim', 'num_heads', 'head_dim')
  return dataclasses.replace(
    presets.PRESETS[name].config,
    **{size: getattr(TINY, size) for size in sizes},
    global_key_size=24,
    sliding_window_size=5,
    **GEMMA4[name],
  )


def options(name):
  """Returns what sets a case apart from the first one, for people."""
  config = small(name)
  said = []
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if value != getattr(TINY, field.name):
      of = ', '.join(value) if isinstance(value, tuple) else value
      said.append(f'{field.name} {of}')
  return '; '.join(said)


def params_of(config, seed=0):
  """Returns random parameters; of Gemma 4, scales are around 1."""
  rng, flat = np.random.default_rng(seed), {}
  for path, shape in config.param_shapes().items():
    around = float(config.gemma4 and path.endswith('scale'))
    drawn = around + rng.normal(size=shape, scale=0.3)
    flat[path] = jnp.asarray(drawn, jnp.float32)
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def tokens_of(config, shape=(2, 17)):
  """Returns random tokens, three windows long; 0 is padding to gm.nn."""
  rng = np.random.default_rng(1)
  return jnp.asarray(rng.integers(1, config.num_embed, shape))


def logits_of(config, params, tokens):
  """Returns the logits of our model."""
  model = gemma.Gemma(config)
  hidden, _ = gemma.forward(model, params, tokens)
  return gemma.logits(model, params, hidden)


def difference(name):
  """Returns how far our logits are from those of gm.nn, by their norm."""
  config = small(name)
  params, tokens = params_of(config), tokens_of(config)
  theirs = model(config)
  whole = with_unused(config, params) if config.gemma4 else params
  expected = theirs.apply({'params': whole}, tokens).logits
  ours = logits_of(config, params, tokens)
  return float(np.linalg.norm(ours - expected) / np.linalg.norm(expected))


def model(config):
  """Returns the model of gm.nn of an architecture."""
  return _gemma4(config) if config.gemma4 else _earlier(config)


def with_unused(config, params):
  """Adds what gm.nn has and does not use: layers that share have zeros."""
  tokens = tokens_of(config)
  shapes = jax.eval_shape(model(config).init, jax.random.key(0), tokens)
  flat = flax.traverse_util.flatten_dict(params, sep='/')
  theirs = flax.traverse_util.flatten_dict(shapes['params'], sep='/')
  assert not flat.keys() - theirs.keys()
  whole = {
    path: flat.get(path, jnp.zeros(leaf.shape)) for path, leaf in theirs.items()
  }
  return flax.traverse_util.unflatten_dict(whole, sep='/')


def _earlier(config):
  from gemma import gm
  from gemma.gm.nn import _config, _modules

  norms = _config.QueryPreAttentionNormalisation
  by_head = config.query_pre_attn_scalar == config.head_dim**-0.5
  known = {f.name for f in dataclasses.fields(_config.TransformerConfig)}
  fields = {n: v for n, v in dataclasses.asdict(config).items() if n in known}
  fields['attention_types'] = _kinds(config, _modules)
  theirs = _config.TransformerConfig(
    query_pre_attn_norm=(
      norms.BY_ONE_OVER_SQRT_HEAD_DIM
      if by_head
      else norms.BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS
    ),
    **fields,
  )
  return gm.nn.Transformer(config=theirs, tokens='tokens', dtype=jnp.float32)


def _gemma4(config):
  from gemma.gm.nn.gemma4 import _config, _modules, _transformer

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
    attention_types=_kinds(config, _modules),
    local_rope_proportion=1.0,
    kv_cache_sharing_config=sharing,
    override_kv_shared_ffw_hidden=config.kv_shared_hidden_dim,
    enable_moe=config.mixes,
    moe_dense_hidden_dim=config.hidden_dim if config.mixes else 0,
  )
  return _transformer.Transformer(
    config=theirs, tokens='tokens', dtype=jnp.float32
  )


def _kinds(config, modules):
  kinds = {
    'local': modules.AttentionType.LOCAL_SLIDING,
    'global': modules.AttentionType.GLOBAL,
  }
  return tuple(kinds[kind] for kind in config.attention_types)
