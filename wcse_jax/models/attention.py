"""Attention over levels of keys and values, with one softmax over them."""

from collections.abc import Sequence
import functools

from flax import linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from wcse_jax.models import int8, layers, presets

_MASKED = -2.3819763e38  # that of gm.nn
_LARGEST_EXPONENT = 60  # exp of it, summed, is far from overflow in float32
# Rows of so many tokens attend in so many parts, each to what is not after it.
_LONG, _PARTS = 512, 4

# Keys and values of one layer: (k_BxKxSxH, v_BxKxSxH); no B if shared.
KeysValues = tuple[jax.Array, jax.Array]
Stored = jax.Array | int8.Rows


class Level(flax.struct.PyTreeNode):
  """Keys and values that were computed before.

  Attributes:
    layers: Keys and values of each layer that has its own (`kv_layers`), of
      shape [B, K, S, H], or [K, S, H] if all rows share them. A local layer may
      hold only the last of the S. Each may be stored as `int8.Rows`.
    positions: Position of each column, of shape [B, S] or [S]; -1 is empty.
  """

  layers: tuple[tuple[Stored, Stored], ...]
  positions: jax.Array


def apply_rope(
  x_BxNxTxH: jax.Array,
  positions_BxT: jax.Array,
  *,
  base_frequency: float,
  scale_factor: float,
  proportion: float = 1.0,
) -> jax.Array:
  """Rotates each pair (i, i + H/2) by position * base^(-2i/H) / scale.

  Args:
    x_BxNxTxH: Queries or keys.
    positions_BxT: Position of each token.
    base_frequency: The base of the rotations' wavelengths.
    scale_factor: What positions are divided by, for longer contexts.
    proportion: Share of the pairs, the first ones, that are rotated.

  Example:
    >>> x = jnp.array([1.0, 0.0]).reshape(1, 1, 1, 2)
    >>> y = apply_rope(x, jnp.array([[2]]), base_frequency=100, scale_factor=1)
    >>> bool(jnp.allclose(y.ravel(), jnp.array([jnp.cos(2), jnp.sin(2)])))
    True
  """
  half = x_BxNxTxH.shape[-1] // 2
  timescale_H = base_frequency ** (jnp.arange(half, dtype=jnp.float32) / half)
  if proportion < 1:
    rotated_H = jnp.arange(half) < int(proportion * half)
    timescale_H = jnp.where(rotated_H, timescale_H, jnp.inf)
  angle = positions_BxT[:, None, :, None] / timescale_H / scale_factor
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  first, second = jnp.split(x_BxNxTxH.astype(jnp.float32), 2, axis=-1)
  return jnp.concatenate(
    [first * cos - second * sin, second * cos + first * sin], axis=-1
  ).astype(x_BxNxTxH.dtype)


def _attend(
  q_BxKxGxTxH: jax.Array,
  levels: Sequence[tuple[Stored, Stored, jax.Array]],
  soft_cap: float | None,
) -> jax.Array:
  """Attends to several levels (k, v, mask_BxTxS) with one softmax.

  Its numerators and their sum are added up over the levels, so that nothing is
  as long as all of them together. The softcap bounds what is exponentiated:
  only without one the largest score is subtracted first.
  """
  B, K, G, T, H = q_BxKxGxTxH.shape
  # With G and T as one axis: XLA's CPU backend is slow at a product of two.
  q_BxKxQxH = q_BxKxGxTxH.reshape(B, K, G * T, H)
  scores = []
  for k, _, mask_BxTxS in levels:
    # Of a shared level K comes first: one product per kv head, of all rows.
    shared = k.ndim == 3
    score = _scored(
      'BKQH,KSH->KBQS' if shared else 'BKQH,BKSH->BKQS', q_BxKxQxH, k
    )
    score = score.reshape(*score.shape[:2], G, T, -1)
    if soft_cap is not None:
      score = jnp.tanh(score / soft_cap) * soft_cap
    mask = mask_BxTxS[None, :, None] if shared else mask_BxTxS[:, None, None]
    scores.append(jnp.where(mask, score, _MASKED))
  largest = None
  if soft_cap is None or soft_cap > _LARGEST_EXPONENT:
    peaks = [
      _rows_first(jnp.max(score, axis=-1, keepdims=True), k.ndim == 3)
      for score, (k, _, _) in zip(scores, levels, strict=True)
    ]
    largest = jax.lax.stop_gradient(functools.reduce(jnp.maximum, peaks))
  total, output = 0.0, 0.0
  for score, (_, v, _) in zip(scores, levels, strict=True):
    shared = v.ndim == 3
    if largest is not None:
      score -= _rows_first(largest, shared)
    weights = jnp.exp(score)
    total += _rows_first(jnp.sum(weights, axis=-1, keepdims=True), shared)
    part = _summed(
      'KBQS,KSH->KBQH' if shared else 'BKQS,BKSH->BKQH',
      weights.reshape(*weights.shape[:2], G * T, -1),
      v,
      q_BxKxGxTxH.dtype,
    )
    part = part.reshape(*part.shape[:2], G, T, H)
    output += _rows_first(part, shared)
  # A token that sees nothing is padding: anything finite will do.
  total = jnp.where(total == 0, 1, total)
  return (output / total).astype(q_BxKxGxTxH.dtype)


