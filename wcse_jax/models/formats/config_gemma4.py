"""The fields of config.json that only Gemma 4 has."""

from collections.abc import Sequence
from typing import Any

from wcse_jax.models import presets
from wcse_jax.models.formats.config_fields import DEFAULTS, Says

KIND = 'gemma4_text'
_FULL = 'full_attention'
_GLOBAL = {  # of a layer, and of all global ones
  'head_dim': 'global_head_dim',
  'num_key_value_heads': 'num_global_key_value_heads',
}
# What changes nothing unless another field is set.
_IF = {
  'num_experts': 'enable_moe_block',
  'top_k_experts': 'enable_moe_block',
  'moe_intermediate_size': 'enable_moe_block',
  'num_global_key_value_heads': 'attention_k_eq_v',
  'use_double_wide_mlp': 'num_kv_shared_layers',
}


def flattened(given: Says, layer_types: Sequence[str]) -> Says:
  """Returns what a file says of global layers, and without what is unused.

  Args:
    given: What the file says.
    layer_types: The kinds of its layers.

  Raises:
    ValueError: Global layers differ from each other, or local ones do.

  Example:
    >>> layers = {'1': {'head_dim': 512}}
    >>> kinds = ['sliding_attention', 'full_attention']
    >>> flattened({'per_layer_config': layers}, kinds)['global_head_dim']
    512
  """
  said = dict(given)
  if layers := said.pop('per_layer_config', None):
    every = [
      layers.get(str(i), layers.get(kind)) for i, kind in enumerate(layer_types)
    ]
    of = {kind: one for kind, one in zip(layer_types, every, strict=True)}
    alike = [of[kind] for kind in layer_types]
    if every != alike or any(one for kind, one in of.items() if kind != _FULL):
      raise ValueError('per_layer_config differs within a kind of layers')
    known = {_GLOBAL[name]: n for name, n in (of.get(_FULL) or {}).items()}
    said |= dict.fromkeys(_GLOBAL.values()) | known
    said = {name: value for name, value in said.items() if value is not None}
  if said.get('use_bidirectional_attention') == 'vision':
    del said['use_bidirectional_attention']  # of images
  whole = DEFAULTS[KIND] | said
  for name, other in _IF.items():
    if not whole[other]:
      said[name] = DEFAULTS[KIND][name]
  if said.get('hidden_size_per_layer_input', 0) is None:
    said['hidden_size_per_layer_input'] = 0
  return said


def architecture(has: Says, share: float) -> dict[str, Any]:
  """Returns the fields of `GemmaConfig` that only Gemma 4 has.

  Args:
    has: What `config_json.read` gave.
    share: Which share of a global head is rotated.
  """
  inner, mixes = has['intermediate_size'], has['enable_moe_block']
  return {
    'gemma4': True,
    'query_pre_attn_scalar': 1.0,
    'global_key_size': has['global_head_dim'],
    'num_global_kv_heads': has['num_global_key_value_heads'],
    'k_eq_v_global': has['attention_k_eq_v'],
    'global_rope_proportion': share,
    'num_kv_shared_layers': has['num_kv_shared_layers'],
    'kv_shared_hidden_dim': 2 * inner if has['use_double_wide_mlp'] else None,
    'per_layer_input_dim': has['hidden_size_per_layer_input'],
    'num_experts': has['num_experts'] if mixes else 0,
    'expert_dim': has['moe_intermediate_size'] if mixes else 0,
    'top_k_experts': has['top_k_experts'] if mixes else 0,
    'routes_residual': mixes,
  }


def says(c: presets.GemmaConfig) -> Says:
  """Returns the fields of config.json that only Gemma 4 has."""
  local = {'rope_type': 'default', 'rope_theta': float(c.local_base_frequency)}
  full = {
    'rope_type': 'proportional',
    'partial_rotary_factor': c.global_rope_proportion,
    'rope_theta': float(c.global_base_frequency),
  }
  return {
    'rope_parameters': {_FULL: full, 'sliding_attention': local},
    'global_head_dim': c.global_key_size or c.head_dim,
    'num_global_key_value_heads': c.num_global_kv_heads,
    'attention_k_eq_v': c.k_eq_v_global,
    'num_kv_shared_layers': c.num_kv_shared_layers,
    'use_double_wide_mlp': c.kv_shared_hidden_dim is not None,
    'hidden_size_per_layer_input': c.per_layer_input_dim,
    'vocab_size_per_layer_input': c.num_embed,
    'enable_moe_block': c.mixes,
    'num_experts': c.num_experts or None,
    'top_k_experts': c.top_k_experts or None,
    'moe_intermediate_size': c.expert_dim or None,
  }


def has_to_be(c: presets.GemmaConfig) -> dict[str, Any]:
  """Returns the fields of an architecture that transformers does not choose."""
  double = c.kv_shared_hidden_dim is not None
  return {
    'query_pre_attn_scalar': 1.0,
    'use_post_ffw_norm': c.use_post_attn_norm,
    'use_qk_norm': True,
    'transpose_gating_einsum': True,
    'attn_logits_soft_cap': None,
    'local_scale_factor': 1.0,
    'global_scale_factor': 1.0,
    'kv_shared_hidden_dim': 2 * c.hidden_dim if double else None,
    'num_global_kv_heads': c.num_global_kv_heads if c.k_eq_v_global else None,
    'attention_types': (*c.attention_types[:-1], 'global'),
  }
