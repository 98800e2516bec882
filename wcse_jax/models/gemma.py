"""Gemma 1, 2 and 3 in Flax: one definition for training and for decoding.

The parameter tree is that of `gemma.gm.nn.Transformer`, so official weights
load as they are, and the logits are the same. What differs is where keys and
values come from: attention reads any number of *levels* (a prefix shared by
all rows, each row's own cache, the tokens at hand) and takes one softmax over
them. Training has no level but the tokens at hand; prefill adds the shared
prefix; decoding writes its token into the rows' cache and reads that.
"""

from collections.abc import Sequence
import functools
import re
from typing import Any, cast

from flax import linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from wcse_jax.models import presets, sharding

_MASKED = -2.3819763e38  # that of gm.nn
_LARGEST_EXPONENT = 60  # exp of it, summed, is far from overflow in float32
# Rows of so many tokens attend in so many parts, each to what is not after it.
_LONG, _PARTS = 512, 4

# What of a layer is kept for its gradient; the rest is computed again.
REMAT: dict[str, Any] = {
  'none': None,  # all is kept
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  'full': jax.checkpoint_policies.nothing_saveable,  # but the layer's input
}

# Keys and values of one layer: (k_BxKxSxH, v_BxKxSxH); no B if shared.
KeysValues = tuple[jax.Array, jax.Array]


class Level(flax.struct.PyTreeNode):
  """Keys and values that were computed before.

  Attributes:
    layers: Of each layer, k and v of shape [B, K, S, H], or [K, S, H] if all
      rows share them. A local layer may hold only the last of the S.
    positions: [B, S] or [S]: where each of them stands; -1 is empty.
  """

  layers: tuple[KeysValues, ...]
  positions: jax.Array


class RMSNorm(nn.Module):
  """Scales to unit root mean square, times 1 + scale."""

  @nn.compact
  def __call__(self, x):
    scale = self.param('scale', nn.initializers.zeros_init(), (x.shape[-1],))
    x_32 = x.astype(jnp.float32)
    variance = jnp.mean(jnp.square(x_32), axis=-1, keepdims=True)
    x_32 = x_32 * jax.lax.rsqrt(variance + 1e-6)
    return (x_32 * (1 + scale.astype(jnp.float32))).astype(x.dtype)


class Einsum(nn.Module):
  """A weight `w` and the einsum that applies it."""

  shape: tuple[int, ...]

  @nn.compact
  def __call__(self, equation: str, x: jax.Array) -> jax.Array:
    w = self.param('w', nn.initializers.normal(), self.shape)
    return _adapt(self, 'w', equation, x, _product(equation, x, w))


