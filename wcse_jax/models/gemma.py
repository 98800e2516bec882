"""Gemma 1 to 4 in Flax: one definition for training and for decoding.

The parameter tree is that of `gemma.gm.nn.Transformer`, so official weights
load as they are, and the logits are the same. What differs is where keys and
values come from: attention reads any number of *levels* (a prefix shared by
all rows, each row's own cache, the tokens at hand) and takes one softmax over
them. Training has no level but the tokens at hand; prefill adds the shared
prefix; decoding writes its token into the rows' cache and reads that.
"""

from collections.abc import Sequence
import functools
import math
from typing import Any, cast

from flax import linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from wcse_jax.models import experts, layers, presets
from wcse_jax.models.attention import Attention, Level

# What of a layer is kept for its gradient; the rest is computed again.
REMAT: dict[str, Any] = {
  'none': None,  # all is kept
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
  'full': jax.checkpoint_policies.nothing_saveable,  # but the layer's input
}


class FeedForward(nn.Module):
  """The gated feed-forward layer, GELU(x W_0) * (x W_1) W_2."""

  layer: presets.Layer
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD):
    c, hidden_dim = self.layer.config, self.layer.hidden_dim
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
        layers.product(
          'BTD,DF->BTF', x, self.param(name, init, (c.embed_dim, hidden_dim))
        )
        for name in ('gate', 'up')
      )
    else:
      if c.transpose_gating_einsum:
        shape, weight = (2, hidden_dim, c.embed_dim), 'FD'
      else:
        shape, weight = (2, c.embed_dim, hidden_dim), 'DF'
      gating = self.param('gating_einsum', init, shape)
      equation = f'{rows}D,C{weight}->{rows}CF'
      if plain:
        halves = [
          layers.product(f'TD,{weight}->TF', x, half) for half in gating
        ]
        both = jnp.stack(halves, axis=-2)
      else:
        both = layers.product(equation, x, gating)
      both = layers.adapt(self, 'gating_einsum', equation, x, both)
      gate, up = both[..., 0, :], both[..., 1, :]
    linear = self.param('linear', init, (hidden_dim, c.embed_dim))
    hidden = layers.laid(nn.gelu(gate) * up, self.mesh, 'batch', None, 'mlp')
    equation = f'{rows}F,FD->{rows}D'
    y = layers.product(equation, hidden, linear)
    y = layers.adapt(self, 'linear', equation, hidden, y)
    return y.reshape(x_BxTxD.shape)


class Block(nn.Module):
  """Attention and feed-forward, each with its norms and residual."""

  layer: presets.Layer
  merged: bool = False
  mesh: Mesh | None = None

  @nn.compact
  def __call__(self, x_BxTxD, looked_up_BxTxP, *args):
    c, norm = (
      self.layer.config,
      functools.partial(layers.norm_of, self.layer.config),
    )
    attention = Attention(self.layer, self.merged, self.mesh, name='attn')
    y, kv = attention(norm('pre_attention_norm')(x_BxTxD), *args)
    if c.use_post_attn_norm:
      y = norm('post_attention_norm')(y)
    x_BxTxD = layers.laid(x_BxTxD + y, self.mesh, 'batch', None, None)
    y = norm('pre_ffw_norm')(x_BxTxD)
    if c.mixes:
      mixture = experts.Experts(c, self.mesh, name='mlp')
      y = norm('post_ffw1_norm')(mixture(y, x_BxTxD))
      beside = FeedForward(self.layer, self.merged, self.mesh, name='mlp2')
      dense = beside(norm('pre_ffw2_norm')(x_BxTxD))
      y += norm('post_ffw2_norm')(dense)
    else:
      y = FeedForward(self.layer, self.merged, self.mesh, name='mlp')(y)
    if c.use_post_ffw_norm:
      y = norm('post_ffw_norm')(y)
    x_BxTxD = x_BxTxD + y
    if c.looks_up:
      d, p = c.embed_dim, c.per_layer_input_dim
      gate = layers.Einsum((d, p), name='per_layer_input_gate')
      y = nn.gelu(gate('BTD,DP->BTP', x_BxTxD)) * looked_up_BxTxP
      y = layers.Einsum((p, d), name='per_layer_projection')('BTP,PD->BTD', y)
      x_BxTxD += norm('post_per_layer_input_norm')(y)
    if c.gemma4:
      scale = self.param('skip_scale', nn.initializers.ones, (1,))
      x_BxTxD *= scale.astype(x_BxTxD.dtype)
    return layers.laid(x_BxTxD, self.mesh, 'batch', None, None), kv