def _scored(equation: str, q: jax.Array, k: Stored) -> jax.Array:
  """Returns q by the keys, in float32; a key's scale is of its column."""
  if not isinstance(k, int8.Rows):
    return jnp.einsum(equation, q, k, preferred_element_type=jnp.float32)
  keys = k.values.astype(q.dtype)
  score = jnp.einsum(equation, q, keys, preferred_element_type=jnp.float32)
  return score * _of_columns(k)


def _summed(equation: str, weights, v: Stored, dtype) -> jax.Array:
  """Returns the weighted sum of values; stored ones are read in a dtype."""
  if isinstance(v, int8.Rows):
    weights, v = weights * _of_columns(v), v.values.astype(dtype)
  weights = weights.astype(v.dtype)
  return jnp.einsum(equation, weights, v, preferred_element_type=jnp.float32)


def _of_columns(x: int8.Rows) -> jax.Array:
  """Returns the scales as factors of [K, B, Q, S] if shared, [B, K, Q, S]."""
  if x.ndim == 3:
    return x.scale[:, None, None]
  return x.scale[:, :, None]


def kept(level: Level) -> Level:
  """Returns a level of floats with its keys and values in eight bits.

  Example:
    >>> kv = jnp.ones((1, 2, 9, 16))
    >>> level = kept(Level(layers=((kv, kv),), positions=jnp.arange(9)[None]))
    >>> level.layers[0][0].values.dtype, level.layers[0][0].scale.shape
    (dtype('int8'), (1, 2, 9))
  """
  return level.replace(layers=jax.tree.map(int8.rows, level.layers))


def _attend_in_parts(
  q_BxKxGxTxH: jax.Array,
  k_BxKxTxH: jax.Array,
  v_BxKxTxH: jax.Array,
  mask_BxTxT: jax.Array,
  soft_cap: float | None,
) -> jax.Array:
  """`_attend` of tokens to themselves, without most of what comes later."""
  size = q_BxKxGxTxH.shape[3] // _PARTS
  ends = range(size, size * _PARTS + 1, size)
  return jnp.concatenate(
    [
      _attend(
        q_BxKxGxTxH[:, :, :, end - size : end],
        [(
          k_BxKxTxH[:, :, :end],
          v_BxKxTxH[:, :, :end],
          mask_BxTxT[:, end - size : end, :end],
        )],
        soft_cap,
      )
      for end in ends
    ],
    axis=3,
  )  # fmt: skip


def _rows_first(x, swap: bool):
  """Swaps B and K, if they are to be swapped."""
  return jnp.swapaxes(x, 0, 1) if swap else x


