"""The engine: a fixed number of slots decodes; a free one is refilled.

`programs` is what runs on the device, `schedule` who is next; here is the host:
it keeps the slots filled, and makes samples of what comes out, while the device
goes on.
"""

import collections
from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import hashlib
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from wcse_jax import models
from wcse_jax.errors import Error
from wcse_jax.models import checkpoint, sharding
from wcse_jax.records import FinishReason, Sample
from wcse_jax.sampling import choosing, programs, schedule, stopping
from wcse_jax.sampling.schedule import Ledger, Request

_REASONS: dict[int, FinishReason] = {
  programs.EOS: 'eos',
  programs.STOP: 'stop',
  programs.LENGTH: 'length',
}
QUESTIONS = 8  # computed at a time, always: their bits depend on it
REFILLS = 32  # slots filled at a time


class SamplingError(Error):
  """Sampling that cannot go on; names what to change."""


@dataclasses.dataclass
class _Questions:
  """Questions that are on the device, by prompt."""

  level: Any
  rows: dict[str, int]


class Sampler:
  r"""Samples solutions to many problems behind one shared prefix.

  The tokens of a sample are a function of weights, prefix, prompt, settings,
  seed, generator, problem id and sample index; never of order, slot or
  neighbours, within one compiled program on one kind of device.

  Example:
    sampler = Sampler('nano_wc', prefix=nano_problems.PREFIX,
                      stop_strings=['\n\n'], max_new_tokens=80, top_k=3)
    prompt = 'Problem: Ana has 3 figs and gets 4 more. ...\nSolution:'
    (samples,) = sampler.sample([prompt], n=10, temperature=0.7)
    for sample in samples:
      print(sample.text, sample.finish_reason, sample.logprob)

  Attributes:
    model: Whose samples they are; its weights go once they are laid out.
    ledger: What was spent so far.
  """

  def __init__(
    self,
    model: checkpoint.Model | str,
    *,
    prefix: str = '',
    stop_strings: Sequence[str] = (),
    max_new_tokens: int = 256,
    max_prompt_tokens: int | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    slots: int = 64,
    seed: int = 0,
    mesh: Mesh | None = None,
    dtype: str = 'float32',
  ):
    """Compiles nothing yet; the first samples do.

    Args:
      model: Architecture, tokenizer and, as a default, weights; or what
        `wcse_jax.models.load` takes: a folder, or the name of a preset that
        comes with weights.
      prefix: Few-shot text before every prompt; BOS goes before it.
      stop_strings: What ends a solution, besides EOS.
      max_new_tokens: Of a sample, the stopping token included.
      max_prompt_tokens: Of the longest prompt, the prefix not counted. None is
        the longest of each call: other lengths then may compile anew.
      top_k: As in `choosing.choose`.
      top_p: As in `choosing.choose`.
      slots: Samples that decode at a time.
      seed: Of the random numbers.
      mesh: Devices as (data, tensor); default: one device.
      dtype: Of weights and caches.

    Raises:
      ValueError: A stop string can never match.
      CheckpointError: The weights cannot be read.
      SamplingError: The tokenizer is not the model's.
    """
    self._mesh = mesh or sharding.make_mesh(1, 1)
    if isinstance(model, str):
      model = models.load(model, self._mesh, dtype)
    self.model = model
    self.ledger = Ledger()
    self._free: dict[programs.Programs, programs.State] = {}
    self._stop_strings = tuple(stop_strings)
    self._seed = seed
    self._max_prompt_tokens = max_prompt_tokens
    tokenizer, config = model.tokenizer, model.config
    pieces = tokenizer.pieces()
    special = min(tokenizer.bos, tokenizer.eos)
    if len(pieces) > config.num_embed or special < 0:
      raise SamplingError(
        f'the tokenizer has {len(pieces)} pieces, BOS {tokenizer.bos} and EOS'
        f' {tokenizer.eos}, but {model.name} embeds {config.num_embed} pieces'
        ' and needs both: it is the tokenizer of another model'
      )
    self._prefix_tokens = [tokenizer.bos, *tokenizer.encode(prefix)]
    pieces = [*pieces, *[b''] * (config.num_embed - len(pieces))]
    self._stop_table = jax.device_put(
      stopping.stop_table(pieces, stop_strings),
      sharding.named(self._mesh, {}, (0, 0), (None, None)),
    )
    self._programs = programs.Programs(
      config=config,
      dtype=jnp.dtype(dtype),
      mesh=self._mesh,
      slots=slots,
      prompt_columns=0,  # by the prompts
      own_columns=programs.whole_blocks(max_new_tokens),
      questions=QUESTIONS,
      refills=REFILLS,
      max_new_tokens=max_new_tokens,
      eos=tokenizer.eos,
      top_k=top_k,
      top_p=top_p,
    )

  def sample(
    self,
    prompts: Sequence[str],
    *,
    n: int = 1,
    temperature: float = 1.0,
    generator: str = '',
  ) -> list[list[Sample]]:
    """Draws n samples for each prompt.

    Args:
      prompts: What follows the prefix. A prompt's samples depend on its text,
        not on the others: the same prompt twice gets the same samples.
      n: Samples of each; the first of them do not depend on n.
      temperature: 0 is greedy.
      generator: Name of the pool, part of the random numbers' name.

    Returns:
      For each prompt its samples, by sample index.

    Raises:
      SamplingError: As `stream`.
    """
    ids = {p: hashlib.sha256(p.encode()).hexdigest()[:16] for p in prompts}
    requests = [
      Request(
        problem_id=problem_id,
        sample_index=index,
        prompt=prompt,
        temperature=temperature,
      )
      for prompt, problem_id in ids.items()
      for index in range(n)
    ]
    drawn = {
      (sample.problem_id, sample.sample_index): sample
      for sample in self.stream(requests, generator=generator)
    }
    return [[drawn[ids[prompt], i] for i in range(n)] for prompt in prompts]

  def stream(
    self,
    requests: Sequence[Request],
    *,
    generator: str = '',
    params: Any = None,
    expected: Mapping[str, float] | None = None,
  ) -> Iterator[Sample]:
    """Draws the samples asked for, in the order in which they finish.

    Args:
      requests: What to draw.
      generator: Name of the pool, part of the random numbers' name.
      params: Weights instead of the model's own.
      expected: Tokens that a problem's samples are known to have, if they are:
        the longest are drawn first.

    Yields:
      One Sample per request.

    Raises:
      SamplingError: A prompt is too long, the weights give no finite
        probabilities, or memory is short.
    """
    if not requests:
      return
    prompts = self._encode(requests)
    longest = self._max_prompt_tokens or max(map(len, prompts.values()))
    total = len(self._prefix_tokens) + longest + self._programs.max_new_tokens
    if total > (most := self.model.config.context_length):
      raise SamplingError(
        f'a prefix of {len(self._prefix_tokens)} tokens, a prompt of {longest}'
        f' and {self._programs.max_new_tokens} new ones are more than the'
        f' {most} of {self.model.name}: shorten them (sampling.max_new_tokens)'
      )
    # Rounded up, so that similar tasks share compiled programs.
    run = dataclasses.replace(
      self._programs, prompt_columns=programs.whole_tiles(longest)
    )
    order = schedule.groups(
      requests, {p: len(ids) for p, ids in prompts.items()}, expected or {}
    )
    with _memory_is_named(run.slots):
      yield from _Session(self, run, requests, prompts, generator).draw(
        order,
        self._weights if params is None else self._programs.layout(params),
      )

  @functools.cached_property
  def _weights(self):
    laid = self._programs.layout(self.model.params)
    self.model = dataclasses.replace(self.model, params=None)  # not twice
    return laid

  def _encode(self, requests) -> dict[str, list[int]]:
    prompts = {}
    for request in requests:
      if request.prompt not in prompts:
        tokens = self.model.tokenizer.encode(request.prompt)
        longest = self._max_prompt_tokens or len(tokens)
        if not 1 <= len(tokens) <= longest:
          raise SamplingError(
            f'the prompt of problem {request.problem_id} has {len(tokens)}'
            f' tokens; 1 to {longest} fit: raise max_prompt_tokens, or leave'
            ' the problem out'
          )
        prompts[request.prompt] = tokens
    return prompts


