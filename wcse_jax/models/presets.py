"""Architectures by name: Gemma 1, 2, 3 and the nano ladder. No JAX here."""

import dataclasses
import functools
import math
from typing import Any, Literal

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


def _config(attention_types: tuple[AttentionType, ...], *sizes: int, **options):
  fields = 'num_embed embed_dim hidden_dim num_heads head_dim num_kv_heads'
  config: dict[str, Any] = dict(zip(fields.split(), sizes, strict=True))
  config['query_pre_attn_scalar'] = config['head_dim'] ** -0.5
  config |= {'attention_types': attention_types}
  return GemmaConfig(**config | options)


def _gemma1(layers: int, *sizes: int):
  return _config(('global',) * layers, *sizes)


def _gemma2(layers: int, *sizes: int, window: int = 4096, **options):
  return _config(
    ('local', 'global') * (layers // 2),
    *sizes,
    attn_logits_soft_cap=50.0,
    final_logit_softcap=30.0,
    sliding_window_size=window,
    use_post_attn_norm=True,
    use_post_ffw_norm=True,
    **options,
  )


def _gemma3(layers: int, *sizes: int, small: bool = False, **options):
  pattern: tuple[AttentionType, ...] = ('local',) * 5 + ('global',)
  return _config(
    (pattern * layers)[:layers],
    *sizes,
    sliding_window_size=512 if small else 1024,
    use_post_attn_norm=True,
    use_post_ffw_norm=True,
    use_qk_norm=True,
    transpose_gating_einsum=True,
    global_base_frequency=1_000_000,
    global_scale_factor=1.0 if small else 8.0,
    context_length=32_768 if small else 131_072,
    **options,
  )


# fmt: off
PRESETS: dict[str, Preset] = {
  # layers; num_embed, embed_dim, hidden_dim, num_heads, head_dim, num_kv_heads
  'nano_wc': Preset(
    _gemma2(4, 512, 96, 384, 4, 32, 2, window=128), source='package'
  ),
  'nano_se': Preset(
    _gemma2(6, 512, 144, 556, 4, 32, 2, window=128), source='package'
  ),
  'nano_student': Preset(_gemma1(4, 512, 128, 512, 4, 32, 4), source='package'),
  'gemma_7b': Preset(_gemma1(28, 256_128, 3072, 24_576, 16, 256, 16), 7e9),
  'gemma2_2b': Preset(_gemma2(26, 256_128, 2304, 9216, 8, 256, 4), 2e9),
  'gemma2_9b': Preset(
    _gemma2(42, 256_128, 3584, 14_336, 16, 256, 8,
            transpose_gating_einsum=True), 9e9
  ),
  'gemma2_27b': Preset(
    _gemma2(46, 256_128, 4608, 36_864, 32, 128, 16,
            transpose_gating_einsum=True,
            query_pre_attn_scalar=(4608 // 32) ** -0.5), 27e9
  ),
  'gemma3_270m': Preset(
    _gemma3(18, 262_144, 640, 2048, 4, 256, 1, small=True), 270e6, 'gguf'
  ),
  'gemma3_1b': Preset(
    _gemma3(26, 262_144, 1152, 6912, 4, 256, 1, small=True), 1e9
  ),
  'gemma3_4b': Preset(_gemma3(34, 262_144, 2560, 10_240, 8, 256, 4), 4e9),
  'gemma3_12b': Preset(_gemma3(48, 262_144, 3840, 15_360, 16, 256, 8), 12e9),
  'gemma3_27b': Preset(
    _gemma3(62, 262_144, 5376, 21_504, 32, 128, 16,
            query_pre_attn_scalar=(5376 // 32) ** -0.5), 27e9
  ),
}
# fmt: on
