"""Small folders of Hugging Face, written by hand as they are published.

The numbers of `GOLDEN` are what transformers 5.23 gives for them.
"""

import dataclasses
import json

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

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
GEMMA4 = dataclasses.replace(
  GEMMA3,
  attention_types=('local', 'global') * 2,
  query_pre_attn_scalar=1.0,
  final_logit_softcap=30.0,
  global_scale_factor=1.0,
  gemma4=True,
  global_key_size=24,
  global_rope_proportion=0.25,
  num_kv_shared_layers=2,
  kv_shared_hidden_dim=2 * F,
  per_layer_input_dim=8,
  context_length=131_072,
)
EXPERTS = dataclasses.replace(
  GEMMA4,
  num_kv_heads=2,
  attention_types=('local', 'global'),
  num_global_kv_heads=1,
  k_eq_v_global=True,
  num_kv_shared_layers=0,
  kv_shared_hidden_dim=None,
  per_layer_input_dim=0,
  num_experts=8,
  expert_dim=24,
  top_k_experts=3,
  routes_residual=True,
)
CONFIGS = {
  'gemma': GEMMA,
  'gemma2': GEMMA2,
  'gemma3_text': GEMMA3,
  'gemma4_text': GEMMA4,
  'gemma4_experts': EXPERTS,
}
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
_GEMMA4 = COMMON | {
  'model_type': 'gemma4_text',
  'architectures': ['Gemma4ForCausalLM'],
  'max_position_embeddings': 131_072,
  'num_key_value_heads': 1,
  'num_hidden_layers': 4,
  'layer_types': ['sliding_attention', 'full_attention'] * 2,
  'sliding_window': 5,
  'global_head_dim': 24,
  'final_logit_softcapping': 30.0,
  'num_kv_shared_layers': 2,
  'use_double_wide_mlp': True,
  'hidden_size_per_layer_input': 8,
  'vocab_size_per_layer_input': V,
  'rope_parameters': {
    'full_attention': {
      'partial_rotary_factor': 0.25,
      'rope_theta': 1e6,
      'rope_type': 'proportional',
    },
    'sliding_attention': {'rope_theta': 1e4, 'rope_type': 'default'},
  },
}
SAYS['gemma4_text'] = _GEMMA4
SAYS['gemma4_experts'] = _GEMMA4 | {
  'num_key_value_heads': 2,
  'num_global_key_value_heads': 1,
  'attention_k_eq_v': True,
  'num_hidden_layers': 2,
  'layer_types': ['sliding_attention', 'full_attention'],
  'num_kv_shared_layers': 0,
  'use_double_wide_mlp': False,
  'hidden_size_per_layer_input': 0,
  'enable_moe_block': True,
  'num_experts': 8,
  'top_k_experts': 3,
  'moe_intermediate_size': 24,
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
  'gemma4_text': [
    [-0.9944576025009155, 0.679862916469574, -3.555708885192871],
    [-0.3449711501598358, -4.057875633239746, 0.052394576370716095],
  ],
  'gemma4_experts': [
    [0.8321760892868042, -1.9197330474853516, -1.864174485206604],
    [1.809783697128296, -2.173837184906006, 1.3503440618515015],
  ],
}


def tensors(kind, seed=0):
  """Draws a checkpoint: (out, in), norms near 0, for `1 + weight`."""
  says, rng = SAYS[kind], np.random.default_rng(seed)
  if 'gemma4' in kind:
    return _tensors4(says, rng)
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


def _tensors4(says, rng):
  """Those of a Gemma 4: norms near 1, layers that are not alike."""
  shapes = {'model.embed_tokens.weight': (V, D), 'model.norm.weight': (D,)}
  norms = ['input', 'post_attention', 'pre_feedforward', 'post_feedforward']
  norms = [f'{name}_layernorm' for name in norms]
  layers, p = says['num_hidden_layers'], says['hidden_size_per_layer_input']
  if p:
    shapes |= {
      'model.embed_tokens_per_layer.weight': (V, layers * p),
      'model.per_layer_model_projection.weight': (layers * p, D),
      'model.per_layer_projection_norm.weight': (p,),
    }
    norms += ['post_per_layer_input_norm']
  if says.get('enable_moe_block'):
    norms += [
      'post_feedforward_layernorm_1',
      'post_feedforward_layernorm_2',
      'pre_feedforward_layernorm_2',
    ]
  for i, kind in enumerate(says['layer_types']):
    full, own = (
      kind == 'full_attention',
      i < layers - says['num_kv_shared_layers'],
    )
    h = says['global_head_dim'] if full else H
    k = says['num_key_value_heads']
    if full and says.get('attention_k_eq_v'):
      k = says['num_global_key_value_heads']
    f = F if own else 2 * F
    layer = {
      'self_attn.q_proj': (N * h, D),
      'self_attn.q_norm': (h,),
      'self_attn.o_proj': (D, N * h),
      'mlp.gate_proj': (f, D),
      'mlp.up_proj': (f, D),
      'mlp.down_proj': (D, f),
    } | {name: (D,) for name in norms}
    if own:
      layer |= {'self_attn.k_proj': (k * h, D), 'self_attn.k_norm': (h,)}
      if not (full and says.get('attention_k_eq_v')):
        layer['self_attn.v_proj'] = (k * h, D)
    if p:
      layer |= {'per_layer_input_gate': (p, D), 'per_layer_projection': (D, p)}
    layer = {f'{name}.weight': shape for name, shape in layer.items()}
    layer['layer_scalar'] = (1,)
    if says.get('enable_moe_block'):
      e, x = says['num_experts'], says['moe_intermediate_size']
      layer |= {
        'router.proj.weight': (e, D),
        'router.scale': (D,),
        'router.per_expert_scale': (e,),
        'experts.gate_up_proj': (e, 2 * x, D),
        'experts.down_proj': (e, D, x),
      }
    shapes |= {f'model.layers.{i}.{name}': s for name, s in layer.items()}
  near_1 = lambda name: 'norm' in name or 'scal' in name
  return {
    name: (near_1(name) + rng.normal(scale=0.3, size=shape)).astype(np.float32)
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


def tokens():
  return np.random.default_rng(1).integers(1, V, (2, 17))


def logits(model):
  module = gemma.Gemma(model.config)

  @jax.jit
  def run(params):
    hidden, _ = gemma.forward(module, params, jnp.asarray(tokens()))
    return gemma.logits(module, params, hidden)

  return np.asarray(run(model.params))


def random_params(config):
  rng = np.random.default_rng(2)
  flat = {
    path: rng.normal(scale=0.3, size=shape).astype(np.float32)
    for path, shape in config.param_shapes().items()
  }
  return flax.traverse_util.unflatten_dict(flat, sep='/')


def difference(got, want):
  return np.linalg.norm(got - want) / np.linalg.norm(want)


def export(folder, params, config, **kwargs):
  words = tokenizer.Tokenizer(VOCABULARY)
  huggingface.write(folder, params, config, words, **kwargs)
