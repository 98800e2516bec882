"""`gm.text.Sampler`; cache, padding and buffers as short as can be, or default.

The argument `defaults` leaves their lengths as they are.
"""

import dataclasses
import sys
from typing import Any

import flax.traverse_util
from gemma import gm
from gemma.gm.nn import _config, _modules
import jax
import jax.numpy as jnp
import turns


def make(case: turns.Sampling) -> turns.Made:
  """See `turns`."""
  model: Any = gm.nn.Transformer(
    config=_gm_config(dict(case.config)),
    tokens='tokens',
    dtype=jnp.dtype('float32'),
  )
  params = jax.tree.map(
    jnp.asarray, flax.traverse_util.unflatten_dict(case.params, sep='/')
  )
  longest = max(map(len, case.prompts))
  method = gm.text.TopkSampling(temperature=case.temperature, k=case.top_k)
  lengths: dict[str, Any] = {
    'cache_length': longest + case.max_new_tokens,
    'max_out_length': case.max_new_tokens,
    'pad_length': longest,
  }
  sampler_of: Any = gm.text.Sampler  # takes any tokenizer of this form
  sampler = sampler_of(
    model=model,
    params=params,
    tokenizer=_Tokenizer(case.end_tokens),
    sampling=method if case.temperature else gm.text.Greedy(),
    **({} if sys.argv[2:] == ['defaults'] else lengths),
  )
  prompts = [turns.spell(ids[1:]) for ids in case.prompts]  # it adds BOS
  warm = False

  def sample(seed: int) -> list[list[int]]:
    nonlocal warm
    output = sampler.sample(
      prompts,
      # How many is no constant of what it compiles.
      max_new_tokens=case.max_new_tokens if warm else 2,
      rng=seed,
      return_state=True,
    )
    warm = True
    return output.tokens[:, : case.max_new_tokens].tolist()

  out = model.apply(
    {'params': params}, jnp.asarray(case.prompts[:1]), return_last_only=True
  )
  return sample, out.logits.reshape(-1)


def _gm_config(fields) -> _config.TransformerConfig:
  kinds = {
    'local': _modules.AttentionType.LOCAL_SLIDING,
    'global': _modules.AttentionType.GLOBAL,
  }
  if fields.pop('query_pre_attn_scalar') != fields['head_dim'] ** -0.5:
    raise ValueError('no shape of the benchmark scales queries otherwise')
  norms = _config.QueryPreAttentionNormalisation
  fields['attention_types'] = tuple(
    kinds[name] for name in fields['attention_types']
  )
  known = {f.name for f in dataclasses.fields(_config.TransformerConfig)}
  return _config.TransformerConfig(
    query_pre_attn_norm=norms.BY_ONE_OVER_SQRT_HEAD_DIM,
    **{name: value for name, value in fields.items() if name in known},
  )


@dataclasses.dataclass(frozen=True)
class _Special:
  EOS: int
  BOS: int = 2
  PAD: int = 0
  END_OF_TURN: int = -1
  BEGIN_OF_TOOL_RESPONSE: int = -1


class _Tokenizer(turns.Ids):
  """As much of `gm.text.Tokenizer` as the sampler uses."""

  VERSION = 0
  FORBIDDEN_TOKENS = ()
  FORMAT = None

  def __init__(self, end_tokens: list[int]):
    self.special_tokens = _Special(*(end_tokens or [-1]))

  def encode(self, text: str, add_bos: bool = False, **_) -> list[int]:
    bos = [self.special_tokens.BOS] if add_bos else []
    return bos + super().encode(text)


turns.serve(make, turns.Sampling)
