"""The engine: a fixed number of slots decodes; a free one is refilled.

`programs` is what runs on the device, `schedule` who is next; here is the host:
it keeps the slots filled, and makes samples of what comes out, while the device
goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import hashlib
import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from wcse_jax import models
from wcse_jax.experiment import arguments, sections
from wcse_jax.experiment.config import Config, SamplingSpec
from wcse_jax.experiment.rules import at_least
from wcse_jax.experiment.sections import SAMPLES
from wcse_jax.models import checkpoint, presets, sharding
from wcse_jax.models.encoding import Encoding
from wcse_jax.records import Sample
from wcse_jax.sampling import programs, schedule, shapes, stopping
from wcse_jax.sampling.schedule import Ledger, Request
from wcse_jax.sampling.session import SamplingError, Session, Shared
from wcse_jax.tasks.turns import Turns


class Sampler:
  r"""Samples solutions to many problems behind shared prefixes.

  The tokens of a sample are a function of weights, prefix, prompt, settings,
  seed, generator, problem id and sample index; never of order, slot or
  neighbours, within one compiled program on one kind of device; if not `exact`,
  up to tokens that are all but equally likely. What is shared is the prefix;
  if not `exact`, also what prompts of a call begin with, where it is worth it.

  Attributes:
    model: The model that is sampled from; its weights go once they are laid
      out for decoding.

  Example:
    >>> from wcse_jax import testing
    >>> sampler = Sampler(testing.tiny_model(), max_new_tokens=8, slots=2)
    >>> (samples,) = sampler.sample(['1+1='], n=2, temperature=0)
    >>> samples[0].text == samples[1].text  # greedy ones are alike
    True
    >>> samples[0].num_tokens, samples[0].num_prompt_tokens
    (8, 5)
    >>> sampler.ledger.samples, sampler.ledger.tokens
    (2, 16)
  """

  def __init__(
    self,
    model: checkpoint.Model | str,
    *,
    prefix: str = '',
    turns: Turns | None = None,
    stop_strings: Sequence[str] = (),
    max_new_tokens: int = 256,
    max_prompt_tokens: int | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    slots: int = 64,
    seed: int = 0,
    mesh: Mesh | None = None,
    dtype: str = 'float32',
    exact: bool = True,
  ):
    """Compiles nothing yet; the first samples do.

    Args:
      model: Architecture, tokenizer and, as a default, weights; or what
        `wcse_jax.models.load` takes: a folder, or the name of a preset that
        comes with weights.
      prefix: Few-shot text before every prompt; BOS goes before it.
      turns: How turns are marked in prefix and prompts; a solution ends with
        its turn. None: text is encoded as it is.
      stop_strings: Strings that end a solution, besides EOS and the model's
        `ends`.
      max_new_tokens: Most tokens of a sample, the stopping token included.
      max_prompt_tokens: Most tokens of a prompt, the prefix not counted. None
        is the longest of each call: other lengths then may compile anew.
      top_k: Number of candidates, as in `choosing.choose`.
      top_p: Probability of the candidates, as in `choosing.choose`.
      slots: Number of samples that decode at a time.
      seed: The seed of the random numbers.
      mesh: Devices as (data, tensor); None is one device.
      dtype: Type of weights and caches, e.g. 'bfloat16'; 'int8' is of both,
        beside bfloat16.
      exact: Whether all slots decode until the last sample ends, and only the
        prefix is shared. If not, half, a quarter, then an eighth of them do
        when fewer are left, and `schedule.prefixes` finds what else is shared.

    Raises:
      ArgumentError: A setting makes no sense: it breaks the rule of the field
        of the config that it is.
      ValueError: A stop string can never match.
      CheckpointError: The weights cannot be read.
      SamplingError: The tokenizer is not the model's, or the prefix leaves no
        room for a prompt.
      TokenizerError: It has no token for a mark of turns.
    """
    stop_strings = arguments.texts(stop_strings=stop_strings)
    arguments.check_as(str, prefix=prefix)
    if not isinstance(turns, Turns | None):
      remedy = 'give one of wcse_jax.tasks.turns.FAMILIES, or None'
      raise arguments.ArgumentError('turns', turns, remedy)
    arguments.check_as(
      int | None, at_least(1), max_prompt_tokens=max_prompt_tokens
    )
    arguments.check(
      SamplingSpec,
      max_new_tokens=max_new_tokens,
      top_k=top_k,
      top_p=top_p,
      slots=slots,
      dtype=dtype,
      exact=exact,
    )
    arguments.check(Config, seed=seed)
    self._mesh = mesh or sharding.make_mesh(1, 1)
    if isinstance(model, str):
      model = models.load(model, self._mesh, sections.computed_in(dtype))
    self.model = model
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
    num_pieces = len(pieces)
    encoding = Encoding(tokenizer, turns)
    pieces = [*pieces, *[b''] * (config.num_embed - num_pieces)]
    self._shared = Shared(
      model_name=model.name,
      encoding=encoding,
      prefix_tokens=[tokenizer.bos, *encoding.prompt(prefix)],
      stop_strings=stop_strings,
      stop_table=jax.device_put(
        stopping.stop_table(pieces, stop_strings),
        sharding.named(self._mesh, {}, (0, 0), (None, None)),
      ),
      seed=seed,
      exact=exact,
    )
    self._programs = programs.Programs(
      config=config,
      dtype=jnp.dtype(sections.computed_in(dtype)),
      int8=dtype == 'int8',
      mesh=self._mesh,
      slots=slots,
      prompt_columns=0,  # by the prompts
      max_new_tokens=max_new_tokens,
      eos=tokenizer.eos,
      top_k=top_k,
      top_p=top_p,
      num_pieces=num_pieces,
      ends=tuple(dict.fromkeys((*model.ends, *encoding.ends))),
    )
    shared = len(self._shared.prefix_tokens)
    if shared + max_new_tokens >= config.context_length:
      raise SamplingError(
        f'prefix has {shared} tokens, which with {max_new_tokens} new ones'
        f' leave no room for a prompt in the {config.context_length} of'
        f' {model.name}: give fewer examples (teachers.*.prompt), or lower'
        ' sampling.max_new_tokens'
      )
    reason = presets.no_int8(config, self._programs.merged)
    if self._programs.int8 and reason:
      raise SamplingError(f'sampling.dtype = int8, {model.name}: {reason}')

  @property
  def ledger(self) -> Ledger:
    """What was spent so far."""
    return self._shared.ledger

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
      prompts: Texts that follow the prefix. A prompt's samples depend on its
        text, not on the others: the same prompt twice gets the same samples.
      n: Number of samples of each; the first of them do not depend on it.
      temperature: What logits are divided by; 0 takes the likeliest token.
      generator: Name of the pool, part of the random numbers' name.

    Returns:
      For each prompt its samples, by sample index.

    Raises:
      ArgumentError: An argument makes no sense, or `prompts` is one text.
      SamplingError: A prompt is too long, the weights give no finite
        probabilities, or memory is short.

    Example:
      >>> from wcse_jax import testing
      >>> sampler = Sampler(testing.tiny_model(), max_new_tokens=8, slots=2)
      >>> two = sampler.sample(['1+1='], n=2)
      >>> three = sampler.sample(['3+1=', '1+1='], n=3)
      >>> two[0] == three[1][:2], two[0][0] == two[0][1]
      (True, False)
    """
    prompts = arguments.texts(prompts=prompts)
    arguments.check_as(int, *SAMPLES, n=n)
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
      sample.key: sample
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
      expected: Mean length of a problem's samples, by problem id, where it is
        known: the longest are drawn first.

    Yields:
      One sample per request.

    Raises:
      ArgumentError: A temperature, an index or a text makes no sense.
      SamplingError: A prompt is too long, the weights give no finite
        probabilities, or memory is short.

    Example:
      >>> from wcse_jax import testing
      >>> sampler = Sampler(testing.tiny_model(), max_new_tokens=8, slots=2)
      >>> requests = [
      ...   Request(problem_id='p', sample_index=i, prompt='1=', temperature=1)
      ...   for i in (5, 0, 2)
      ... ]
      >>> sorted(sample.sample_index for sample in sampler.stream(requests))
      [0, 2, 5]
    """
    if not requests:
      return
    _check(requests, generator)
    prompts = self._encode(requests)
    longest = self._max_prompt_tokens or max(map(len, prompts.values()))
    shared, new = len(self._shared.prefix_tokens), self._programs.max_new_tokens
    most = self.model.config.context_length
    if shared + longest + new > most:
      raise SamplingError(
        f'a prefix of {shared} tokens, a prompt of {longest}'
        f' and {new} new ones are more than the'
        f' {most} of {self.model.name}: shorten them (sampling.max_new_tokens)'
      )
    try:
      weights = (
        self._weights if params is None else self._programs.layout(params)
      )
      for session in self._sessions(requests, prompts, longest, generator):
        lengths = {p: len(ids) for p, ids in session.prompts.items()}
        order = schedule.groups(session.requests, lengths, expected or {})
        yield from session.draw(order, weights)
    except (jax.errors.JaxRuntimeError, MemoryError) as e:
      if not isinstance(e, MemoryError) and 'RESOURCE_EXHAUSTED' not in str(e):
        raise
      raise SamplingError(
        f'out of memory with {self._programs.slots} slots: lower'
        ' sampling.slots; what was committed is kept'
      ) from e

  def _sessions(
    self, requests, prompts, longest: int, generator: str
  ) -> Iterator[Session]:
    """Yields a session for each prefix that is worth computing once."""
    parts = [([], list(prompts))]
    if not self._shared.exact:
      tail = self._programs.slots * self._programs.max_new_tokens
      parts = schedule.prefixes(prompts, max(tail, schedule.COMPILED))
    for common, texts in parts:
      behind = {text: prompts[text][len(common) :] for text in texts}
      most = max(map(len, behind.values())) if common else longest
      yield Session(
        self._shared,
        # Rounded up, so that similar tasks share compiled programs.
        dataclasses.replace(
          self._programs, prompt_columns=shapes.whole_tiles(most)
        ),
        [r for r in requests if r.prompt in behind],
        self._shared.prefix_tokens + common,
        behind,
        generator,
      )

  @functools.cached_property
  def _weights(self):
    laid = self._programs.layout(self.model.params)
    self.model = dataclasses.replace(self.model, params=None)  # not twice
    return laid

  def _encode(self, requests: Sequence[Request]) -> dict[str, list[int]]:
    prompts = {}
    for request in requests:
      if request.prompt not in prompts:
        tokens = self._shared.encoding.prompt(request.prompt)
        longest = self._max_prompt_tokens or len(tokens)
        if not 1 <= len(tokens) <= longest:
          raise SamplingError(
            f'the prompt of problem {request.problem_id} has {len(tokens)}'
            f' tokens; 1 to {longest} fit: raise max_prompt_tokens, or leave'
            ' the problem out'
          )
        prompts[request.prompt] = tokens
    return prompts


def _check(requests: Sequence[Request], generator: str) -> None:
  """Raises ArgumentError for what no sample can be drawn by."""
  arguments.check_as(str, generator=generator)
  temperatures = (request.temperature for request in requests)
  for temperature, _ in itertools.groupby(temperatures):
    arguments.check(SamplingSpec, temperature=temperature)
  for index in {request.sample_index for request in requests}:
    arguments.check_as(int, sample_index=index)  # runs call a greedy one -1
  for name in ('prompt', 'problem_id'):
    for text in {getattr(request, name) for request in requests}:
      arguments.check_as(str, **{name: text})
