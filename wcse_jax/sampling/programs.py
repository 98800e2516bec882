"""What runs on the device: a few programs of fixed shapes.

Keys and values are in three levels. The prefix is computed once and shared by
all slots. Each slot has a cache of its own: Q columns for its question, R for
its tokens, by age. The third is the block at hand: slots are refilled between
blocks of a fixed number of steps, so that in each step all slots write the
same column of the block, and at its end each slot's part is put into its own
cache. A token thus always finds its keys and values in the same columns, which
makes samples bit-identical whatever the slot and the moment; and the caches
are read-only while a block runs, which spares copying them.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from wcse_jax.models import gemma, int8, presets, sharding
from wcse_jax.models.attention import Level, kept, share
from wcse_jax.sampling import choosing, shapes
from wcse_jax.sampling.slots import (
  ACTIVE,
  EOS,
  FREE,
  LENGTH,
  STOP,
  Refill,
  State,
)

QUESTIONS = 8  # computed at a time, always: their bits depend on it


@dataclasses.dataclass(frozen=True)
class Programs:
  """The compiled programs; equal settings share them.

  Attributes:
    config: The architecture.
    dtype: Type of weights, activations and caches.
    int8: Whether weights, and caches but the block at hand, are in eight bits.
    mesh: Devices as (data, tensor).
    slots: B, the number of slots.
    prompt_columns: Q, the columns for a question.
    max_new_tokens: Most tokens of a sample, the stopping token included.
    eos: Id of the token that ends a solution.
    top_k: Number of candidates, as in `choosing.choose`.
    top_p: Probability of the candidates, as in `choosing.choose`.
    num_pieces: Number of ids that may be chosen, as in `choosing.choose`.
    ends: Ids of other tokens that end a solution.
  """

  config: presets.GemmaConfig
  dtype: jnp.dtype
  mesh: Mesh
  slots: int
  prompt_columns: int
  max_new_tokens: int
  eos: int
  top_k: int | None
  top_p: float | None
  num_pieces: int | None = None
  ends: tuple[int, ...] = ()
  int8: bool = False

  @property
  def model(self) -> gemma.Gemma:
    mesh = self.mesh if self.config.mixes and self.mesh.size > 1 else None
    return gemma.Gemma(self.config, self.dtype, self.merged, mesh=mesh)

  @property
  def own_columns(self) -> int:
    """R, the columns for the tokens of a sample, in whole blocks."""
    return shapes.whole_blocks(self.max_new_tokens)

  @property
  def merged(self) -> bool:
    """Whether layers are laid out as `gemma.merge_layer` does.

    Merged, the query heads go with their kv head, which the tensor axis has to
    divide; kv heads that it does not divide are replicated.
    """
    return self.config.kv_divisor % self.mesh.shape['tensor'] == 0

  def layout(self, params) -> Any:
    """Lays the weights out for decoding, in `dtype`, over the mesh.

    A layer at a time: the devices hold one layer twice, never all of them.
    """
    layers = {k: v for k, v in params.items() if k.startswith('layer_')}
    rest = {k: v for k, v in params.items() if k not in layers}
    rest = self._stored(jax.tree.map(lambda a: a.astype(self.dtype), rest))
    where = jax.tree.map(lambda s: s.sharding, self._where(rest))
    rest = jax.device_put(rest, where)
    return rest | {name: self._layer(layer) for name, layer in layers.items()}

  @functools.partial(jax.jit, static_argnums=0)
  def _layer(self, layer) -> Any:
    layer = jax.tree.map(lambda a: a.astype(self.dtype), layer)
    if self.merged:
      layer = gemma.merge_layer(layer, self.config)
    layer = self._stored(layer)
    return sharding.lay(layer, self._where(layer))

  def _stored(self, params) -> Any:
    """Rounds weights to eight bits, if they are to be in `int8`."""
    return int8.stored(params) if self.int8 else params

  def _where(self, params) -> Any:
    return sharding.laid_out(params, self.mesh, sharding.DECODE, self.config)

  @functools.partial(jax.jit, static_argnums=0)
  def empty(self) -> State:
    """Makes the slots, all of them free."""
    state = _zeros(self.state_shapes())
    return self._laid_out(state.replace(reason_B=state.reason_B + FREE))

  @functools.partial(jax.jit, static_argnums=0)
  def prefix(self, params, tokens_1xP, padding) -> Level:
    """Computes the keys and values that all slots share.

    Args:
      params: The weights, as `layout` lays them out.
      tokens_1xP: BOS and the few-shot prefix, behind padding.
      padding: Number of tokens at the beginning that are none.
    """
    at_P = jnp.arange(tokens_1xP.shape[1])
    positions_1xP = jnp.maximum(at_P - padding, -1)[None]
    _, level = gemma.forward(self.model, params, tokens_1xP, positions_1xP)
    return self._kept(share(level, self.config))

  @functools.partial(jax.jit, static_argnums=0)
  def question(self, params, prefix, tokens_PxQ, length_P) -> Level:
    """Computes questions behind the prefix, their last token left out.

    Args:
      params: The weights, as `layout` lays them out.
      prefix: What `prefix` returned.
      tokens_PxQ: Questions, in `shapes.question_columns`; each is a program.
      length_P: Number of tokens of each.
    """
    start = jnp.max(prefix.positions) + 1
    at_Q = jnp.arange(tokens_PxQ.shape[1])
    positions_PxQ = jnp.where(at_Q < length_P[:, None] - 1, start + at_Q, -1)
    _, level = gemma.forward(
      self.model, params, tokens_PxQ, positions_PxQ, levels=[prefix]
    )
    return self._kept(level)

  def _kept(self, level: Level) -> Level:
    """Rounds keys and values, as `_stored` does weights."""
    return kept(level) if self.int8 else level

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
  def refill(self, state: State, level: Level, refill: Refill) -> State:
    """Puts questions into slots; those out of range are dropped."""
    put = lambda whole, part_M: whole.at[refill.slot_M].set(part_M, mode='drop')

    def put_question(whole_BxKxSxH, part_PxKxQxH):
      return whole_BxKxSxH.at[refill.slot_M, :, :columns].set(
        part_PxKxQxH[refill.row_M], mode='drop'
      )

    columns = level.positions.shape[1]
    empty = self.prompt_columns + self.own_columns - columns
    own_positions = jnp.pad(
      level.positions, ((0, 0), (0, empty)), constant_values=-1
    )
    zero = jnp.zeros_like(refill.slot_M)
    state = state.replace(
      cache=Level(
        layers=jax.tree.map(put_question, state.cache.layers, level.layers),
        positions=put(state.cache.positions, own_positions[refill.row_M]),
      ),
      token_B=put(state.token_B, refill.token_M),
      position_B=put(state.position_B, refill.position_M),
      key_Bx2=put(state.key_Bx2, refill.key_Mx2),
      temperature_B=put(state.temperature_B, refill.temperature_M),
      automaton_B=put(state.automaton_B, zero),
      generated_B=put(state.generated_B, zero),
      logprob_B=put(state.logprob_B, zero.astype(jnp.float32)),
      reason_B=put(state.reason_B, zero),
    )
    return self._laid_out(state)

  @functools.partial(jax.jit, static_argnums=0)
  def take(self, state: State, slots_B) -> State:
    """Returns the state of fewer slots, of a state of more."""
    return self._laid_out(jax.tree.map(lambda whole: whole[slots_B], state))

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=4)
  def decode(
    self, params, prefix, stop_table, state: State
  ) -> tuple[State, jax.Array]:
    """Decodes a block of steps, fewer if no slot is active any more.

    Returns:
      The state, with what the block wrote put into the slots; and steps done.
    """
    own, before_B = state.cache, state.generated_B
    rows = (before_B.shape[0], shapes.BLOCK_STEPS)
    of_floats = dataclasses.replace(self, int8=False)
    block = _zeros(of_floats.level_shapes(*rows))
    block = block.replace(positions=jnp.full(rows, -1, jnp.int32))

    def goes_on(carry):
      i, state, _, _ = carry
      return (i < shapes.BLOCK_STEPS) & jnp.any(state.reason_B == ACTIVE)

    def step(carry):
      i, state, block, tokens_BxI = carry
      active_B = state.reason_B == ACTIVE
      positions = block.positions.at[:, i].set(
        jnp.where(active_B, state.position_B, -1)
      )
      hidden, block = gemma.forward(
        self.model,
        params,
        state.token_B[:, None],
        state.position_B[:, None],
        levels=[prefix, own],
        cache=block.replace(positions=positions),
        column=i,
      )
      logits = gemma.logits(self.model, params, hidden[:, 0])
      token_B, logprob_B = choosing.choose(
        logits,
        choosing.uniform(state.key_Bx2, state.generated_B),
        state.temperature_B,
        top_k=self.top_k,
        top_p=self.top_p,
        num_pieces=self.num_pieces,
      )
      generated_B = state.generated_B + active_B
      automaton_B = stop_table[state.automaton_B, token_B]
      ended = [token_B == token for token in (self.eos, *self.ends)]
      reason_B = jnp.select(
        [
          ~active_B,
          functools.reduce(jnp.logical_or, ended),
          automaton_B == stop_table.shape[0] - 1,
          generated_B == self.max_new_tokens,
        ],
        [state.reason_B, EOS, STOP, LENGTH],
        ACTIVE,
      )
      state = state.replace(
        token_B=token_B,
        position_B=state.position_B + active_B,
        automaton_B=automaton_B,
        generated_B=generated_B,
        logprob_B=state.logprob_B + jnp.where(active_B, logprob_B, 0),
        reason_B=reason_B.astype(jnp.int32),
      )
      return i + 1, state, block, tokens_BxI.at[:, i].set(token_B)

    # The own cache is not carried: it is read-only until the block is done.
    small = state.replace(cache=None, tokens_BxR=None)
    carry = (jnp.int32(0), small, block, jnp.zeros(rows, jnp.int32))
    steps, small, block, tokens_BxI = jax.lax.while_loop(goes_on, step, carry)

    wholes, parts = (own, state.tokens_BxR), (self._kept(block), tokens_BxI)
    starts = self.prompt_columns + before_B, before_B
    cache, tokens_BxR = self._put_block(wholes, parts, starts)
    state = small.replace(cache=cache, tokens_BxR=tokens_BxR)
    return self._laid_out(state), steps

  def _put_block(self, wholes, parts, starts):
    """Puts what a block wrote where each slot's tokens end.

    Slots that were free write where nothing is read. It is a loop over slots,
    on each device over its own: a scatter would copy the caches.
    """

    def put_slots(wholes, parts, starts):
      def put_slot(b, wholes):
        def put(start_B):
          def put_one(whole, part):
            at = [b] + [0] * (whole.ndim - 1)
            at[2 if whole.ndim > 2 else 1] = start_B[b]  # behind kv heads
            piece = jax.lax.dynamic_slice_in_dim(part, b, 1, axis=0)
            return jax.lax.dynamic_update_slice(whole, piece, at)

          return put_one

        return tuple(
          jax.tree.map(put(start_B), whole, part)
          for whole, part, start_B in zip(wholes, parts, starts, strict=True)
        )

      return jax.lax.fori_loop(0, starts[0].shape[0], put_slot, wholes)

    like = self.state_shapes()
    spec: Any = lambda s: s.sharding.spec
    specs = jax.tree.map(spec, (like.cache, like.tokens_BxR))
    spec_B = spec(like.token_B)
    return jax.shard_map(
      put_slots,
      mesh=self.mesh,
      in_specs=(specs, specs, (spec_B, spec_B)),
      out_specs=specs,
      check_vma=False,
    )(wholes, parts, starts)

  def _laid_out(self, state: State) -> State:
    return sharding.lay(state, self.state_shapes())

  def struct(self, dtype, axes, *shape) -> Any:
    """Returns an array's shape, laid over the mesh by its logical axes."""
    return sharding.struct(self.mesh, sharding.DECODE, dtype, axes, *shape)

  def level_shapes(self, rows: int, columns: int) -> Level:
    """Returns shapes, dtypes and shardings of the rows' own level."""
    of: Any = functools.partial(self.struct, self.dtype)
    if self.int8:
      of = functools.partial(int8.rows_shapes, self.struct)
    axes = ('batch', 'kv_heads', None, None)
    shape = lambda k: (rows, k.num_kv_heads, columns, k.head_dim)
    both = lambda k: (of(axes, *shape(k)),) * 2
    return Level(
      layers=tuple(map(both, self.config.kv_layers)),
      positions=self.struct(np.int32, ('batch', None), rows, columns),
    )

  def state_shapes(self) -> State:
    """Returns shapes, dtypes and shardings of the slots."""
    row = lambda dtype, *rest: self.struct(
      dtype, ('batch', *(None for _ in rest)), self.slots, *rest
    )
    return State(
      cache=self.level_shapes(
        self.slots, self.prompt_columns + self.own_columns
      ),
      token_B=row(np.int32),
      position_B=row(np.int32),
      key_Bx2=row(np.uint32, 2),
      temperature_B=row(np.float32),
      automaton_B=row(np.int32),
      generated_B=row(np.int32),
      logprob_B=row(np.float32),
      reason_B=row(np.int32),
      tokens_BxR=row(np.int32, self.own_columns),
    )


def _zeros(like: Any) -> Any:
  return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), like)
