"""Gemma 2 of google-tunix, with the weights of a case."""

from flax import nnx
import flax.traverse_util
import jax
import jax.numpy as jnp
from tunix.models.gemma import model as model_lib
import turns


def gemma2(case: turns.Case) -> model_lib.Gemma:
  """Returns the model."""
  c = dict(case.config)
  kinds = {
    'local': model_lib.AttentionType.LOCAL_SLIDING,
    'global': model_lib.AttentionType.GLOBAL,
  }
  config = model_lib.ModelConfig(
    num_layers=len(c['attention_types']),
    attention_types=tuple(kinds[name] for name in c['attention_types']),
    **{
      name: c[name]
      for name in (
        'num_embed',
        'embed_dim',
        'hidden_dim',
        'num_heads',
        'head_dim',
        'num_kv_heads',
        'final_logit_softcap',
        'attn_logits_soft_cap',
        'sliding_window_size',
        'use_post_attn_norm',
        'use_post_ffw_norm',
      )
    },
  )
  params = jax.tree.map(
    lambda w: jnp.asarray(w, case.dtype),
    flax.traverse_util.unflatten_dict(case.params, sep='/'),
  )
  return model_lib.module_from_linen_variables(
    module_factory=lambda: model_lib.Gemma(config, rngs=nnx.Rngs(params=0)),
    variables=params,
    map_key_fn=model_lib._map_linen_var_names,
    assign_val_fn=model_lib._assign_linen_params_to_nnx_state,
  )


def logits(model: model_lib.Gemma, tokens: list[int]) -> jax.Array:
  """Returns the logits [V] after the tokens."""
  length = len(tokens)
  positions = jnp.arange(length)[None]
  mask = jnp.tril(jnp.ones((1, length, length), bool))
  made, _ = nnx.jit(lambda m: m(jnp.asarray([tokens]), positions, None, mask))(
    model
  )
  return made[0, -1]