def _product(equation: str, x: jax.Array, w: jax.Array) -> jax.Array:
  """Returns einsum(x, w) in x's dtype; w's gradient is added up in w's."""
  if w.dtype == x.dtype:
    return jnp.einsum(equation, x, w)
  return _mixed_product(equation, x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _mixed_product(equation, x, w):
  return jnp.einsum(equation, x, w.astype(x.dtype))


def _mixed_product_forward(equation, x, w):
  # Written out: a policy of REMAT does not look into what has a gradient of
  # its own.
  return jnp.einsum(equation, x, w.astype(x.dtype)), (x, w)


def _mixed_product_backward(equation, x_and_w, g):
  # Of bfloat16 products over rows and devices, the sum is in float32.
  x, w = x_and_w
  inputs, weight, output = re.split('->|,', equation)
  return (
    jnp.einsum(f'{output},{weight}->{inputs}', g, w.astype(g.dtype)),
    jnp.einsum(
      f'{inputs},{output}->{weight}', x, g, preferred_element_type=w.dtype
    ),
  )


_mixed_product.defvjp(_mixed_product_forward, _mixed_product_backward)


def _adapt(module: nn.Module, name: str, equation: str, x, y):
  """Adds to y = einsum(x, w) what w's adapter adds, if it has one.

  An adapter is two factors in the collection `adapters`: a, from what is
  summed over to the rank, and b, from the rank to what is not.
  """
  if not module.has_variable('adapters', name):
    return y
  factors = module.get_variable('adapters', name)
  inputs, weight, output = re.split('->|,', equation)
  summed = ''.join(c for c in weight if c in inputs)
  rest = ''.join(c for c in weight if c not in inputs)
  kept = ''.join(c for c in inputs if c not in summed)
  a, b = factors['a'].astype(x.dtype), factors['b'].astype(x.dtype)
  x = jnp.einsum(f'{inputs},{summed}r->{kept}r', x, a)
  return y + jnp.einsum(f'{kept}r,r{rest}->{output}', x, b)


def _laid(x: jax.Array, mesh: Mesh | None, *axes: str | None) -> jax.Array:
  """Lays an activation over the devices that train, if there are several."""
  if mesh is None:
    return x
  where = sharding.named(mesh, sharding.TRAIN, x.shape, axes)
  return jax.lax.with_sharding_constraint(x, where)


def apply_rope(
  x_BxNxTxH: jax.Array,
  positions_BxT: jax.Array,
  *,
  base_frequency: int,
  scale_factor: float,
) -> jax.Array:
  """Rotates each pair (i, i + H/2) by position * base^(-2i/H) / scale."""
  half = x_BxNxTxH.shape[-1] // 2
  timescale_H = base_frequency ** (jnp.arange(half, dtype=jnp.float32) / half)
  angle = positions_BxT[:, None, :, None] / timescale_H / scale_factor
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  first, second = jnp.split(x_BxNxTxH.astype(jnp.float32), 2, axis=-1)
  return jnp.concatenate(
    [first * cos - second * sin, second * cos + first * sin], axis=-1
  ).astype(x_BxNxTxH.dtype)


def _attend(
  q_BxKxGxTxH: jax.Array,
  levels: Sequence[tuple[jax.Array, jax.Array, jax.Array]],
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
    score = jnp.einsum(
      'BKQH,KSH->KBQS' if shared else 'BKQH,BKSH->BKQS',
      q_BxKxQxH,
      k,
      preferred_element_type=jnp.float32,
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
    part = jnp.einsum(
      'KBQS,KSH->KBQH' if shared else 'BKQS,BKSH->BKQH',
      weights.astype(v.dtype).reshape(*weights.shape[:2], G * T, -1),
      v,
      preferred_element_type=jnp.float32,
    )
    part = part.reshape(*part.shape[:2], G, T, H)
    output += _rows_first(part, shared)
  # A token that sees nothing is padding: anything finite will do.
  total = jnp.where(total == 0, 1, total)
  return (output / total).astype(q_BxKxGxTxH.dtype)


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

  config: presets.GemmaConfig
  attention_type: presets.AttentionType
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD, positions_BxT, levels, own_mask, cache, column):
    """Attends.

    Args:
      x_BxTxD: Normalised input.
      positions_BxT: Position of each token.
      levels: (k, v, mask) of each level to read.
      own_mask: [B, T, T], or with a cache [B, T, S]: what else is seen.
      cache: None, or (k, v) of the rows, into which the tokens are written
        from `column` on and which then is read (in this order: the old cache
        read beside the new one written would be copied at each step).
      column: Scalar.

    Returns:
      Output [B, T, D], and the (k, v) written or, without a cache, computed.
    """
    c = self.config
    n, k, h, d = c.num_heads, c.num_kv_heads, c.head_dim, c.embed_dim
    b, t, _ = x_BxTxD.shape
    if self.merged:
      qkv = Einsum(((n + 2 * k) * h, d), name='qkv')
      qkv_BxTxKxSxH = qkv('BTD,ED->BTE', x_BxTxD).reshape(b, t, k, -1, h)
      qkv_BxKxSxTxH = jnp.moveaxis(qkv_BxTxKxSxH, 1, 3)
      q = qkv_BxKxSxTxH[:, :, :-2].reshape(b, n, t, h)
      keys, values = qkv_BxKxSxTxH[:, :, -2], qkv_BxKxSxTxH[:, :, -1]
    elif n == k:
      qkv = Einsum((3, n, d, h), name='qkv_einsum')
      q, keys, values = qkv('BTD,SNDH->SBNTH', x_BxTxD)
    else:
      q = Einsum((n, d, h), name='q_einsum')('BTD,NDH->BNTH', x_BxTxD)
      kv = Einsum((2, k, d, h), name='kv_einsum')
      keys, values = kv('BTD,CKDH->CBKTH', x_BxTxD)
    q = _laid(q, self.mesh, 'batch', 'heads', None, None)
    keys = _laid(keys, self.mesh, 'batch', 'kv_heads', None, None)
    values = _laid(values, self.mesh, 'batch', 'kv_heads', None, None)
    if c.use_qk_norm:
      q = RMSNorm(name='_query_norm')(q)
      keys = RMSNorm(name='_key_norm')(keys)
    local = self.attention_type == 'local'
    rope = {
      'base_frequency': (
        c.local_base_frequency if local else c.global_base_frequency
      ),
      'scale_factor': c.local_scale_factor if local else c.global_scale_factor,
    }
    q = apply_rope(q, positions_BxT, **rope) * c.query_pre_attn_scalar
    keys = apply_rope(keys, positions_BxT, **rope)
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
    output = Einsum((n, h, d), name='attn_vec_einsum')
    attended = jnp.moveaxis(attended, 1, 2)
    return output('BTNH,NHD->BTD', attended), (keys, values)


class FeedForward(nn.Module):
  """The gated feed-forward layer, GELU(x W_0) * (x W_1) W_2."""

  config: presets.GemmaConfig
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD):
    c = self.config
    init = nn.initializers.normal()
    x, rows = x_BxTxD, 'BT'
    # Trained on one device, rows are one axis, and the gating's halves are two
    # products: XLA's CPU backend is slower at others. Over several devices they
    # are one, whose gradient is exchanged once.
    plain = self.mesh is None and not self.merged
    if plain:
      x, rows = x.reshape(-1, c.embed_dim), 'T'
    if self.merged:
      gate, up = (
        x @ self.param(name, init, (c.embed_dim, c.hidden_dim))
        for name in ('gate', 'up')
      )
    else:
      if c.transpose_gating_einsum:
        shape, weight = (2, c.hidden_dim, c.embed_dim), 'FD'
      else:
        shape, weight = (2, c.embed_dim, c.hidden_dim), 'DF'
      gating = self.param('gating_einsum', init, shape)
      equation = f'{rows}D,C{weight}->{rows}CF'
      if plain:
        halves = [_product(f'TD,{weight}->TF', x, half) for half in gating]
        both = jnp.stack(halves, axis=-2)
      else:
        both = _product(equation, x, gating)
      both = _adapt(self, 'gating_einsum', equation, x, both)
      gate, up = both[..., 0, :], both[..., 1, :]
    linear = self.param('linear', init, (c.hidden_dim, c.embed_dim))
    hidden = _laid(nn.gelu(gate) * up, self.mesh, 'batch', None, 'mlp')
    equation = f'{rows}F,FD->{rows}D'
    y = _product(equation, hidden, linear)
    y = _adapt(self, 'linear', equation, hidden, y)
    return y.reshape(x_BxTxD.shape)


class Block(nn.Module):
  """Attention and feed-forward, each with its norms and residual."""

  config: presets.GemmaConfig
  attention_type: presets.AttentionType
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD, *args):
    c = self.config
    attention = Attention(
      c, self.attention_type, self.merged, self.mesh, name='attn'
    )
    y, kv = attention(RMSNorm(name='pre_attention_norm')(x_BxTxD), *args)
    if c.use_post_attn_norm:
      y = RMSNorm(name='post_attention_norm')(y)
    x_BxTxD = _laid(x_BxTxD + y, self.mesh, 'batch', None, None)
    y = RMSNorm(name='pre_ffw_norm')(x_BxTxD)
    y = FeedForward(c, self.merged, self.mesh, name='mlp')(y)
    if c.use_post_ffw_norm:
      y = RMSNorm(name='post_ffw_norm')(y)
    return _laid(x_BxTxD + y, self.mesh, 'batch', None, None), kv


