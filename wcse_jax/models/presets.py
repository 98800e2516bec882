"""Architectures by name: Gemma 1, 2, 3 and the nano ladder. No JAX here."""

from collections.abc import Sequence
import dataclasses
import functools
from importlib import resources
import itertools
import math
import tomllib
from typing import Any, Literal

AttentionType = Literal['local', 'global']


@dataclasses.dataclass(frozen=True)
class Parameter:
  """A parameter; `parameters.toml` says what the attributes are."""

  shape: str
  axes: list[str]
  names: list[str]
  theirs: str

  def by_axis[T](self, values: Sequence[T]) -> dict[str, T]:
    """Returns values of the axes, by their letters; those of a stack have none.

    Example:
      >>> Parameter('2KD', [], [], '').by_axis((2, 8, 96))
      {'K': 8, 'D': 96}
    """
    letters = self.shape.lstrip('23')
    return dict(zip(letters, values[-len(letters) :], strict=True))


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

  @property
  def multi_head(self) -> bool:
    """Whether each query head has keys and values of its own."""
    return self.num_heads == self.num_kv_heads

  @functools.cached_property
  def parameters(self) -> dict[str, Parameter]:
    """Every parameter, by its path in the tree."""
    tables = _table('parameters')
    found = {path: Parameter(**row) for path, row in tables['model'].items()}
    layer = [
      row
      for row in tables['layer']
      if all(getattr(self, k) == v for k, v in row['if'].items())
    ]
    for i in range(self.num_layers):
      for row in layer:
        found[f'layer_{i}/{row["path"]}'] = Parameter(
          shape=row['shape'],
          axes=row['axes'],
          names=[f'model.layers.{i}.{name}.weight' for name in row['names']],
          theirs=row['theirs'],
        )
    return found

  def param_shapes(self) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every parameter, by its path in the tree."""
    sizes = {
      'V': self.num_embed,
      'D': self.embed_dim,
      'F': self.hidden_dim,
      'N': self.num_heads,
      'K': self.num_kv_heads,
      'H': self.head_dim,
    }
    return {
      path: tuple(sizes.get(axis) or int(axis) for axis in parameter.shape)
      for path, parameter in self.parameters.items()
    }

  @functools.cached_property
  def num_params(self) -> int:
    return sum(math.prod(shape) for shape in self.param_shapes().values())

  @property
  def non_embedding_params(self) -> int:
    return self.num_params - self.num_embed * self.embed_dim

  @property
  def looked_up(self) -> int:
    """Parameters that are looked up by token, and multiplied by none.

    The embedding is no such: the logits are a product with it.
    """
    return 0

  @property
  def active(self) -> int:
    """Parameters that a token is multiplied by."""
    return self.num_params - self.looked_up

  @property
  def routed(self) -> float:
    """The share of its experts that a token is sent to; 1 without experts."""
    return 1.0


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
    return 'Apache-2.0' if self.source == 'package' else 'Gemma Terms of Use'

  @property
  def params(self) -> dict[str, float]:
    """P of the cost rule of 2PW FLOPs, by what it counts."""
    without_embedding = self.config.non_embedding_params
    return {
      'nominal': self.nominal_params or without_embedding,
      'non_embedding': without_embedding,
      'active': self.config.active,
    }


@functools.cache
def _table(name: str) -> dict[str, Any]:
  text = resources.files(__package__).joinpath(f'{name}.toml').read_text()
  return tomllib.loads(text)


def _read() -> dict[str, Preset]:
  data = _table('presets')
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