class _Session:
  """One call of `Sampler.stream`."""

  def __init__(self, sampler: Sampler, run, requests, prompts, generator):
    self.sampler = sampler
    self.run = run
    self.requests = requests
    self.prompts = prompts
    self.generator = generator
    self.ledger = sampler.ledger
    self.running: dict[int, int] = {}  # slot -> request
    self.clock = time.monotonic()

  def draw(self, order, params) -> Iterator[Sample]:
    """Draws groups of requests, in this order."""
    sampler, run = self.sampler, self.run
    running, ledger = self.running, self.ledger
    few_shot = sampler._prefix_tokens
    padding = programs.whole_tiles(len(few_shot)) - len(few_shot)
    prefix = run.prefix(
      params,
      np.array([[0] * padding + few_shot], np.int32),
      np.int32(padding),
    )
    state = sampler._free.pop(run, None) or run.empty()
    ledger.prefill_tokens += len(few_shot)
    ledger.prefill_padding += padding
    queue = collections.deque(index for group in order for index in group)
    batches = self._question_batches(order)
    questions = _Questions(None, {})
    generated = np.zeros(run.slots, np.int64)  # before the block
    finished: list[Sample] = []
    while queue or running:
      while queue and len(running) < run.slots:
        if self.requests[queue[0]].prompt not in questions.rows:
          tokens, length, rows = next(batches)
          level = run.question(params, prefix, tokens, length)
          questions = _Questions(level, rows)
        refill, slots = self._refill(queue, questions.rows)
        state = run.refill(state, questions.level, refill)
        generated[slots] = 0
      waiting = bool(queue)
      state, steps = run.decode(params, prefix, self.sampler._stop_table, state)
      yield from finished  # while the device decodes
      reason, count, logprob, tokens, steps = jax.device_get(
        (
          state.reason_B,
          state.generated_B,
          state.logprob_B,
          state.tokens_BxR,
          steps,
        )
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
        if reason[slot] != programs.ACTIVE
      ]
    sampler._free = {run: state}  # all free, to be used again
    yield from finished

  def _account(self, steps: int, decoded: int, waiting: bool) -> None:
    ledger, now = self.ledger, time.monotonic()
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
          f'{self.sampler.model.name} gave no finite probabilities on problem'
          f' {request.problem_id}: its weights are broken, or sampling.dtype is'
          ' too narrow for them'
        )

  def _finish(self, index: int, tokens, reason, logprob) -> Sample:
    request, sampler = self.requests[index], self.sampler
    self.ledger.samples += 1
    self.ledger.truncated_tokens += len(tokens) * (reason == 'length')
    text = sampler.model.tokenizer.decode(
      tokens[:-1] if reason == 'eos' else tokens
    )
    prompt = self.prompts[request.prompt]
    return Sample(
      generator=self.generator,
      problem_id=request.problem_id,
      sample_index=request.sample_index,
      text=stopping.cut(text, sampler._stop_strings),
      num_tokens=len(tokens),
      num_prompt_tokens=len(sampler._prefix_tokens) + len(prompt),
      finish_reason=reason,
      logprob=logprob,
    )

  def _question_batches(self, order):
    """Yields tokens [P, Q], length [P] and the row of each prompt, in order."""
    run = self.run
    for start in range(0, len(order), run.questions):
      tokens = np.zeros((run.questions, run.prompt_columns), np.int32)
      length, rows = np.ones(run.questions, np.int32), {}
      for row, group in enumerate(order[start : start + run.questions]):
        prompt = self.requests[group[0]].prompt
        ids = self.prompts[prompt]
        tokens[row, : len(ids)], length[row], rows[prompt] = ids, len(ids), row
        self.ledger.prefill_tokens += len(ids)
        self.ledger.prefill_padding -= len(ids)
      self.ledger.prefill_padding += tokens.size
      yield tokens, length, rows

  def _refill(self, queue, rows: Mapping[str, int]):
    """Takes from the queue what one refill can place; returns it, and where."""
    run, slots = self.run, []
    free = (s for s in range(run.slots) if s not in self.running)
    refill = programs.Refill(
      slot_M=np.full(run.refills, run.slots, np.int32),  # none
      row_M=np.zeros(run.refills, np.int32),
      token_M=np.zeros(run.refills, np.int32),
      position_M=np.zeros(run.refills, np.int32),
      key_Mx2=np.zeros((run.refills, 2), np.uint32),
      temperature_M=np.zeros(run.refills, np.float32),
    )
    while queue and len(slots) < run.refills:
      request = self.requests[queue[0]]
      slot = next(free, None)
      if slot is None or request.prompt not in rows:
        break
      i, prompt = len(slots), self.prompts[request.prompt]
      slots.append(slot)
      refill.slot_M[i], refill.row_M[i] = slot, rows[request.prompt]
      refill.token_M[i] = prompt[-1]
      refill.position_M[i] = len(self.sampler._prefix_tokens) + len(prompt) - 1
      refill.temperature_M[i] = request.temperature
      refill.key_Mx2[i] = choosing.sample_key(
        self.sampler._seed,
        self.generator,
        request.problem_id,
        request.sample_index,
      )
      self.running[slot] = queue.popleft()
    return refill, slots


@contextlib.contextmanager
def _memory_is_named(slots: int) -> Iterator[None]:
  try:
    yield
  except (jax.errors.JaxRuntimeError, MemoryError) as e:
    if isinstance(e, MemoryError) or 'RESOURCE_EXHAUSTED' in str(e):
      raise SamplingError(
        f'out of memory with {slots} slots: lower sampling.slots; what was'
        ' committed is kept'
      ) from e
    raise