class Embedder(nn.Module):
  """The token embedding, tied to the output."""

  config: presets.GemmaConfig

  def setup(self):
    shape = (self.config.num_embed, self.config.embed_dim)
    init = nn.initializers.normal()
    self.table_VxD = self.param('input_embedding', init, shape)

  def encode(self, tokens_BxT, dtype):
    x = self.table_VxD[tokens_BxT].astype(dtype)
    return x * jnp.sqrt(self.config.embed_dim).astype(dtype)

  def decode(self, x):
    logits = jnp.einsum(
      '...D,VD->...V',
      x,
      self.table_VxD.astype(x.dtype),
      preferred_element_type=jnp.float32,
    )
    cap = self.config.final_logit_softcap
    return logits if cap is None else jnp.tanh(logits / cap) * cap


class Gemma(nn.Module):
  """A Gemma text model.

  Attributes:
    config: The architecture.
    dtype: Of the activations; logits and softmax are float32.
    merged: Whether the layers are laid out as `merge_layer` does.
    remat: Of REMAT, for training.
    mesh: Of training on several devices, to lay activations over.
  """

  config: presets.GemmaConfig
  dtype: jnp.dtype = jnp.dtype('float32')
  merged: bool = False
  remat: str = 'none'
  mesh: Mesh | None = None

  def setup(self):
    self.embedder = Embedder(self.config)
    policy = REMAT[self.remat]
    block = nn.remat(Block, policy=policy) if policy else Block
    self.blocks = [
      block(self.config, kind, self.merged, self.mesh, name=f'layer_{i}')
      for i, kind in enumerate(self.config.attention_types)
    ]
    self.final_norm = RMSNorm()

  def __call__(
    self,
    tokens_BxT: jax.Array,
    positions_BxT: jax.Array | None = None,
    *,
    segments_BxT: jax.Array | None = None,
    levels: Sequence[Level] = (),
    cache: Level | None = None,
    column: jax.Array | int = 0,
  ) -> tuple[jax.Array, Level]:
    """Runs the model up to its last norm; `logits` does the rest.

    Args:
      tokens_BxT: Token ids.
      positions_BxT: Position of each token; -1 marks padding, which nothing
        attends to. Default: 0, 1, ....
      segments_BxT: Tokens attend only within their segment, if given.
      levels: What else the tokens attend to.
      cache: The rows' own keys and values, with room for the new ones, and
        with the new tokens' positions already in `cache.positions`.
      column: Where in `cache` the new ones go.

    Returns:
      hidden [B, T, D], and the cache as written or, without one, the keys and
      values of the tokens at hand.
    """
    if positions_BxT is None:
      positions_BxT = jnp.broadcast_to(
        jnp.arange(tokens_BxT.shape[1]), tokens_BxT.shape
      )
    own_positions = positions_BxT if cache is None else cache.positions

    window = self.config.sliding_window_size

    def mask(positions, num_columns, attention_type):
      # A local layer may have kept only the last columns of a level.
      seen = jnp.atleast_2d(positions)[:, None, -num_columns:]
      at = positions_BxT[:, :, None]
      mask_BxTxS = (seen >= 0) & (seen <= at)
      if attention_type == 'local' and window is not None:
        mask_BxTxS &= seen > at - window
      return mask_BxTxS

    own_masks = {
      attention_type: mask(own_positions, own_positions.shape[-1],
                           attention_type)
      for attention_type in dict.fromkeys(self.config.attention_types)
    }  # fmt: skip
    if segments_BxT is not None:
      same = segments_BxT[:, :, None] == segments_BxT[:, None, :]
      own_masks = {name: m & same for name, m in own_masks.items()}

    x_BxTxD = self.embedder.encode(tokens_BxT, self.dtype)
    x_BxTxD = _laid(x_BxTxD, self.mesh, 'batch', None, None)
    layers = []
    for i, block in enumerate(self.blocks):
      kind = self.config.attention_types[i]
      read = []
      for level in levels:
        k, v = level.layers[i]
        read.append((k, v, mask(level.positions, k.shape[-2], kind)))
      x_BxTxD, keys_values = block(
        x_BxTxD,
        positions_BxT,
        read,
        own_masks[kind],
        None if cache is None else cache.layers[i],
        column,
      )
      layers.append(keys_values)
    hidden_BxTxD = self.final_norm(x_BxTxD)
    return hidden_BxTxD, Level(layers=tuple(layers), positions=own_positions)

  def logits(self, hidden: jax.Array) -> jax.Array:
    """Returns the logits [..., V] of hidden states [..., D]."""
    return self.embedder.decode(hidden)


