"""Gemma 2 of transformers, in PyTorch, with the weights of a case."""

import torch
import transformers
import turns


def gemma2(case: turns.Case) -> transformers.Gemma2ForCausalLM:
  """Returns the model; PyTorch is to use one thread from now on."""
  torch.set_num_threads(1)
  c = case.config
  config = transformers.Gemma2Config(
    vocab_size=c['num_embed'],
    hidden_size=c['embed_dim'],
    intermediate_size=c['hidden_dim'],
    num_hidden_layers=len(c['attention_types']),
    num_attention_heads=c['num_heads'],
    num_key_value_heads=c['num_kv_heads'],
    head_dim=c['head_dim'],
    query_pre_attn_scalar=c['head_dim'],
    sliding_window=c['sliding_window_size'],
    final_logit_softcapping=c['final_logit_softcap'],
    attn_logit_softcapping=c['attn_logits_soft_cap'],
    attn_implementation='eager',  # the only one with a softcap
  )
  model = transformers.Gemma2ForCausalLM(config).eval().float()
  missing = model.load_state_dict(_state(case), strict=False)
  if missing.unexpected_keys or missing.missing_keys not in (
    [],
    ['lm_head.weight'],  # tied
  ):
    raise ValueError(f'weights do not fit: {missing}')
  return model


def _state(case: turns.Case) -> dict[str, torch.Tensor]:
  """The weights by their names here, of shape (out, in)."""
  params, state = case.params, {}
  d = case.config['embed_dim']
  names = {
    'pre_attention_norm': 'input_layernorm',
    'post_attention_norm': 'post_attention_layernorm',
    'pre_ffw_norm': 'pre_feedforward_layernorm',
    'post_ffw_norm': 'post_feedforward_layernorm',
  }
  for i in range(len(case.config['attention_types'])):
    theirs, ours = f'model.layers.{i}', f'layer_{i}'
    heads = {
      'q': params[f'{ours}/attn/q_einsum/w'],
      'k': params[f'{ours}/attn/kv_einsum/w'][0],
      'v': params[f'{ours}/attn/kv_einsum/w'][1],
    }
    for name, w_NxDxH in heads.items():
      w = w_NxDxH.transpose(0, 2, 1).reshape(-1, d)
      state[f'{theirs}.self_attn.{name}_proj.weight'] = w
    output = params[f'{ours}/attn/attn_vec_einsum/w'].reshape(-1, d)
    state[f'{theirs}.self_attn.o_proj.weight'] = output.T
    gate, up = params[f'{ours}/mlp/gating_einsum']
    state[f'{theirs}.mlp.gate_proj.weight'] = gate.T
    state[f'{theirs}.mlp.up_proj.weight'] = up.T
    state[f'{theirs}.mlp.down_proj.weight'] = params[f'{ours}/mlp/linear'].T
    for name, their_name in names.items():
      state[f'{theirs}.{their_name}.weight'] = params[f'{ours}/{name}/scale']
  state['model.norm.weight'] = params['final_norm/scale']
  state['model.embed_tokens.weight'] = params['embedder/input_embedding']
  return {name: torch.tensor(w) for name, w in state.items()}
