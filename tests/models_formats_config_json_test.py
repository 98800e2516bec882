"""config.json: as it is published, and with fields that change the logits."""

import dataclasses
import json

import pytest

from wcse_jax.models import presets
from wcse_jax.models.formats import config_json
from wcse_jax.models.formats.folder import CheckpointError

SAVED = {
  'bos_token_id': 2,
  'eos_token_id': 1,
  'pad_token_id': 0,
  'initializer_range': 0.02,
  'rms_norm_eps': 1e-06,
  'attention_bias': False,
  'attention_dropout': 0.0,
  'torch_dtype': 'bfloat16',
  'transformers_version': '4.42.4',
  'use_cache': True,
}
GEMMA = SAVED | {
  'architectures': ['GemmaForCausalLM'],
  'model_type': 'gemma',
  'head_dim': 256,
  'hidden_act': 'gelu',
  'hidden_activation': None,
  'max_position_embeddings': 8192,
  'rope_scaling': None,
  'rope_theta': 10000.0,
  'vocab_size': 256000,
}
GEMMA2 = SAVED | {
  'architectures': ['Gemma2ForCausalLM'],
  'model_type': 'gemma2',
  'attn_logit_softcapping': 50.0,
  'cache_implementation': 'hybrid',
  'final_logit_softcapping': 30.0,
  'hidden_act': 'gelu_pytorch_tanh',
  'hidden_activation': 'gelu_pytorch_tanh',
  'max_position_embeddings': 8192,
  'rope_theta': 10000.0,
  'sliding_window': 4096,
  'vocab_size': 256000,
}
GEMMA3 = SAVED | {
  'architectures': ['Gemma3ForCausalLM'],
  'model_type': 'gemma3_text',
  'attn_logit_softcapping': None,
  'final_logit_softcapping': None,
  'head_dim': 256,
  'hidden_activation': 'gelu_pytorch_tanh',
  'max_position_embeddings': 32768,
  'num_attention_heads': 4,
  'num_key_value_heads': 1,
  'query_pre_attn_scalar': 256,
  'rope_local_base_freq': 10000,
  'rope_scaling': None,
  'rope_theta': 1000000,
  'sliding_window': 512,
  'vocab_size': 262144,
}


def _seeing(**text):
  """Returns a config.json of one that sees; its text says what is unusual."""
  return {
    'architectures': ['Gemma3ForConditionalGeneration'],
    'boi_token_index': 255999,
    'eoi_token_index': 256000,
    'eos_token_id': [1, 106],
    'image_token_index': 262144,
    'initializer_range': 0.02,
    'mm_tokens_per_image': 256,
    'model_type': 'gemma3',
    'text_config': {
      'model_type': 'gemma3_text',
      'rope_scaling': {'factor': 8.0, 'rope_type': 'linear'},
      'sliding_window': 1024,
      **text,
    },
    'torch_dtype': 'bfloat16',
    'transformers_version': '4.50.0.dev0',
    'vision_config': {'hidden_size': 1152, 'model_type': 'siglip_vision_model'},
  }


def _sizes(hidden, inner, layers, heads=None, kv=None, **more):
  sizes = {
    'hidden_size': hidden,
    'intermediate_size': inner,
    'num_hidden_layers': layers,
  }
  if heads:
    sizes |= {'num_attention_heads': heads, 'num_key_value_heads': kv}
  return sizes | more


