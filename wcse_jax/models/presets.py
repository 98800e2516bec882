"""Architectures by name: Gemma 1 to 4 and the nano ladder. No JAX here."""

from collections.abc import Iterable
import dataclasses
import functools
import itertools
import math
import re
from typing import Literal

from wcse_jax import data_files
from wcse_jax.models import parameters

AttentionType = Literal['local', 'global']
# The weights that give keys and values: one with the queries', one for both,
# one that is both, or none, as they are those of another layer.
KeysValues = Literal['qkv', 'kv', 'k', '']


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
    gemma4: Whether layers are Gemma 4's: norms multiply by their scale and not
      by 1 + scale, values are normalised, too, and what a layer gives is
      multiplied by a number of its own.
    global_key_size: H of global layers; None is that of the others.
    num_global_kv_heads: K of global layers; None is that of the others.
    k_eq_v_global: Whether in global layers values are what keys are made of.
    global_rope_proportion: Share of a head that global layers rotate.
    num_kv_shared_layers: How many layers, the last ones, have no keys and
      values: they read those of the last layer of their kind that has.
    kv_shared_hidden_dim: F of those layers; None is that of the others.
    per_layer_input_dim: P, the width of what each layer looks up of a token; 0
      is nothing.
    num_experts: E, the experts of each layer, beside the feed-forward layer.
    expert_dim: X, the width of an expert.
    top_k_experts: Experts that see a token.
    routes_residual: Whether the router reads what the layer's norm reads, as
      transformers has it, and not what the norm gives, as `gm.nn` has it.

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
  gemma4: bool = False
  global_key_size: int | None = None
  num_global_kv_heads: int | None = None
  k_eq_v_global: bool = False
  global_rope_proportion: float = 1.0
  num_kv_shared_layers: int = 0
  kv_shared_hidden_dim: int | None = None
  per_layer_input_dim: int = 0
  num_experts: int = 0
  expert_dim: int = 0
  top_k_experts: int = 0
  routes_residual: bool = False

  @property
  def num_layers(self) -> int:
    return len(self.attention_types)

  @functools.cached_property
  def layers(self) -> tuple['Layer', ...]:
    return tuple(Layer(self, i) for i in range(self.num_layers))

  @property
  def kv_layers(self) -> tuple['Layer', ...]:
    """The layers that have keys and values: all but the last, if shared."""
    return self.layers[: self.num_layers - self.num_kv_shared_layers]

  @property
  def kv_divisor(self) -> int:
    """The largest number that divides the kv heads of every layer."""
    return math.gcd(*(layer.num_kv_heads for layer in self.kv_layers))

  @property
  def looks_up(self) -> bool:
    return self.per_layer_input_dim > 0

  @property
  def mixes(self) -> bool:
    return self.num_experts > 0

  @functools.cached_property
  def parameters(self) -> dict[str, parameters.Parameter]:
    """Every parameter, by its path in the tree."""
    return parameters.of(self, self.layers)

  @functools.cached_property
  def axes(self) -> dict[str, list[str]]:
    """The logical axes of parameters; those of layers by the path in one."""
    return {
      re.sub(r'^layer_\d+/', '', path): parameter.axes
      for path, parameter in self.parameters.items()
    }

  def param_shapes(self) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter, by its path in the tree."""
    sizes = {
      'V': self.num_embed,
      'D': self.embed_dim,
      'N': self.num_heads,
      'L': self.num_layers,
      'P': self.per_layer_input_dim,
      'E': self.num_experts,
      'X': self.expert_dim,
      'C': 2,
    }
    own = [
      {'F': layer.hidden_dim, 'K': layer.num_kv_heads, 'H': layer.head_dim}
      for layer in self.layers
    ]
    shapes = {}
    for path, parameter in self.parameters.items():
      layer = re.match(r'layer_(\d+)/', path)
      known = sizes | (own[int(layer[1])] if layer else {})
      shapes[path] = tuple(
        known.get(axis) or int(axis) for axis in parameter.shape
      )
    return shapes

  @functools.cached_property
  def num_params(self) -> int:
    return self._count(self.parameters)

  @property
  def non_embedding_params(self) -> int:
    """Parameters without the embedding and what else is looked up."""
    return self.num_params - self.num_embed * self.embed_dim - self.looked_up

  @property
  def looked_up(self) -> int:
    """Parameters that are looked up by token, and multiplied by none.

    The embedding is no such: the logits are a product with it.
    """
    return self.num_embed * self.num_layers * self.per_layer_input_dim

  @property
  def active(self) -> int:
    """Parameters that a token is multiplied by: of experts, its own."""
    experts = self._count(
      path for path, p in self.parameters.items() if 'experts' in p.axes
    )
    idle = experts - round(experts * self.routed)
    return self.num_params - self.looked_up - idle

  @property
  def routed(self) -> float:
    """The share of its experts that a token is sent to; 1 without experts."""
    return self.top_k_experts / self.num_experts if self.mixes else 1.0

  def _count(self, paths: Iterable[str]) -> int:
    shapes = self.param_shapes()
    return sum(math.prod(shapes[path]) for path in paths)


@dataclasses.dataclass(frozen=True)
class Layer:
  """A layer of an architecture.

  Attributes:
    config: The architecture.
    index: The number of the layer.

  Example:
    >>> local, *_, last = PRESETS['gemma4_e2b'].config.layers
    >>> local.head_dim, local.hidden_dim, local.source
    (256, 6144, None)
    >>> last.head_dim, last.hidden_dim, last.source
    (512, 12288, 14)
  """

  config: GemmaConfig
  index: int

  @property
  def attention_type(self) -> AttentionType:
    return self.config.attention_types[self.index]

  @property
  def window(self) -> int | None:
    """Tokens that it sees, the current one included; None is all."""
    return None if self._is_global else self.config.sliding_window_size

  @property
  def head_dim(self) -> int:
    return self._of_global('global_key_size') or self.config.head_dim

  @property
  def num_kv_heads(self) -> int:
    return self._of_global('num_global_kv_heads') or self.config.num_kv_heads

  @property
  def hidden_dim(self) -> int:
    own = self.source is not None and self.config.kv_shared_hidden_dim
    return own or self.config.hidden_dim

  @property
  def source(self) -> int | None:
    """The layer whose keys and values it reads; None if it has its own."""
    kinds = self.config.attention_types
    own = len(kinds) - self.config.num_kv_shared_layers
    if self.index < own:
      return None
    return next(
      i for i in reversed(range(own)) if kinds[i] == kinds[self.index]
    )

  @property
  def kv(self) -> KeysValues:
    c = self.config
    if self.source is not None:
      return ''
    if self._is_global and c.k_eq_v_global:
      return 'k'
    multi_head = c.num_heads == self.num_kv_heads and not c.gemma4
    return 'qkv' if multi_head else 'kv'

  @property
  def has_kv(self) -> bool:
    return bool(self.kv)

  @property
  def fused_queries(self) -> bool:
    return self.kv == 'qkv'

  @property
  def rope(self) -> dict[str, float]:
    """How queries and keys are rotated, see `attention.apply_rope`."""
    c = self.config
    if self._is_global:
      base, scale = c.global_base_frequency, c.global_scale_factor
      proportion = c.global_rope_proportion
    else:
      base, scale = c.local_base_frequency, c.local_scale_factor
      proportion = 1.0
    return {
      'base_frequency': base, 'scale_factor': scale, 'proportion': proportion,
    }  # fmt: skip

  def _of_global(self, field: str) -> int | None:
    return getattr(self.config, field) if self._is_global else None

  @property
  def _is_global(self) -> bool:
    return self.attention_type == 'global'


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
    >>> by = [PRESETS[name].params for name in ('gemma2_27b', 'gemma2_9b')]
    >>> [round(by[0][count] / by[1][count], 2) for count in by[0]]
    [3.0, 3.13, 2.95]
  """

  config: GemmaConfig
  nominal_params: float = 0
  source: Literal['package', 'gguf', ''] = ''

  @property
  def licence(self) -> str:
    """What the weights, and what they write, may be used under."""
    free = self.source == 'package' or self.config.gemma4
    return 'Apache-2.0' if free else 'Gemma Terms of Use'

  @property
  def params(self) -> dict[str, float]:
    """P of the cost rule of 2PW FLOPs, by what it counts."""
    without_embedding = self.config.non_embedding_params
    return {
      'nominal': self.nominal_params or without_embedding,
      'non_embedding': without_embedding,
      'active': self.config.active,
    }


def _read() -> dict[str, Preset]:
  data = data_files.tables(__file__)
  kinds: dict[str, AttentionType] = {'l': 'local', 'g': 'global'}
  presets = {}
  for name, own in data['presets'].items():
    row = data['families'][own['family']] | own
    del row['family']
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


def no_int8(config: GemmaConfig, merged: bool = True) -> str:
  """Returns why weights cannot be in eight bits; '' if they can.

  Args:
    config: The architecture.
    merged: Whether layers are laid out as `gemma.merge_layer` does.

  Example:
    >>> no_int8(PRESETS['gemma2_9b'].config)
    ''
    >>> no_int8(PRESETS['gemma4_26b_a4b'].config)
    'its experts are not computed in int8: give bfloat16'
  """
  if config.mixes:
    return 'its experts are not computed in int8: give bfloat16'
  if not merged:
    return (
      'its kv heads do not divide over so many devices, which int8 needs: lower'
      ' mesh.tensor, or give bfloat16'
    )
  return ''