class Embedder(nn.Module):
  """The token embedding, tied to the output; and what layers look up."""

  config: presets.GemmaConfig

  def setup(self):
    c = self.config
    init = nn.initializers.normal()
    shape = (c.num_embed, c.embed_dim)
    self.table_VxD = self.param('input_embedding', init, shape)
    if c.looks_up:
      inner = (c.num_layers, c.per_layer_input_dim)
      self.table_VxLxP = self.param(
        'per_layer_embeddings', init, (c.num_embed, *inner)
      )
      self.per_layer_model_projection = layers.Einsum((c.embed_dim, *inner))
      self.per_layer_projection_norm = layers.norm_of(c)

  def encode(self, tokens_BxT, dtype):
    x = self.table_VxD[tokens_BxT].astype(dtype)
    return x * jnp.sqrt(self.config.embed_dim).astype(dtype)

  def look_up(self, tokens_BxT, x_BxTxD):
    """Returns what each layer gets of the tokens besides, [B, T, L, P]."""
    c, dtype = self.config, x_BxTxD.dtype
    x = self.per_layer_model_projection('BTD,DLP->BTLP', x_BxTxD)
    x = self.per_layer_projection_norm(x * c.embed_dim**-0.5)
    y = self.table_VxLxP[tokens_BxT].astype(dtype)
    y = y * jnp.sqrt(c.per_layer_input_dim).astype(dtype)
    return (x + y) * 2**-0.5

  def decode(self, x):
    logits = layers.scores(x, self.table_VxD)
    cap = self.config.final_logit_softcap
    return logits if cap is None else jnp.tanh(logits / cap) * cap