PUBLISHED = {
  'gemma_2b': GEMMA | _sizes(2048, 16384, 18, 8, 1),
  'gemma_7b': GEMMA | _sizes(3072, 24576, 28, 16, 16),
  'gemma2_2b': GEMMA2
  | _sizes(2304, 9216, 26, 8, 4, head_dim=256, query_pre_attn_scalar=256),
  'gemma2_9b': GEMMA2
  | _sizes(3584, 14336, 42, 16, 8, head_dim=256, query_pre_attn_scalar=256)
  | {'sliding_window_size': 4096},
  'gemma2_27b': GEMMA2
  | _sizes(4608, 36864, 46, 32, 16, head_dim=128, query_pre_attn_scalar=144)
  | {'sliding_window_size': 4096, '_attn_implementation': 'eager'},
  'gemma3_270m': GEMMA3
  | _sizes(640, 2048, 18, _sliding_window_pattern=6)
  | {
    'layer_types': 3 * (5 * ['sliding_attention'] + ['full_attention']),
    'use_bidirectional_attention': False,
  },
  'gemma3_1b': GEMMA3
  | _sizes(1152, 6912, 26, sliding_window_pattern=6)
  | {'cache_implementation': 'hybrid'},
  'gemma3_4b': _seeing(**_sizes(2560, 10240, 34)),
  'gemma3_12b': _seeing(**_sizes(3840, 15360, 48, 16, 8)),
  'gemma3_27b': _seeing(
    **_sizes(5376, 21504, 62, 32, 16, head_dim=128, query_pre_attn_scalar=168)
  ),
}


def _read(folder, says):
  (folder / 'config.json').write_text(json.dumps(says))
  return config_json.read(folder / 'config.json')


def _fourth(**text):
  """Returns a config.json of a Gemma 4, as transformers 5 has them."""
  return {
    'architectures': ['Gemma4ForConditionalGeneration'],
    'audio_config': {'model_type': 'gemma4_audio'},
    'audio_token_id': 258881,
    'boa_token_id': 256000,
    'boi_token_id': 255999,
    'eoa_token_index': 258883,
    'eoi_token_id': 258882,
    'image_token_id': 258880,
    'model_type': 'gemma4',
    'text_config': {
      'model_type': 'gemma4_text',
      'final_logit_softcapping': 30.0,
      'use_bidirectional_attention': 'vision',
      **text,
    },
    'tie_word_embeddings': True,
    'video_token_id': 258884,
    'vision_config': {'model_type': 'gemma4_vision'},
  }


