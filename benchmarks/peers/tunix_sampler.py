"""The sampler of google-tunix, with cache and padding as short as can be."""

from flax import nnx
import flax.traverse_util
import jax
import jax.numpy as jnp
from tunix.generate import sampler as sampler_lib
from tunix.models.gemma import model as model_lib
import turns


def make(case: turns.Case) -> turns.Made:
  """See `turns`."""
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
    jnp.asarray, flax.traverse_util.unflatten_dict(case.params, sep='/')
  )
  model = model_lib.module_from_linen_variables(
    module_factory=lambda: model_lib.Gemma(config, rngs=nnx.Rngs(params=0)),
    variables=params,
    map_key_fn=model_lib._map_linen_var_names,
    assign_val_fn=model_lib._assign_linen_params_to_nnx_state,
  )
  length = len(case.prompts[0])
  sampler = sampler_lib.Sampler(
    transformer=model,
    tokenizer=_Tokenizer(),
    cache_config=sampler_lib.CacheConfig(
      cache_size=length + case.max_new_tokens,
      num_layers=config.num_layers,
      num_kv_heads=config.num_kv_heads,
      head_dim=config.head_dim,
    ),
  )
  prompts = [turns.spell(ids[1:]) for ids in case.prompts]  # it adds BOS

  def sample(seed: int) -> list[list[int]]:
    output = sampler(
      prompts,
      max_generation_steps=case.max_new_tokens,
      max_prompt_length=length,
      eos_tokens=case.end_tokens or [-1],
      temperature=case.temperature,
      top_p=1.0,
      top_k=case.top_k,
      seed=seed,
    )
    return [row.tolist() for row in output.tokens]

  tokens = jnp.asarray(case.prompts[:1])
  positions = jnp.arange(length)[None]
  mask = jnp.tril(jnp.ones((1, length, length), bool))
  logits, _ = nnx.jit(lambda m: m(tokens, positions, None, mask))(model)
  return sample, logits[0, -1]


class _Tokenizer(turns.Ids):
  """As much of a tokenizer as the sampler uses."""

  def bos_id(self) -> int:
    return 2

  def eos_id(self) -> int:
    return 1

  def pad_id(self) -> int:
    return 0


turns.serve(make)
