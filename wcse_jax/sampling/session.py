"""One call of the sampler: slots are kept filled while the device goes on."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import math
import time
from typing import Any

import jax
import numpy as np

from wcse_jax import records
from wcse_jax.errors import Error
from wcse_jax.models.encoding import Encoding
from wcse_jax.records import FinishReason, Sample
from wcse_jax.sampling import choosing, programs, schedule, shapes
from wcse_jax.sampling.schedule import Ledger, Request
from wcse_jax.sampling.slots import (
  ACTIVE,
  EOS,
  LENGTH,
  REFILLS,
  STOP,
  Refill,
  State,
)

_REASONS: dict[int, FinishReason] = {
  EOS: 'eos',
  STOP: 'stop',
  LENGTH: 'length',
}


class SamplingError(Error):
  """Sampling that cannot go on; names what to change."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Shared:
  """What all sessions of a sampler have in common.

  Attributes:
    model_name: The model's name, for messages.
    encoding: How the model's tokenizer encodes prompts.
    prefix_tokens: BOS and the few-shot prefix.
    stop_strings: What ends a solution, besides EOS.
    stop_table: Their automaton, on the devices (`stopping.stop_table`).
    seed: The seed of the random numbers.
    exact: Whether all slots decode until the last sample ends.
    ledger: What was spent so far; sessions add to it.
    free: Slots that the last session left free, by their programs.
  """

  model_name: str
  encoding: Encoding
  prefix_tokens: list[int]
  stop_strings: tuple[str, ...]
  stop_table: jax.Array
  seed: int
  exact: bool = True
  ledger: Ledger = dataclasses.field(default_factory=Ledger)
  free: dict[programs.Programs, State] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(eq=False)