def forward(
  model: Gemma, params: Any, *args, adapters: Any = None, **kwargs
) -> tuple[jax.Array, Level]:
  """`Gemma.__call__` on parameters: hidden states, keys and values."""
  variables = {'params': params, 'adapters': adapters or {}}
  return cast(Any, model.apply(variables, *args, **kwargs))


def logits(model: Gemma, params: Any, hidden: jax.Array) -> jax.Array:
  """`Gemma.logits` on parameters."""
  applied = model.apply({'params': params}, hidden, method='logits')
  return cast(jax.Array, applied)


def merge_layer(layer: Any, config: presets.GemmaConfig) -> Any:
  """Lays a layer out for decoding, where no weight is transposed first.

  Queries, keys and values come out of one product, `attn/qkv/w` of shape
  (K * (N/K + 2) * H, D): of each kv head its query heads, its key and its
  value. `mlp/gate` and `mlp/up` have the shape (D, F).
  """
  k = config.num_kv_heads
  attn, mlp = dict(layer['attn']), dict(layer['mlp'])
  if 'qkv_einsum' in attn:
    q, *kv = attn.pop('qkv_einsum')['w']
  else:
    q, kv = attn.pop('q_einsum')['w'], attn.pop('kv_einsum')['w']
  q_DxKxGxH = q.reshape(k, -1, *q.shape[1:]).transpose(2, 0, 1, 3)
  kv_DxKx2xH = jnp.stack([*kv]).transpose(2, 1, 0, 3)
  both = jnp.concatenate([q_DxKxGxH, kv_DxKx2xH], axis=2)
  attn['qkv'] = {'w': both.reshape(both.shape[0], -1).T}
  gating = mlp.pop('gating_einsum')
  if config.transpose_gating_einsum:
    gating = jnp.swapaxes(gating, 1, 2)
  mlp['gate'], mlp['up'] = gating
  return {**layer, 'attn': attn, 'mlp': mlp}


def share(level: Level, config: presets.GemmaConfig) -> Level:
  """Makes a level of one row one that all rows share.

  Local layers keep only what the window of a later token can still see.
  """
  layers = []
  for (k, v), kind in zip(level.layers, config.attention_types, strict=True):
    window = config.sliding_window_size
    keep = k.shape[2]
    if kind == 'local' and window is not None:
      keep = max(1, min(keep, window - 1))
    layers.append((k[0, :, -keep:], v[0, :, -keep:]))
  return Level(layers=tuple(layers), positions=level.positions[0])
