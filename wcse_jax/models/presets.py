"""Architectures by name: Gemma 1, 2, 3 and the nano ladder. No JAX here."""

import dataclasses
import functools
from typing import Literal

AttentionType = Literal['local', 'global']


@dataclasses.dataclass(frozen=True, kw_only=True)
class GemmaConfig:
  """A text-only Gemma architecture; the names are those of `gm.nn`.

  `query_pre_attn_scalar` multiplies the queries. A 'local' layer attends to
  the last `sliding_window_size` tokens, the current one included. The model was
  trained on at most `context_length` tokens.
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
    return sum(_size(shape) for shape in self.param_shapes().values())

  @property
  def non_embedding_params(self) -> int:
    return self.num_params - self.num_embed * self.embed_dim


def _size(shape: tuple[int, ...]) -> int:
  return functools.reduce(lambda a, b: a * b, shape, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
  """A named model.

  Attributes:
    config: Its architecture.
    nominal_params: The size it is known by; the paper's cost rule uses it. 0
      means that the exact number of non-embedding parameters is used.
    source: Where its weights are: 'package' (shipped), 'gguf' (converted from
      a package of the extra [gemma-270m]) or '' (config.checkpoints).
  """

  config: GemmaConfig
  nominal_params: float = 0
  source: Literal['package', 'gguf', ''] = ''

  @property
  def cost_params(self) -> float:
    """P of the cost rule 2PW."""
    return self.nominal_params or self.config.non_embedding_params


def _gemma1(*, num_layers: int, **kwargs) -> GemmaConfig:
  return GemmaConfig(
    attention_types=('global',) * num_layers,
    query_pre_attn_scalar=kwargs['head_dim'] ** -0.5,
    **kwargs,
  )


def _gemma2(
  *,
  num_layers: int,
  query_pre_attn_scalar: float | None = None,
  sliding_window_size: int = 4096,
  **kwargs,
) -> GemmaConfig:
  return GemmaConfig(
    attention_types=('local', 'global') * (num_layers // 2),
    query_pre_attn_scalar=query_pre_attn_scalar or kwargs['head_dim'] ** -0.5,
    attn_logits_soft_cap=50.0,
    final_logit_softcap=30.0,
    sliding_window_size=sliding_window_size,
    use_post_attn_norm=True,
    use_post_ffw_norm=True,
    **kwargs,
  )


def _gemma3(
  *,
  num_layers: int,
  sliding_window_size: int = 1024,
  query_pre_attn_scalar: float | None = None,
  global_scale_factor: float = 8.0,
  context_length: int = 131_072,
  **kwargs,
) -> GemmaConfig:
  pattern = ('local',) * 5 + ('global',)
  return GemmaConfig(
    attention_types=(pattern * num_layers)[:num_layers],
    query_pre_attn_scalar=query_pre_attn_scalar or kwargs['head_dim'] ** -0.5,
    sliding_window_size=sliding_window_size,
    use_post_attn_norm=True,
    use_post_ffw_norm=True,
    use_qk_norm=True,
    transpose_gating_einsum=True,
    global_base_frequency=1_000_000,
    global_scale_factor=global_scale_factor,
    context_length=context_length,
    num_embed=262144,
    **kwargs,
  )


PRESETS: dict[str, Preset] = {
  'nano_wc': Preset(
    config=_gemma2(
      num_layers=4,
      num_embed=512,
      embed_dim=96,
      hidden_dim=384,
      num_heads=4,
      head_dim=32,
      num_kv_heads=2,
      sliding_window_size=128,
    ),
    source='package',
  ),
  'nano_se': Preset(
    config=_gemma2(
      num_layers=6,
      num_embed=512,
      embed_dim=144,
      hidden_dim=556,
      num_heads=4,
      head_dim=32,
      num_kv_heads=2,
      sliding_window_size=128,
    ),
    source='package',
  ),
  'nano_student': Preset(
    config=_gemma1(
      num_layers=4,
      num_embed=512,
      embed_dim=128,
      hidden_dim=512,
      num_heads=4,
      head_dim=32,
      num_kv_heads=4,
    ),
    source='package',
  ),
  'gemma_7b': Preset(
    config=_gemma1(
      num_layers=28,
      num_embed=256128,
      embed_dim=3072,
      hidden_dim=24576,
      num_heads=16,
      head_dim=256,
      num_kv_heads=16,
    ),
    nominal_params=7e9,
  ),
  'gemma2_2b': Preset(
    config=_gemma2(
      num_layers=26,
      num_embed=256128,
      embed_dim=2304,
      hidden_dim=9216,
      num_heads=8,
      head_dim=256,
      num_kv_heads=4,
    ),
    nominal_params=2e9,
  ),
  'gemma2_9b': Preset(
    config=_gemma2(
      num_layers=42,
      num_embed=256128,
      embed_dim=3584,
      hidden_dim=14336,
      num_heads=16,
      head_dim=256,
      num_kv_heads=8,
      transpose_gating_einsum=True,
    ),
    nominal_params=9e9,
  ),
  'gemma2_27b': Preset(
    config=_gemma2(
      num_layers=46,
      num_embed=256128,
      embed_dim=4608,
      hidden_dim=36864,
      num_heads=32,
      head_dim=128,
      num_kv_heads=16,
      query_pre_attn_scalar=(4608 // 32) ** -0.5,
      transpose_gating_einsum=True,
    ),
    nominal_params=27e9,
  ),
  'gemma3_270m': Preset(
    config=_gemma3(
      num_layers=18,
      embed_dim=640,
      hidden_dim=2048,
      num_heads=4,
      head_dim=256,
      num_kv_heads=1,
      sliding_window_size=512,
      global_scale_factor=1.0,
      context_length=32_768,
    ),
    nominal_params=270e6,
    source='gguf',
  ),
  'gemma3_1b': Preset(
    config=_gemma3(
      num_layers=26,
      embed_dim=1152,
      hidden_dim=6912,
      num_heads=4,
      head_dim=256,
      num_kv_heads=1,
      sliding_window_size=512,
      global_scale_factor=1.0,
      context_length=32_768,
    ),
    nominal_params=1e9,
  ),
  'gemma3_4b': Preset(
    config=_gemma3(
      num_layers=34,
      embed_dim=2560,
      hidden_dim=10240,
      num_heads=8,
      head_dim=256,
      num_kv_heads=4,
    ),
    nominal_params=4e9,
  ),
  'gemma3_12b': Preset(
    config=_gemma3(
      num_layers=48,
      embed_dim=3840,
      hidden_dim=15360,
      num_heads=16,
      head_dim=256,
      num_kv_heads=8,
    ),
    nominal_params=12e9,
  ),
  'gemma3_27b': Preset(
    config=_gemma3(
      num_layers=62,
      embed_dim=5376,
      hidden_dim=21504,
      num_heads=32,
      head_dim=128,
      num_kv_heads=16,
      query_pre_attn_scalar=(5376 // 32) ** -0.5,
    ),
    nominal_params=27e9,
  ),
}
