"""The fields of config.json: what is meant without one, which are harmless."""

from typing import Any

Says = dict[str, Any]

USUAL = 'gelu_pytorch_tanh'
# Why it is refused.
GEMMA3N = (
  'Gemma 3n, which has more than Gemma 4: AltUp, LAuReL and sparse activations,'
  ' none of which is computed here; take gemma4_e2b or gemma4_e4b instead'
)
COUNTS = (
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'max_position_embeddings',
  'sliding_window',
)
NUMBERS = ('query_pre_attn_scalar', 'rope_theta', 'rope_local_base_freq')

# What transformers takes for a field that is not there.
_GEMMA: Says = {
  'vocab_size': 256_000,
  'hidden_size': 3072,
  'intermediate_size': 24_576,
  'num_hidden_layers': 28,
  'num_attention_heads': 16,
  'num_key_value_heads': 16,
  'head_dim': 256,
  'hidden_activation': USUAL,
  'max_position_embeddings': 8192,
  'rms_norm_eps': 1e-6,
  'rope_theta': 10_000.0,
  'rope_scaling': None,
  'attention_bias': False,
  'tie_word_embeddings': True,
  'use_bidirectional_attention': False,
}
_GEMMA2 = _GEMMA | {
  'hidden_size': 2304,
  'intermediate_size': 9216,
  'num_hidden_layers': 26,
  'num_attention_heads': 8,
  'num_key_value_heads': 4,
  'query_pre_attn_scalar': 256,
  'sliding_window': 4096,
  'layer_types': 2,  # every so manieth is global
  'attn_logit_softcapping': 50.0,
  'final_logit_softcapping': 30.0,
}
_GEMMA3 = _GEMMA2 | {
  'vocab_size': 262_208,
  'max_position_embeddings': 131_072,
  'rope_theta': 1_000_000.0,
  'rope_local_base_freq': 10_000.0,
  'rope_local_scaling': None,
  'layer_types': 6,
  'attn_logit_softcapping': None,
  'final_logit_softcapping': None,
}
_GEMMA4 = {
  name: value
  for name, value in _GEMMA3.items()
  if name not in ('query_pre_attn_scalar', 'attn_logit_softcapping')
} | {
  'vocab_size': 262_144,
  'num_hidden_layers': 30,
  'sliding_window': 512,
  'rope_scaling': 'proportional, 0.25',
  'global_head_dim': 512,
  'num_global_key_value_heads': None,
  'attention_k_eq_v': False,
  'num_kv_shared_layers': 0,
  'use_double_wide_mlp': False,
  'hidden_size_per_layer_input': 256,
  'vocab_size_per_layer_input': 262_144,
  'enable_moe_block': False,
  'num_experts': None,
  'top_k_experts': None,
  'moe_intermediate_size': None,
}
DEFAULTS = {
  'gemma': _GEMMA,
  'gemma2': _GEMMA2,
  'gemma3_text': _GEMMA3,
  'gemma4_text': _GEMMA4,
}
# Compared by what else is there: the tables' rows; what positions are fed.
FREE = ('vocab_size', 'vocab_size_per_layer_input', 'max_position_embeddings')
# Fields that change no logits of text, and why.
HARMLESS = {
  'architectures': 'names a class; model_type and the tensors decide',
  'model_type': 'decides which fields there are',
  'text_config': 'is read in its turn',
  'transformers_version': 'who wrote the file',
  '_name_or_path': 'where it was',
  '_commit_hash': 'where it was',
  'unsloth_fixed': 'who wrote the file',
  'unsloth_version': 'who wrote the file',
  'torch_dtype': 'the tensors have their types',
  'dtype': 'the tensors have their types',
  'bos_token_id': 'the tokenizer says it',
  'pad_token_id': 'the tokenizer says it',
  'eos_token_id': 'ends a sample; read by `folder.ends`',
  '_sliding_window_pattern': 'not read: transformers 5 writes 6 for any layers',
  'initializer_range': 'of weights that are drawn',
  'attention_dropout': 'none outside of training',
  'use_cache': 'how keys and values are kept',
  'cache_implementation': 'how keys and values are kept',
  '_attn_implementation': 'how the same is computed',
  '_attn_implementation_autoset': 'how the same is computed',
  'chunk_size_feed_forward': 'how the same is computed',
  'output_attentions': 'what is returned',
  'output_hidden_states': 'what is returned',
  'return_dict': 'what is returned',
  'id2label': 'of classifiers, which have a tensor more',
  'label2id': 'of classifiers, which have a tensor more',
  'problem_type': 'of classifiers, which have a tensor more',
  'audio_config': 'of sounds',
  'audio_token_id': 'of sounds',
  'boa_token_id': 'of sounds',
  'eoa_token_id': 'of sounds',
  'eoa_token_index': 'of sounds',
  'video_token_id': 'of images',
  'vision_soft_tokens_per_image': 'of images',
  'vision_config': 'of images',
  'mm_tokens_per_image': 'of images',
  'boi_token_index': 'of images',
  'eoi_token_index': 'of images',
  'image_token_index': 'of images',
  'boi_token_id': 'of images',
  'eoi_token_id': 'of images',
  'image_token_id': 'of images',
}