class Attention(nn.Module):
  """Multi-head, grouped-query or multi-query attention over levels."""

  layer: presets.Layer
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(
    self, x_BxTxD, positions_BxT, levels, own_mask, cache, column, shared=()
  ):
    """Attends.

    Args:
      x_BxTxD: Normalised input.
      positions_BxT: Position of each token.
      levels: Keys, values and mask of each level to read.
      own_mask: Which of the tokens at hand each token sees, [B, T, T], or with
        a cache which of its columns, [B, T, S].
      cache: None, or keys and values of the rows, into which those of the
        tokens are written from `column` on and which then is read (in this
        order: the old cache read beside the new one written would be copied at
        each step).
      column: Where in the cache the first token goes.
      shared: What this returned in the layer whose keys and values are read, if
        the layer has none of its own.

    Returns:
      Output [B, T, D], and keys and values as written or, without a cache,
      computed.
    """
    c = self.layer.config
    n, k, h = c.num_heads, self.layer.num_kv_heads, self.layer.head_dim
    b, t, _ = x_BxTxD.shape
    q, own = self._projected(x_BxTxD)
    norm = functools.partial(layers.norm_of, c)
    private = '' if c.gemma4 else '_'
    if c.use_qk_norm:
      q = norm(f'{private}query_norm')(q)
    q = apply_rope(q, positions_BxT, **self.layer.rope)
    q = q * c.query_pre_attn_scalar
    if own is None:
      keys, values = shared
    else:
      keys, values = own
      if c.use_qk_norm:
        keys = norm(f'{private}key_norm')(keys)
      if c.gemma4:
        values = layers.RMSNorm(has_scale=False)(values)
      keys = apply_rope(keys, positions_BxT, **self.layer.rope)
      if cache is not None:
        write = jax.lax.dynamic_update_slice_in_dim
        keys = write(cache[0], keys.astype(cache[0].dtype), column, axis=2)
        values = write(cache[1], values.astype(cache[1].dtype), column, axis=2)
    q = q.reshape(b, k, n // k, t, h)
    if cache is None and not levels and t >= _LONG and t % _PARTS == 0:
      attended = _attend_in_parts(
        q, keys, values, own_mask, c.attn_logits_soft_cap
      )
    else:
      own = keys, values, own_mask
      attended = _attend(q, [*levels, own], c.attn_logits_soft_cap)
    attended = attended.reshape(b, n, t, h)
    output = layers.Einsum((n, h, c.embed_dim), name='attn_vec_einsum')
    attended = jnp.moveaxis(attended, 1, 2)
    return output('BTNH,NHD->BTD', attended), (keys, values)

  def _projected(self, x_BxTxD) -> tuple[jax.Array, KeysValues | None]:
    """Returns queries [B, N, T, H]; keys and values, if it has its own."""
    n, k = self.layer.config.num_heads, self.layer.num_kv_heads
    h, d = self.layer.head_dim, self.layer.config.embed_dim
    b, t, _ = x_BxTxD.shape
    kv, own = self.layer.kv, None
    if self.merged:
      more, g = {'': 0, 'k': 1}.get(kv, 2), n // k
      qkv = layers.Einsum(((n + more * k) * h, d), name='qkv')
      qkv_BxTxKxSxH = qkv('BTD,ED->BTE', x_BxTxD).reshape(b, t, k, -1, h)
      qkv_BxKxSxTxH = jnp.moveaxis(qkv_BxTxKxSxH, 1, 3)
      q = qkv_BxKxSxTxH[:, :, :g].reshape(b, n, t, h)
      if kv:
        own = qkv_BxKxSxTxH[:, :, g], qkv_BxKxSxTxH[:, :, -1]
    elif kv == 'qkv':
      qkv = layers.Einsum((3, n, d, h), name='qkv_einsum')
      q, *own = qkv('BTD,SNDH->SBNTH', x_BxTxD)
    else:
      q = layers.Einsum((n, d, h), name='q_einsum')('BTD,NDH->BNTH', x_BxTxD)
      if kv == 'kv':
        both = layers.Einsum((2, k, d, h), name='kv_einsum')
        own = both('BTD,CKDH->CBKTH', x_BxTxD)
      elif kv == 'k':
        one = layers.Einsum((k, d, h), name='k_einsum')
        own = (one('BTD,KDH->BKTH', x_BxTxD),) * 2
    q = layers.laid(q, self.mesh, 'batch', 'heads', None, None)
    if own is None:
      return q, None
    keys, values = (
      layers.laid(one, self.mesh, 'batch', 'kv_heads', None, None)
      for one in own
    )
    return q, (keys, values)


def share(level: Level, config: presets.GemmaConfig) -> Level:
  """Makes a level of one row one that all rows share.

  Local layers keep only what the window of a later token can still see.

  Args:
    level: Keys and values of one row, of shape [1, K, S, H].
    config: The architecture.

  Example:
    >>> from wcse_jax import testing
    >>> kv = jnp.zeros((1, 2, 9, 16))
    >>> level = Level(layers=((kv, kv),) * 2, positions=jnp.arange(9)[None])
    >>> local, globally = share(level, testing.TINY).layers
    >>> local[0].shape, globally[0].shape  # of a window of 5, 4 are seen later
    ((2, 4, 16), (2, 9, 16))
  """
  kept = []
  for (k, v), layer in zip(level.layers, config.kv_layers, strict=True):
    keep = k.shape[2]
    if layer.window is not None:
      keep = max(1, min(keep, layer.window - 1))
    kept.append((k[0, :, -keep:], v[0, :, -keep:]))
  return Level(layers=tuple(kept), positions=level.positions[0])
