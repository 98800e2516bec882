"""Architectures by name: Gemma 1, 2, 3 and the nano ladder. No JAX here."""

import dataclasses
import functools
from importlib import resources
import itertools
import math
import tomllib
from typing import Literal

AttentionType = Literal['local', 'global']


@dataclasses.dataclass(frozen=True, kw_only=True)
class GemmaConfig:
  """A text-only Gemma architecture; the names are those of `gm.nn`.

  Attributes:
    num_embed: V, the number of ids that are embedded.
    embed_dim: D, the width of the model.
    hidden_dim: F, the width of the feed-forward layers.
    num_heads: N, the query heads.
    head_dim: H, the width of a head.
    num_kv_heads: K, the key and value heads.
    attention_types: Kind of each layer. A 'local' layer attends to the last
      `sliding_window_size` tokens, the current one included.
    query_pre_attn_scalar: What queries are multiplied by.
    attn_logits_soft_cap: Bound of attention's scores; None is none.
    final_logit_softcap: Bound of the logits; None is none.
    sliding_window_size: Tokens that a local layer sees.
    use_post_attn_norm: Whether attention's output is normalised.
    use_post_ffw_norm: Whether the feed-forward layer's output is normalised.
    use_qk_norm: Whether queries and keys are normalised.
    transpose_gating_einsum: Whether the gating weights are stored as (2, F, D).
    local_base_frequency: Base of the rotary wavelengths of local layers.
    global_base_frequency: Base of the rotary wavelengths of global layers.
    local_scale_factor: What positions are divided by in local layers.
    global_scale_factor: What positions are divided by in global layers.
    context_length: Most tokens that the model was trained on.

  Example:
    >>> config = PRESETS['gemma2_9b'].config
    >>> config.num_layers, config.num_params, config.non_embedding_params
    (42, 9242164736, 8324201984)
    >>> config.param_shapes()['layer_0/attn/kv_einsum/w']  # 2, K, D, H
    (2, 8, 3584, 256)
  """

  num_embed: int
  embed_dim: int
  hidden_dim: int
  num_heads: int
  head_dim: int
  num_kv_heads: int
  attention_types: tuple[AttentionType, ...]
  query_pre_attn_scalar: float
  attn_logits_soft_cap: float | None = None
  final_logit_softcap: float | None = None
  sliding_window_size: int | None = None
  use_post_attn_norm: bool = False
  use_post_ffw_norm: bool = False
  use_qk_norm: bool = False
  transpose_gating_einsum: bool = False
  local_base_frequency: int = 10_000
  global_base_frequency: int = 10_000
  local_scale_factor: float = 1.0
  global_scale_factor: float = 1.0
  context_length: int = 8_192

  @property
  def num_layers(self) -> int:
    return len(self.attention_types)

  def param_shapes(self) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter, by its path in the tree."""
    d, f, n, k, h = (
      self.embed_dim,
      self.hidden_dim,
      self.num_heads,
      self.num_kv_heads,
      self.head_dim,
    )
    layer = {
      'attn/attn_vec_einsum/w': (n, h, d),
      'mlp/gating_einsum': (
        (2, f, d) if self.transpose_gating_einsum else (2, d, f)
      ),
      'mlp/linear': (f, d),
      'pre_attention_norm/scale': (d,),
      'pre_ffw_norm/scale': (d,),
    }
    if n == k:
      layer['attn/qkv_einsum/w'] = (3, n, d, h)
    else:
      layer['attn/q_einsum/w'] = (n, d, h)
      layer['attn/kv_einsum/w'] = (2, k, d, h)
    if self.use_qk_norm:
      layer['attn/_query_norm/scale'] = (h,)
      layer['attn/_key_norm/scale'] = (h,)
    if self.use_post_attn_norm:
      layer['post_attention_norm/scale'] = (d,)
    if self.use_post_ffw_norm:
      layer['post_ffw_norm/scale'] = (d,)
    return {
      'embedder/input_embedding': (self.num_embed, d),
      'final_norm/scale': (d,),
    } | {
      f'layer_{i}/{name}': shape
      for i in range(self.num_layers)
      for name, shape in layer.items()
    }

  @functools.cached_property
  def num_params(self) -> int:
    return sum(math.prod(shape) for shape in self.param_shapes().values())

  @property
  def non_embedding_params(self) -> int:
    return self.num_params - self.num_embed * self.embed_dim


@dataclasses.dataclass(frozen=True)
class Preset:
  """A named model.

  Attributes:
    config: The architecture.
    nominal_params: The size that the model is known by; the paper's cost rule
      uses it. 0 means that the exact number of non-embedding parameters is
      used.
    source: Where the weights are: 'package' (shipped), 'gguf' (converted from
      a package of the extra [gemma-270m]) or '' (config.checkpoints).

  Example:
    >>> PRESETS['gemma2_27b'].cost_params / PRESETS['gemma2_9b'].cost_params
    3.0
  """

  config: GemmaConfig
  nominal_params: float = 0
  source: Literal['package', 'gguf', ''] = ''

  @property
  def cost_params(self) -> float:
    """The number of parameters, P, in the cost rule of 2PW FLOPs."""
    return self.nominal_params or self.config.non_embedding_params


def _read() -> dict[str, Preset]:
  text = resources.files(__package__).joinpath('presets.toml').read_text()
  data = tomllib.loads(text)
  kinds: dict[str, AttentionType] = {'l': 'local', 'g': 'global'}
  presets = {}
  for name, own in data['presets'].items():
    row = data['families'][own.pop('family')] | own
    params, source = row.pop('nominal_params', 0), row.pop('source', '')
    pattern = itertools.cycle(row.pop('pattern'))
    layers = itertools.islice(pattern, row.pop('num_layers'))
    config = GemmaConfig(
      attention_types=tuple(kinds[kind] for kind in layers),
      query_pre_attn_scalar=row.pop('query_dim', row['head_dim']) ** -0.5,
      **row,
    )
    presets[name] = Preset(config, params, source)
  return presets


PRESETS: dict[str, Preset] = _read()