_PERIOD = ['sliding_attention'] * 4 + ['full_attention']
PUBLISHED |= {
  'gemma4_e2b': _fourth(
    **_sizes(1536, 6144, 35, 8, 1, layer_types=_PERIOD * 7),
    num_kv_shared_layers=20,
    use_double_wide_mlp=True,
    global_head_dim=512,
  ),
  'gemma4_e4b': _fourth(
    **_sizes(2560, 10240, 42, 8, 2), num_kv_shared_layers=18
  ),
  'gemma4_31b': _fourth(
    **_sizes(5376, 21504, 60, 32, 16, sliding_window=1024),
    max_position_embeddings=262_144,
    attention_k_eq_v=True,
    hidden_size_per_layer_input=None,
    num_global_key_value_heads=4,
    num_experts=None,
  ),
  'gemma4_26b_a4b': _fourth(
    **_sizes(2816, 2112, 30, 16, 8, sliding_window=1024),
    max_position_embeddings=262_144,
    attention_k_eq_v=True,
    hidden_size_per_layer_input=0,
    per_layer_config={
      str(i): {'head_dim': 512, 'num_key_value_heads': 2}
      for i in range(5, 30, 6)
    },
    enable_moe_block=True,
    moe_intermediate_size=704,
    num_experts=128,
    top_k_experts=8,
  ),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_ones_are_those_of_the_presets(name, tmp_path):
  has, config = _read(tmp_path, PUBLISHED[name]), presets.PRESETS[name].config
  assert config_json.differences(has, config) == []
  stored = {
    'num_embed': has['vocab_size'],
    'transpose_gating_einsum': True,
    'routes_residual': False,  # as gm has it
  }
  assert dataclasses.replace(
    config_json.architecture(has, tmp_path), **stored
  ) == dataclasses.replace(config, **stored)
  others = {n: p.config for n, p in presets.PRESETS.items() if n != name}
  assert all(config_json.differences(has, c) for c in others.values())


def test_every_preset_of_gemma_s_is_among_them():
  known = {name for name in presets.PRESETS if name.startswith('gemma')}
  assert known <= PUBLISHED.keys()


def test_what_is_written_is_what_is_read(tmp_path):
  for preset in presets.PRESETS.values():
    has = _read(tmp_path, config_json.says(preset.config))
    assert config_json.differences(has, preset.config) == []


LOCAL = {'rope_theta': 1e4, 'rope_type': 'default'}
FULL = {'rope_theta': 1e6, 'rope_type': 'default'}


def _rope(full=FULL, local=LOCAL):
  ropes = {'full_attention': full, 'sliding_attention': local}
  return {
    'rope_parameters': {n: part for n, part in ropes.items() if part},
    'rope_theta': None,
    'rope_local_base_freq': None,
  }


SEEN, SMALL, GEMMA_7B = 'gemma3_4b', 'gemma3_1b', 'gemma_7b'
# Changes of a published config.json that change what is computed.
OTHERS = [
  (SEEN, {'tie_word_embeddings': False}, 'tie_word_embeddings'),
  (SMALL, {'tie_word_embeddings': False}, 'tie_word_embeddings'),
  (SMALL, {'tie_word_embeddings': None}, 'tie_word_embeddings'),
  (SMALL, {'sliding_window_pattern': 3}, 'layer_types'),
  (SMALL, {'sliding_window_pattern': 0}, 'sliding_window_pattern'),
  ('gemma2_2b', {'sliding_window_pattern': 6}, 'layer_types'),
  ('gemma3_270m', {'sliding_window_pattern': 3}, 'beside layer_types'),
  ('gemma3_270m', {'layer_types': 18 * ['full_attention']}, 'layer_types'),
  (SMALL, {'layer_types': 25 * ['full_attention']}, 'layer_types'),
  (SMALL, {'layer_types': 26 * ['chunked_attention']}, 'layer_types'),
  (SMALL, _rope(local=LOCAL | {'rope_theta': 5e4}), 'rope_local_base_freq'),
  (SMALL, _rope(local={'rope_type': 'linear', 'factor': 2}), 'local_scaling'),
  (SMALL, _rope(full=FULL | {'rope_theta': 1e4}), 'rope_theta'),
  (SMALL, _rope(full={'rope_type': 'yarn', 'factor': 4.0}), 'yarn'),
  (SMALL, _rope(full=FULL | {'partial_rotary_factor': 0.5}), 'partial_rotary'),
  (SMALL, {'rope_parameters': {'rope_theta': 1e4}}, 'rope_theta'),
  (SMALL, {'rope_scaling': {'type': 'dynamic'}}, 'dynamic'),
  (SMALL, {'rope_scaling': 'linear'}, 'rope_scaling'),
  (GEMMA_7B, {'rope_parameters': {'rope_theta': 5e5}}, 'rope_theta'),
  (GEMMA_7B, {'rope_theta': 5e5}, 'rope_theta'),
  (SMALL, {'use_bidirectional_attention': True}, 'use_bidirectional_attention'),
  (SMALL, {'use_bidirectional_attention': 'all'}, 'use_bidirectional'),
  (GEMMA_7B, {'use_bidirectional_attention': True}, 'use_bidirectional'),
  (GEMMA_7B, {'hidden_act': 'silu'}, 'silu'),
  (GEMMA_7B, {'hidden_activation': 'gelu'}, 'hidden_activation'),
  ('gemma2_9b', {'hidden_activation': 'relu'}, 'relu'),
  ('gemma2_9b', {'sliding_window_size': 128}, 'sliding_window_size'),
  ('gemma2_9b', {'query_pre_attn_scalar': 224}, 'query_pre_attn_scalar'),
  ('gemma2_9b', {'attn_logit_softcapping': None}, 'attn_logit_softcapping'),
  ('gemma2_9b', {'attention_bias': True}, 'attention_bias'),
  ('gemma2_9b', {'rms_norm_eps': 1e-5}, 'rms_norm_eps'),
  ('gemma2_9b', {'quantization_config': {'bits': 4}}, 'quantization_config'),
  (GEMMA_7B, {'sliding_window': 128}, 'sliding_window'),
  (GEMMA_7B, {'a_new_field': 1}, 'a_new_field = 1'),
  (SEEN, {'a_new_field': 1}, 'a_new_field = 1'),
  (SEEN, {'sliding_window': 128}, 'sliding_window'),
  (SEEN, {'model_type': 'paligemma'}, 'paligemma'),
  (SMALL, {'num_hidden_layers': 'many'}, 'num_hidden_layers'),
]


E2B, A4B = 'gemma4_e2b', 'gemma4_26b_a4b'
_SHARE = {'rope_type': 'proportional', 'partial_rotary_factor': 0.5}
# Changes of the text of a Gemma 4.
FOURTH = [
  (E2B, {'num_kv_shared_layers': 15}, 'num_kv_shared_layers'),
  (E2B, {'use_double_wide_mlp': False}, 'use_double_wide_mlp'),
  (E2B, {'global_head_dim': 256}, 'global_head_dim'),
  (E2B, {'hidden_size_per_layer_input': 0}, 'hidden_size_per_layer_input'),
  (E2B, {'attention_k_eq_v': True}, 'attention_k_eq_v'),
  (E2B, {'final_logit_softcapping': None}, 'final_logit_softcapping'),
  (E2B, {'use_bidirectional_attention': 'all'}, 'use_bidirectional_attention'),
  (E2B, _rope(FULL | _SHARE), 'rope_scaling'),
  (E2B, _rope(FULL), 'rope_scaling'),
  (E2B, _rope(FULL | {'partial_rotary_factor': 0.25}), 'partial_rotary_factor'),
  (E2B, {'query_pre_attn_scalar': 256}, 'query_pre_attn_scalar'),
  (E2B, {'per_layer_config': {'3': {'head_dim': 512}}}, 'per_layer_config'),
  (E2B, {'per_layer_config': {'4': {'head_dim': 512}}}, 'per_layer_config'),
  (A4B, {'top_k_experts': 4}, 'top_k_experts'),
  (A4B, {'enable_moe_block': False}, 'enable_moe_block'),
  (A4B, {'attention_k_eq_v': False}, 'attention_k_eq_v'),
]


def _refused(folder, says, name):
  """Returns why a file is refused, '' if it is not."""
  try:
    has = _read(folder, says)
  except CheckpointError as error:
    return str(error) if str(folder / 'config.json') in str(error) else ''
  return str(config_json.differences(has, presets.PRESETS[name].config))


@pytest.mark.parametrize('name, changes, said', OTHERS)
def test_what_changes_the_logits_is_named(name, changes, said, tmp_path):
  assert said in _refused(tmp_path, PUBLISHED[name] | changes, name)


@pytest.mark.parametrize('name, changes, said', FOURTH)
def test_what_changes_those_of_a_gemma_4_is_named(
  name, changes, said, tmp_path
):
  text = PUBLISHED[name]['text_config']
  assert _refused(tmp_path, text, name) == '[]'
  assert said in _refused(tmp_path, text | changes, name)


def test_a_missing_field_is_what_transformers_takes_for_it(tmp_path):
  says = PUBLISHED['gemma3_27b']
  del (text := dict(says['text_config']))['query_pre_attn_scalar']
  has = _read(tmp_path, says | {'text_config': text})
  (found,) = config_json.differences(has, presets.PRESETS['gemma3_27b'].config)
  assert found == 'query_pre_attn_scalar = 256, the model 168'


@pytest.mark.parametrize('name, changes', [
  (SMALL, _rope()),
  (SMALL, _rope(full={'rope_type': 'default'})),
  (SMALL, _rope(full={})),
  (SMALL, _rope(local={})),
  (SMALL, _rope(full={'rope_theta': 1e6})),
  (SMALL, {'rope_theta': 1e6, 'rope_parameters': {'sliding_attention': None}}),
  (SMALL, {'use_bidirectional_attention': None, 'layer_types': None}),
  (SMALL, {'a_new_field': None}),
  ('gemma3_270m', {'_sliding_window_pattern': 3}),
  (SMALL, {'rope_scaling': {'rope_type': 'linear', 'factor': 1}}),
  (GEMMA_7B, {'rope_parameters': {'rope_theta': 1e4}}),
  (GEMMA_7B, {'rope_parameters': {'rope_type': 'default'}}),
  (GEMMA_7B, {'hidden_act': 'gelu_pytorch_tanh', 'quantization_config': None}),
  (SEEN, {'tie_word_embeddings': True, 'eos_token_id': 1}),
  (SEEN, {'text_config': PUBLISHED[SEEN]['text_config'] | {
    'rope_scaling': {'type': 'linear', 'factor': 8}}}),
  (SEEN, {'text_config': PUBLISHED[SEEN]['text_config'] | {
    'rope_scaling': None, **_rope({'rope_type': 'linear', 'factor': 8})}}),
])  # fmt: skip
def test_other_spellings_are_the_same(name, changes, tmp_path):
  has = _read(tmp_path, PUBLISHED[name] | changes)
  assert config_json.differences(has, presets.PRESETS[name].config) == []


@pytest.mark.parametrize('text', ['[]', '3', '"x"', '{', 'null', '\xff'])
def test_what_is_no_object_is_named(text, tmp_path):
  (tmp_path / 'config.json').write_bytes(text.encode('latin-1'))
  with pytest.raises(CheckpointError, match=r'config\.json cannot be read'):
    config_json.read(tmp_path / 'config.json')


def test_positions_may_be_scaled_in_all_families(tmp_path):
  scaled = {'rope_scaling': {'rope_type': 'linear', 'factor': 2}}
  for name, local in ((GEMMA_7B, 2), ('gemma2_2b', 2), (SMALL, 1)):
    has = _read(tmp_path, PUBLISHED[name] | scaled)
    config = config_json.architecture(has, tmp_path)
    assert (config.local_scale_factor, config.global_scale_factor) == (local, 2)
    assert config_json.differences(has, config) == []


@pytest.mark.parametrize('changes', [
  {'hidden_size': 0}, {'head_dim': 2.5}, {'num_attention_heads': None},
  {'sliding_window': None}, {'query_pre_attn_scalar': 0},
  {'query_pre_attn_scalar': '256'}, {'attn_logit_softcapping': -1},
  {'rms_norm_eps': 1e-5}, {'tie_word_embeddings': False},
  {'rope_scaling': {'type': 'dynamic', 'factor': 2}},
])  # fmt: skip
def test_an_architecture_that_is_not_known_is_refused(changes, tmp_path):
  has = _read(tmp_path, PUBLISHED['gemma2_2b'] | changes)
  with pytest.raises(CheckpointError, match=next(iter(changes))):
    config_json.architecture(has, tmp_path)


@pytest.mark.parametrize(
  'changes',
  [
    {'model_type': ['gemma2']},
    {'model_type': {'gemma2': 1}},
    {'rope_scaling': 'linear'},
    {'rope_scaling': 8},
    {'rope_scaling': {'rope_type': 'linear', 'factor': float('nan')}},
    {'rope_scaling': {'rope_type': 'linear', 'factor': 'eight'}},
    {'rope_scaling': {'rope_type': 'linear', 'factor': 10**400}},
    {'rope_scaling': {'rope_type': ['linear'], 'factor': 8}},
    {'rope_parameters': [1]},
    {'layer_types': ['sideways'] * 26},
    {'layer_types': [1] * 26},
    {'layer_types': 5},
  ],
  ids=lambda changes: str(changes)[:60],
)
def test_fields_of_another_shape_are_errors_of_a_line(changes, tmp_path):
  path = tmp_path / 'config.json'
  path.write_text(json.dumps({'model_type': 'gemma2'} | changes))
  with pytest.raises(CheckpointError, match='config.json'):
    config_json.architecture(config_json.read(path), path)