class Gemma(nn.Module):
  """A Gemma text model.

  Attributes:
    config: The architecture.
    dtype: Type of the activations; logits and softmax are float32.
    merged: Whether the layers are laid out as `merge_layer` does.
    remat: Name in `REMAT` of what is kept of a layer when training.
    mesh: Devices to lay activations over, when training on several.
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
      block(layer, self.merged, self.mesh, name=f'layer_{layer.index}')
      for layer in self.config.layers
    ]
    self.final_norm = layers.norm_of(self.config)

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

    def mask(positions, num_columns, window):
      # A local layer may have kept only the last columns of a level.
      seen = jnp.atleast_2d(positions)[:, None, -num_columns:]
      at = positions_BxT[:, :, None]
      mask_BxTxS = (seen >= 0) & (seen <= at)
      if window is not None:
        mask_BxTxS &= seen > at - window
      return mask_BxTxS

    own_masks = {
      window: mask(own_positions, own_positions.shape[-1], window)
      for window in dict.fromkeys(layer.window for layer in self.config.layers)
    }
    if segments_BxT is not None:
      same = segments_BxT[:, :, None] == segments_BxT[:, None, :]
      own_masks = {name: m & same for name, m in own_masks.items()}

    x_BxTxD = self.embedder.encode(tokens_BxT, self.dtype)
    x_BxTxD = layers.laid(x_BxTxD, self.mesh, 'batch', None, None)
    looked_up = [None] * self.config.num_layers
    if self.config.looks_up:
      looked_up_BxTxLxP = self.embedder.look_up(tokens_BxT, x_BxTxD)
      looked_up = jnp.moveaxis(looked_up_BxTxLxP, 2, 0)
    written = []
    for layer, block in zip(self.config.layers, self.blocks, strict=True):
      source = layer.source
      i = layer.index if source is None else source
      read = []
      for level in levels:
        k, v = level.layers[i]
        read.append((k, v, mask(level.positions, k.shape[-2], layer.window)))
      x_BxTxD, keys_values = block(
        x_BxTxD,
        looked_up[layer.index],
        positions_BxT,
        read,
        own_masks[layer.window],
        None if cache is None else cache.layers[i],
        column,
        () if source is None else written[source],
      )
      if source is None:
        written.append(keys_values)
    hidden_BxTxD = self.final_norm(x_BxTxD)
    return hidden_BxTxD, Level(layers=tuple(written), positions=own_positions)

  def logits(self, hidden: jax.Array) -> jax.Array:
    """Returns the logits [..., V] of hidden states [..., D]."""
    return self.embedder.decode(hidden)


def forward(
  model: Gemma, params: Any, *args, adapters: Any = None, **kwargs
) -> tuple[jax.Array, Level]:
  """Runs a model on parameters up to its last norm.

  Args:
    model: The model.
    params: Its parameters.
    *args: Tokens and what else `Gemma.__call__` takes.
    adapters: Adapters beside the parameters (`lora`), scaled.
    **kwargs: As for `Gemma.__call__`.

  Returns:
    Hidden states [B, T, D]; keys and values of the tokens.

  Example:
    >>> from wcse_jax import testing
    >>> tiny = testing.tiny_model()
    >>> tokens = jnp.array([[2, 101, 102]])
    >>> hidden, level = forward(Gemma(tiny.config), tiny.params, tokens)
    >>> hidden.shape, level.positions.tolist()
    ((1, 3, 32), [[0, 1, 2]])
    >>> shorter, _ = forward(Gemma(tiny.config), tiny.params, tokens[:, :2])
    >>> bool(jnp.allclose(hidden[:, :2], shorter, atol=1e-5))  # it is causal
    True
  """
  variables = {'params': params, 'adapters': adapters or {}}
  return cast(Any, model.apply(variables, *args, **kwargs))


def logits(model: Gemma, params: Any, hidden: jax.Array) -> jax.Array:
  """Returns the logits of hidden states that `forward` gave.

  Args:
    model: The model.
    params: Its parameters.
    hidden: Hidden states [..., D].

  Returns:
    Logits [..., V] in float32.

  Example:
    >>> from wcse_jax import testing
    >>> tiny = testing.tiny_model(final_logit_softcap=2.0)
    >>> found = logits(Gemma(tiny.config), tiny.params, 99 * jnp.ones((1, 32)))
    >>> found.shape, bool(jnp.abs(found).max() <= 2)
    ((1, 260), True)
  """
  applied = model.apply({'params': params}, hidden, method='logits')
  return cast(jax.Array, applied)


def merge_layer(layer: Any, config: presets.GemmaConfig) -> Any:
  """Lays a layer out for decoding, where no weight is transposed first.

  Queries, keys and values come out of one product, `attn/qkv/w` of shape
  (K * (N/K + 2) * H, D): of each kv head its query heads, its key and its
  value, if they are projected. `gate` and `up` of the feed-forward layer have
  the shape (D, F). Experts stay as they are.

  Args:
    layer: The parameters of a layer.
    config: The architecture.

  Example:
    >>> from wcse_jax import testing
    >>> tiny = testing.tiny_model()
    >>> merged = merge_layer(tiny.params['layer_0'], tiny.config)
    >>> merged['attn']['qkv']['w'].shape  # 2 kv heads * (2 + 2) * 16
    (128, 32)
    >>> gate, _ = tiny.params['layer_0']['mlp']['gating_einsum']
    >>> bool((merged['mlp']['gate'] == gate).all())
    True
  """
  attn = dict(layer['attn'])
  if 'qkv_einsum' in attn:
    q, *kv = attn.pop('qkv_einsum')['w']
  else:
    q, kv = attn.pop('q_einsum')['w'], []
    if 'kv_einsum' in attn:
      kv = [*attn.pop('kv_einsum')['w']]
    elif 'k_einsum' in attn:
      kv = [attn.pop('k_einsum')['w']]
  # Queries alone are in their order, whatever the heads that they read.
  k = len(kv[0]) if kv else 1
  q_DxKxGxH = q.reshape(k, -1, *q.shape[1:]).transpose(2, 0, 1, 3)
  parts = [q_DxKxGxH, *(jnp.moveaxis(w, 1, 0)[:, :, None] for w in kv)]
  both = jnp.concatenate(parts, axis=2)
  attn['qkv'] = {'w': both.reshape(both.shape[0], -1).T}
  name = 'mlp2' if config.mixes else 'mlp'
  mlp = dict(layer[name])
  gating = mlp.pop('gating_einsum')
  if config.transpose_gating_einsum:
    gating = jnp.swapaxes(gating, 1, 2)
  mlp['gate'], mlp['up'] = gating
  return {**layer, 'attn': attn, name: mlp}


def init(config: presets.GemmaConfig, seed: int) -> Any:
  """Draws parameters to pretrain from: normal, by the fan-in.

  Args:
    config: The architecture.
    seed: The seed of the random numbers.

  Example:
    >>> from wcse_jax import testing
    >>> layer = init(testing.TINY, seed=0)['layer_0']
    >>> float(layer['pre_ffw_norm']['scale'].max())
    0.0
    >>> bool(0.9 < layer['mlp']['linear'].std() * 48**0.5 < 1.1)  # fan-in 48
    True
  """
  shapes = config.param_shapes()
  flat = {}
  keys = jax.random.split(jax.random.key(seed), len(shapes))
  for key, (path, shape) in zip(keys, shapes.items(), strict=True):
    if path.endswith('scale'):
      flat[path] = jnp.full(shape, config.gemma4, jnp.float32)
      continue
    fan_in = config.embed_dim
    if path.endswith(('attn_vec_einsum/w', 'linear')):
      fan_in = math.prod(shape[:-1])  # all but the width of the model
    elif path.endswith(('linear/w', 'per_layer_projection/w')):
      fan_in = shape[-2]  # of one expert
    flat[path] = jax.random.normal(key, shape) * fan_in**-0.5
  return flax.traverse_util.unflatten_dict(flat, sep='/')