class Session:
  """One call of `Sampler.stream`.

  Attributes:
    shared: What it has in common with other sessions of the sampler.
    run: The compiled programs, of fewer slots at the end if not `exact`.
    requests: What to draw.
    prefix: BOS, the few-shot prefix, and what all its prompts begin with, if
      that is computed once.
    prompts: Token ids of each request's prompt, behind that.
    generator: Name of the pool, part of the random numbers' name.
    running: The request that each busy slot is at, by its index.
    clock: Up to when the ledger has accounted for time.
  """

  shared: Shared
  run: programs.Programs
  requests: Sequence[Request]
  prefix: list[int]
  prompts: Mapping[str, list[int]]
  generator: str
  running: dict[int, int] = dataclasses.field(default_factory=dict)
  clock: float = dataclasses.field(default_factory=time.monotonic)

  def draw(self, order: Sequence[Sequence[int]], params) -> Iterator[Sample]:
    """Draws requests, and yields their samples as they finish.

    Args:
      order: Indices of requests, those of one prompt together.
      params: The model's weights, as `Programs.layout` lays them out.

    Yields:
      One sample per request.

    Raises:
      SamplingError: The weights give no finite probabilities.
    """
    shared, run, running = self.shared, self.run, self.running
    all_slots = run.slots
    padding = shapes.whole_tiles(len(self.prefix)) - len(self.prefix)
    prefix = run.prefix(
      params,
      np.array([[0] * padding + self.prefix], np.int32),
      np.int32(padding),
    )
    state = shared.free.pop(run, None) or run.empty()
    shared.ledger.prefill_tokens += len(self.prefix)
    shared.ledger.prefill_padding += padding
    queue = collections.deque(index for group in order for index in group)
    uncomputed = self._by_columns(order)
    rows: dict[str, tuple[Any, int]] = {}  # where prompts are, on the device
    generated = np.zeros(run.slots, np.int64)  # before the block
    finished: list[Sample] = []
    while queue or running:
      while queue and len(running) < run.slots:
        if self.requests[queue[0]].prompt not in rows:
          tokens, length, batch = self._questions(queue[0], uncomputed)
          questions = run.question(params, prefix, tokens, length)
          rows |= {prompt: (questions, i) for i, prompt in enumerate(batch)}
        questions, refill, slots = self._refill(queue, rows)
        state = run.refill(state, questions, refill)
        generated[slots] = 0
      waiting = bool(queue)
      if not waiting and not shared.exact:
        data = run.mesh.shape['data']
        fewer = schedule.enough_slots(all_slots, len(running), data)
        if fewer < run.slots:
          state, taken = self._compact(state, fewer)
          run, running, generated = self.run, self.running, generated[taken]
      state, steps = run.decode(params, prefix, shared.stop_table, state)
      yield from finished  # while the device decodes
      small = state.reason_B, state.generated_B, state.logprob_B
      (reason, count, logprob), tokens, steps = jax.device_get(
        (small, state.tokens_BxR, steps)
      )
      slots = list(running)
      self._broken(slots, logprob)
      decoded = int((count - generated)[slots].sum())
      generated = count.astype(np.int64)
      self._account(int(steps), decoded, waiting)
      finished = [
        self._finish(
          running.pop(slot),
          tokens[slot, : count[slot]].tolist(),
          _REASONS[reason[slot]],
          float(logprob[slot]),
        )
        for slot in slots
        if reason[slot] != ACTIVE
      ]
    shared.free.clear()
    if run.slots == all_slots:
      shared.free[run] = state  # all free, to be used again
    yield from finished

  def _compact(self, state: State, slots: int) -> tuple[State, Sequence[int]]:
    """Goes on with fewer slots; returns them, and which ones they were."""
    free = (slot for slot in range(self.run.slots) if slot not in self.running)
    taken = [*self.running, *free][:slots]
    self.running = dict(enumerate(self.running.values()))
    self.run = dataclasses.replace(self.run, slots=slots)
    return self.run.take(state, np.array(taken, np.int32)), taken

  def _account(self, steps: int, decoded: int, waiting: bool) -> None:
    ledger, now = self.shared.ledger, time.monotonic()
    idle = steps * self.run.slots - decoded
    ledger.steps += steps
    ledger.tokens += decoded
    if waiting:
      ledger.waiting_tokens += decoded
      ledger.refill_idle += idle
    else:
      ledger.tail_idle += idle
    ledger.seconds += now - self.clock
    ledger.device_seconds += (now - self.clock) * self.run.mesh.size
    self.clock = now

  def _broken(self, slots: Sequence[int], logprob) -> None:
    for slot in slots:
      if not math.isfinite(logprob[slot]):
        request = self.requests[self.running[slot]]
        raise SamplingError(
          f'{self.shared.model_name} gave no finite probabilities on problem'
          f' {request.problem_id}: its weights are broken, or sampling.dtype is'
          ' too narrow for them'
        )

  def _finish(self, index: int, tokens, reason, logprob) -> Sample:
    request, shared = self.requests[index], self.shared
    shared.ledger.samples += 1
    shared.ledger.truncated_tokens += len(tokens) * (reason == 'length')
    text = shared.encoding.text(tokens[:-1] if reason == 'eos' else tokens)
    prompt = self.prompts[request.prompt]
    return Sample(
      generator=self.generator,
      problem_id=request.problem_id,
      sample_index=request.sample_index,
      text=records.cut(text, shared.stop_strings),
      num_tokens=len(tokens),
      num_prompt_tokens=len(self.prefix) + len(prompt),
      finish_reason=reason,
      logprob=logprob,
    )

  def _columns(self, prompt: str) -> int:
    columns = self.run.prompt_columns
    if self.shared.exact:  # its bits depend on them
      return columns
    return shapes.question_columns(len(self.prompts[prompt]), columns)

  def _by_columns(self, order) -> dict[int, collections.deque[str]]:
    """Returns the prompts in order, by the columns they are computed in."""
    waiting = collections.defaultdict(collections.deque)
    for group in order:
      prompt = self.requests[group[0]].prompt
      waiting[self._columns(prompt)].append(prompt)
    return waiting

  def _questions(self, index: int, uncomputed):
    """Takes those to compute with a request's: tokens [P, Q], length, texts."""
    columns = self._columns(self.requests[index].prompt)
    shape, ledger = (programs.QUESTIONS, columns), self.shared.ledger
    tokens, length = np.zeros(shape, np.int32), np.ones(shape[0], np.int32)
    batch = schedule.take(uncomputed, columns, shape[0])
    for row, prompt in enumerate(batch):
      ids = self.prompts[prompt]
      tokens[row, : len(ids)], length[row] = ids, len(ids)
      ledger.prefill_tokens += len(ids)
      ledger.prefill_padding -= len(ids)
    ledger.prefill_padding += tokens.size
    return tokens, length, batch

  def _refill(self, queue, rows: dict[str, tuple[Any, int]]):
    """Takes from the queue what one refill can place.

    Prompts leave the rows with their last request, and the device with the last
    prompt that was computed with them.

    Returns:
      The questions that they are among, the refill, and its slots.
    """
    run, slots = self.run, []
    questions, _ = rows[self.requests[queue[0]].prompt]
    free = (s for s in range(run.slots) if s not in self.running)
    refill = Refill.none(run.slots)
    while queue and len(slots) < REFILLS:
      request = self.requests[queue[0]]
      slot = next(free, None)
      level, row = rows.get(request.prompt, (None, 0))
      if slot is None or level is not questions:
        break
      i, prompt = len(slots), self.prompts[request.prompt]
      slots.append(slot)
      refill.slot_M[i], refill.row_M[i] = slot, row
      refill.token_M[i] = prompt[-1]
      refill.position_M[i] = len(self.prefix) + len(prompt) - 1
      refill.temperature_M[i] = request.temperature
      refill.key_Mx2[i] = choosing.sample_key(
        self.shared.seed,
        self.generator,
        request.problem_id,
        request.sample_index,
      )
      self.running[slot] = queue.popleft()
      if not queue or self.requests[queue[0]].prompt != request.prompt:
        del rows[request.prompt]
    return questions, refill, slots
