"""The engine: a fixed number of slots decodes; a free one is refilled.

Keys and values are in three levels. The prefix is computed once and shared by
all slots. Each slot has a cache of its own: Q columns for its question, R for
its tokens, by age. The third is the block at hand: slots are refilled between
blocks of a fixed number of steps, so that in each step all slots write the
same column of the block, and at its end each slot's part is put into its own
cache. A token thus always finds its keys and values in the same columns, which
makes samples bit-identical whatever the slot and the moment; and the caches
are read-only while a block runs, which spares copying them.

All shapes are fixed, and there are three programs: prefix, refill, decode.
"""

import collections
from collections.abc import Iterator, Sequence
import dataclasses
import functools
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from wcse_jax.models import checkpoint, gemma, sharding
from wcse_jax.records import FinishReason, Sample
from wcse_jax.sampling import choosing, stopping

_REASONS: tuple[FinishReason, ...] = ('length', 'eos', 'stop', 'length')
_BLOCK_STEPS = 8  # between two refills
_REFILL_PROBLEMS = 16  # questions prefilled at a time
_REFILL_SLOTS = 32  # slots refilled at a time


class SamplingError(RuntimeError):
  """Sampling that cannot go on; names what to change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """One sample to draw.

  Attributes:
    problem_id: Of the problem.
    sample_index: Which of its samples.
    prompt: What follows the prefix.
    temperature: 0 is greedy.
  """

  problem_id: str
  sample_index: int
  prompt: str
  temperature: float


class _State(flax.struct.PyTreeNode):
  """The slots."""

  cache: gemma.Level  # [B, K, Q + R, H], positions [B, Q + R]
  token_B: jax.Array  # the token to process next
  position_B: jax.Array  # where it stands
  key_Bx2: jax.Array
  temperature_B: jax.Array
  automaton_B: jax.Array
  generated_B: jax.Array
  logprob_B: jax.Array
  reason_B: jax.Array  # 0 while active, else index into _REASONS
  tokens_BxR: jax.Array  # tokens sampled


@dataclasses.dataclass
class Counters:
  """What a run of the sampler did.

  Attributes:
    steps: Decode steps of all slots.
    prefill_tokens: Tokens of prefix and questions that were processed.
    samples: Samples finished.
    tokens: Tokens sampled for them.
  """

  steps: int = 0
  prefill_tokens: int = 0
  samples: int = 0
  tokens: int = 0


class Sampler:
  r"""Samples solutions to many problems behind one shared prefix.

  The tokens of a sample are a function of weights, prefix, prompt, settings,
  seed, generator, problem id and sample index; never of order, slot or
  neighbours, within one compiled program on one kind of device.

  Example:
    sampler = Sampler(model, prefix='', stop_strings=['\n\n'],
                      max_new_tokens=64, max_prompt_tokens=96)
    requests = [Request(problem_id='1', sample_index=i, temperature=0.7,
                        prompt='Problem: 2 + 3?\nSolution:')
                for i in range(10)]
    for sample in sampler.sample(requests, generator='wc'):
      print(sample.text)
  """

  def __init__(
    self,
    model: checkpoint.Model,
    *,
    prefix: str,
    stop_strings: Sequence[str],
    max_new_tokens: int,
    max_prompt_tokens: int,
    top_k: int | None = None,
    top_p: float | None = None,
    slots: int = 64,
    seed: int = 0,
    mesh: Mesh | None = None,
    dtype: str = 'float32',
  ):
    """Compiles nothing yet; the first `sample` does.

    Args:
      model: Its architecture and tokenizer count; its weights are a default.
      prefix: Few-shot text before every prompt; BOS goes before it.
      stop_strings: What ends a solution, besides EOS.
      max_new_tokens: Of a sample, the stopping token included.
      max_prompt_tokens: Of the longest prompt, the prefix not counted.
      top_k: As in `choosing.choose`.
      top_p: As in `choosing.choose`.
      slots: Samples that decode at a time.
      seed: Of the random numbers.
      mesh: Devices as (data, tensor); default: one device.
      dtype: Of weights and caches.

    Raises:
      ValueError: A stop string can never match.
    """
    self.model = model
    self.counters = Counters()
    self._stop_strings = tuple(stop_strings)
    self._seed = seed
    self._slots = slots
    self._own_columns = _BLOCK_STEPS * math.ceil(max_new_tokens / _BLOCK_STEPS)
    # Rounded up, so that similar tasks share compiled programs.
    self._max_prompt_tokens = max(16, 16 * math.ceil(max_prompt_tokens / 16))
    self._dtype = jnp.dtype(dtype)
    self._mesh = mesh or sharding.make_mesh(1, 1)
    self._prefix_tokens = [model.tokenizer.bos, *model.tokenizer.encode(prefix)]
    pieces = model.tokenizer.pieces()
    pieces = [*pieces, *[b''] * (model.config.num_embed - len(pieces))]
    table = stopping.stop_table(pieces, stop_strings)
    self._stop_table = self._put(table, (None, None))
    self._programs = _Programs(
      model=gemma.Gemma(model.config, self._dtype),
      prompt_columns=self._max_prompt_tokens,
      own_columns=self._own_columns,
      max_new_tokens=max_new_tokens,
      eos=model.tokenizer.eos,
      top_k=top_k,
      top_p=top_p,
    )

  def sample(
    self,
    requests: Sequence[Request],
    *,
    generator: str = '',
    params: Any = None,
  ) -> Iterator[Sample]:
    """Draws the samples asked for, in the order in which they finish.

    Requests of one problem should follow one another: its question is then
    prefilled once.

    Args:
      requests: What to draw.
      generator: Name of the pool, part of the random numbers' name.
      params: Weights instead of the model's own.

    Yields:
      One Sample per request.

    Raises:
      SamplingError: A prompt is too long, or the weights give no finite
        probabilities.
    """
    prompts = self._encode(requests)
    params = self._place(self.model.params if params is None else params)
    prefix = self._programs.prefix(
      params, jnp.asarray([self._prefix_tokens], jnp.int32)
    )
    self.counters.prefill_tokens += len(self._prefix_tokens)
    state = self._empty_state()
    queue = collections.deque(range(len(requests)))
    running: dict[int, int] = {}  # slot -> request
    finished: list[Sample] = []
    while queue or running:
      while queue and len(running) < self._slots:
        free = [s for s in range(self._slots) if s not in running]
        filled, batch = self._next_batch(
          queue, free, requests, prompts, generator
        )
        state = self._programs.refill(params, prefix, state, batch)
        running.update(filled)
      state = self._programs.decode(params, prefix, state, self._stop_table)
      yield from finished  # while the device decodes
      self.counters.steps += _BLOCK_STEPS
      reason, generated, logprob, tokens = jax.device_get(
        (state.reason_B, state.generated_B, state.logprob_B, state.tokens_BxR)
      )
      finished = []
      for slot in [s for s in running if reason[s]]:
        request = requests[running.pop(slot)]
        if not math.isfinite(logprob[slot]):
          raise SamplingError(
            f'{self.model.name} gave no finite probabilities on problem'
            f' {request.problem_id}: its weights are broken, or'
            ' sampling.dtype is too narrow for them'
          )
        finished.append(
          self._finish(
            generator,
            request,
            len(prompts[request.prompt]),
            tokens[slot, : generated[slot]].tolist(),
            _REASONS[reason[slot]],
            float(logprob[slot]),
          )
        )
    yield from finished

  def _finish(
    self, generator, request, num_prompt, tokens, reason, logprob
  ) -> Sample:
    self.counters.samples += 1
    self.counters.tokens += len(tokens)
    text = self.model.tokenizer.decode(
      tokens[:-1] if reason == 'eos' else tokens
    )
    return Sample(
      generator=generator,
      problem_id=request.problem_id,
      sample_index=request.sample_index,
      text=stopping.cut(text, self._stop_strings),
      num_tokens=len(tokens),
      num_prompt_tokens=len(self._prefix_tokens) + num_prompt,
      finish_reason=reason,
      logprob=logprob,
    )

  def _encode(self, requests) -> dict[str, list[int]]:
    prompts = {}
    for request in requests:
      if request.prompt not in prompts:
        tokens = self.model.tokenizer.encode(request.prompt)
        if not 1 <= len(tokens) <= self._max_prompt_tokens:
          raise SamplingError(
            f'the prompt of problem {request.problem_id} has {len(tokens)}'
            f' tokens; 1 to {self._max_prompt_tokens} fit: raise'
            ' max_prompt_tokens, or leave the problem out'
          )
        prompts[request.prompt] = tokens
    return prompts

  def _next_batch(self, queue, free, requests, prompts, generator):
    """Takes from the queue what one refill can place."""
    rows: dict[str, int] = {}
    filled: list[tuple[int, int]] = []
    while queue and len(filled) < min(len(free), _REFILL_SLOTS):
      prompt = requests[queue[0]].prompt
      if prompt not in rows and len(rows) == _REFILL_PROBLEMS:
        break
      rows.setdefault(prompt, len(rows))
      filled.append((free[len(filled)], queue.popleft()))
    question = np.zeros((_REFILL_PROBLEMS, self._max_prompt_tokens), np.int32)
    length = np.ones(_REFILL_PROBLEMS, np.int32)
    for prompt, row in rows.items():
      question[row, : len(prompts[prompt])] = prompts[prompt]
      length[row] = len(prompts[prompt])
      self.counters.prefill_tokens += len(prompts[prompt])
    slot = np.full(_REFILL_SLOTS, self._slots, np.int32)  # none
    row = np.zeros(_REFILL_SLOTS, np.int32)
    key = np.zeros((_REFILL_SLOTS, 2), np.uint32)
    temperature = np.zeros(_REFILL_SLOTS, np.float32)
    for i, (at, index) in enumerate(filled):
      request = requests[index]
      slot[i], row[i] = at, rows[request.prompt]
      temperature[i] = request.temperature
      key[i] = choosing.sample_key(
        self._seed, generator, request.problem_id, request.sample_index
      )
    return filled, (question, length, slot, row, key, temperature)

  def _put(self, array, axes):
    return jax.device_put(
      array, sharding.named(self._mesh, sharding.DECODE, array.shape, axes)
    )

  def _place(self, params):
    cast = jax.tree.map(lambda a: a.astype(self._dtype), params)
    return jax.device_put(
      cast,
      sharding.params_shardings(
        cast, self._mesh, sharding.DECODE, self.model.config
      ),
    )

  def _empty_state(self) -> _State:
    c = self.model.config
    b, columns = self._slots, self._max_prompt_tokens + self._own_columns
    shape = (b, c.num_kv_heads, columns, c.head_dim)
    axes = ('batch', 'kv_heads', None, None)
    empty = lambda: self._put(np.zeros(shape, self._dtype), axes)
    row = lambda dtype, *rest: self._put(
      np.zeros((b, *rest), dtype), ('batch', *(None for _ in rest))
    )
    return _State(
      cache=gemma.Level(
        layers=tuple((empty(), empty()) for _ in range(c.num_layers)),
        positions=self._put(np.full((b, columns), -1, np.int32),
                            ('batch', None)),
      ),
      token_B=row(np.int32),
      position_B=row(np.int32),
      key_Bx2=row(np.uint32, 2),
      temperature_B=row(np.float32),
      automaton_B=row(np.int32),
      generated_B=row(np.int32),
      logprob_B=row(np.float32),
      reason_B=self._put(np.full(b, 3, np.int32), ('batch',)),  # free
      tokens_BxR=row(np.int32, self._own_columns),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Programs:
  """The three compiled programs; equal settings share them."""

  model: gemma.Gemma
  prompt_columns: int
  own_columns: int
  max_new_tokens: int
  eos: int
  top_k: int | None
  top_p: float | None

  @functools.partial(jax.jit, static_argnums=0)
  def prefix(self, params, tokens_1xP) -> gemma.Level:
    """Computes the keys and values that all slots share."""
    _, level = gemma.forward(self.model, params, tokens_1xP)
    return gemma.share(level, self.model.config)

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=3)
  def refill(self, params, prefix, state: _State, batch) -> _State:
    """Computes questions and puts them into slots.

    The last token of a prompt is left to the first decode step.
    """
    question_PxQ, length_P, slot_M, row_M, key_Mx2, temperature_M = batch
    start = prefix.positions.shape[0]
    at_Q = jnp.arange(self.prompt_columns)
    positions_PxQ = jnp.where(at_Q < length_P[:, None] - 1, start + at_Q, -1)
    _, level = gemma.forward(
      self.model, params, question_PxQ, positions_PxQ, levels=[prefix]
    )

    def put(whole, part_M):  # slots out of range are dropped
      return whole.at[slot_M].set(part_M, mode='drop')

    def put_question(whole_BxKxSxH, part_PxKxQxH):
      return whole_BxKxSxH.at[slot_M, :, : self.prompt_columns].set(
        part_PxKxQxH[row_M], mode='drop'
      )

    layers = tuple(
      (put_question(k, new_k), put_question(v, new_v))
      for (k, v), (new_k, new_v) in zip(
        state.cache.layers, level.layers, strict=True
      )
    )
    own_positions = jnp.pad(
      positions_PxQ, ((0, 0), (0, self.own_columns)), constant_values=-1
    )
    length_M = length_P[row_M]
    zero = jnp.zeros_like(slot_M)
    return state.replace(
      cache=gemma.Level(
        layers=layers,
        positions=put(state.cache.positions, own_positions[row_M]),
      ),
      token_B=put(state.token_B, question_PxQ[row_M, length_M - 1]),
      position_B=put(state.position_B, start + length_M - 1),
      key_Bx2=put(state.key_Bx2, key_Mx2),
      temperature_B=put(state.temperature_B, temperature_M),
      automaton_B=put(state.automaton_B, zero),
      generated_B=put(state.generated_B, zero),
      logprob_B=put(state.logprob_B, jnp.zeros(slot_M.shape)),
      reason_B=put(state.reason_B, zero),
    )

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=3)
  def decode(self, params, prefix, state: _State, stop_table) -> _State:
    """Decodes a block of steps and puts what it wrote into the slots."""
    own, before_B = state.cache, state.generated_B
    block = jax.tree.map(
      lambda a: jnp.zeros((*a.shape[:2], _BLOCK_STEPS, *a.shape[3:]), a.dtype),
      own.layers,
    )
    rows = (before_B.shape[0], _BLOCK_STEPS)
    block = gemma.Level(layers=block, positions=jnp.full(rows, -1, jnp.int32))

    def step(i, carry):
      state, block, tokens_BxI = carry
      active_B = state.reason_B == 0
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
      )
      generated_B = state.generated_B + active_B
      automaton_B = stop_table[state.automaton_B, token_B]
      reason_B = jnp.select(
        [
          ~active_B,
          token_B == self.eos,
          automaton_B == stop_table.shape[0] - 1,
          generated_B == self.max_new_tokens,
        ],
        [state.reason_B, 1, 2, 3],
        0,
      )
      state = state.replace(
        token_B=token_B,
        position_B=state.position_B + active_B,
        automaton_B=automaton_B,
        generated_B=generated_B,
        logprob_B=state.logprob_B + jnp.where(active_B, logprob_B, 0),
        reason_B=reason_B.astype(jnp.int32),
      )
      return state, block, tokens_BxI.at[:, i].set(token_B)

    # The own cache is not carried: it is read-only until the block is done.
    small = state.replace(cache=None, tokens_BxR=None)
    carry = (small, block, jnp.zeros(rows, jnp.int32))
    small, block, tokens_BxI = jax.lax.fori_loop(0, _BLOCK_STEPS, step, carry)

    def put(whole_Bx, part_Bx, start_B, axis):
      # Slots that were free write where nothing is read.
      update = functools.partial(
        jax.lax.dynamic_update_slice_in_dim, axis=axis - 1
      )
      return jax.vmap(update)(whole_Bx, part_Bx, start_B)

    start_B = self.prompt_columns + before_B
    layers = jax.tree.map(
      lambda whole, part: put(whole, part, start_B, 2), own.layers, block.layers
    )
    return small.replace(
      cache=gemma.Level(
        layers=layers,
        positions=put(own.positions, block.positions, start_B, 1),
      ),
      tokens_BxR=put(state.tokens_BxR, tokens_BxI, before_B, 1),
    )
