"""What is sampled: a model, a prefix, prompts and lengths."""

from collections.abc import Iterable, Sequence
import dataclasses
import os
import pathlib
from typing import Any

import flax.traverse_util
import numpy as np
from peers import turns

from wcse_jax import tasks, testing
from wcse_jax.experiment import sections
from wcse_jax.models import checkpoint, export, gemma, presets, sharding
from wcse_jax.records import Problem
from wcse_jax.sampling import Request, Sampler
from wcse_jax.store import cache
from wcse_jax.tasks import gsm8k as gsm8k_problems
from wcse_jax.tasks.nano import problems as nano_problems

TEMPERATURE, TOP_K = 0.7, 3

# 31M parameters without the embedding; those of Gemma 2, but smaller.
GEMMA_31M = presets.GemmaConfig(
  num_embed=8192,
  embed_dim=512,
  hidden_dim=2048,
  num_heads=8,
  head_dim=64,
  num_kv_heads=4,
  attention_types=('local', 'global') * 4,
  query_pre_attn_scalar=64**-0.5,
  sliding_window_size=4096,
  attn_logits_soft_cap=50.0,
  final_logit_softcap=30.0,
  use_post_attn_norm=True,
  use_post_ffw_norm=True,
)


class IdTokenizer(turns.Ids):
  """Token ids written as numbers, so that no tokenizer takes part."""

  pad, eos, bos = 0, 1, 2

  def __init__(self, vocab_size: int):
    self._vocab_size = vocab_size

  def pieces(self) -> list[bytes]:
    return [b''] * 3 + [b' %d' % i for i in range(3, self._vocab_size)]


class SpelledTokenizer(turns.Ids):
  """Another tokenizer, but a sample's text is its token ids."""

  def __init__(self, tokenizer: checkpoint.Tokenizer):
    self._tokenizer = tokenizer
    self.bos, self.eos = tokenizer.bos, tokenizer.eos

  def encode(self, text: str, **_) -> list[int]:
    return self._tokenizer.encode(text)

  def pieces(self) -> list[bytes]:
    return self._tokenizer.pieces()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
  """Samples to draw, and of what.

  Attributes:
    model: Whose.
    prefix: Shared by all prompts.
    prompts: One per problem.
    n: Samples of each, by the sampler of this project.
    slots: Its slots.
    max_new_tokens: Of a sample.
    stop_strings: What ends a sample, besides EOS. Without any, all samples
      are to have `max_new_tokens`.
    peer_prompts: Problems of which the peers draw samples.
    peer_n: Samples of each.
    dtype: Of weights and caches.
    exact: As of `Sampler`.
  """

  model: checkpoint.Model
  prefix: str
  prompts: list[str]
  n: int
  slots: int
  max_new_tokens: int
  stop_strings: tuple[str, ...] = ()
  peer_prompts: int = 4
  peer_n: int = 4
  dtype: str = 'float32'
  exact: bool = True

  def sampler(self) -> Sampler:
    """Makes this project's sampler for it."""
    return Sampler(
      self.model,
      prefix=self.prefix,
      stop_strings=self.stop_strings,
      max_new_tokens=self.max_new_tokens,
      max_prompt_tokens=max(map(len, map(self.encode, self.prompts))),
      top_k=TOP_K,
      slots=self.slots,
      mesh=sharding.make_mesh(),
      dtype=self.dtype,
      exact=self.exact,
    )

  def requests(self, temperature: float = TEMPERATURE) -> list[Request]:
    """Returns what to draw with it."""
    return [
      Request(
        problem_id=f'problem {i}',
        sample_index=j,
        prompt=prompt,
        temperature=temperature,
      )
      for i, prompt in enumerate(self.prompts)
      for j in range(self.n)
    ]

  def encode(self, text: str) -> list[int]:
    """Returns the token ids of a text, without BOS."""
    return self.model.tokenizer.encode(text)

  def rows(self, prompts: int, n: int) -> list[list[int]]:
    """Returns whole prompts as token ids, each of the first n times."""
    start = [self.model.tokenizer.bos, *self.encode(self.prefix)]
    return [
      start + self.encode(prompt)
      for prompt in self.prompts[:prompts]
      for _ in range(n)
    ]

  def case(
    self, engine: bool = False, temperature: float = TEMPERATURE
  ) -> turns.Sampling:
    """Returns what a peer is to sample; an engine, all that ours does."""
    ends = bool(self.stop_strings) or not temperature
    if engine:
      rows, given = self.rows(len(self.prompts), self.n), self._files()
    else:
      flat = flax.traverse_util.flatten_dict(self.model.params, sep='/')
      params = {name: np.asarray(w, np.float32) for name, w in flat.items()}
      rows, given = (
        self.rows(self.peer_prompts, self.peer_n),
        {'params': params},
      )
    return turns.Sampling(
      config=dataclasses.asdict(self.model.config),
      prompts=rows,
      max_new_tokens=self.max_new_tokens,
      temperature=temperature,
      top_k=TOP_K,
      end_tokens=[self.model.tokenizer.eos] if ends else [],
      stop_strings=list(self.stop_strings),
      **given,
    )

  def _files(self) -> dict[str, Any]:
    folder = cache.folder() / 'bench' / f'{self.model.name}-huggingface'
    if not folder.exists():  # else as it is: what compiles, compiles once
      folder.parent.mkdir(parents=True, exist_ok=True)
      export.write(self.model, folder, 'huggingface')
    dtype = sections.computed_in(self.dtype)
    return {'params': {}, 'folder': str(folder), 'dtype': dtype}

  def solution_tokens(self, tokens: Sequence[int]) -> int:
    """Returns with how many tokens a row is finished; 0 if it is not."""
    tokenizer = self.model.tokenizer
    for end, token in enumerate(tokens, start=1):
      if token == tokenizer.eos:
        return end
      # A stop string is short: its last tokens are enough to see it.
      tail = tokenizer.decode(tokens[max(0, end - 16) : end])
      if any(stop in tail for stop in self.stop_strings):
        return end
    return 0


def of_shape(name: str, problems: int = 80, **fields) -> Workload:
  """Returns the workload of a shape, of its first problems, fields replaced."""
  work = SHAPES[name]()
  return dataclasses.replace(work, prompts=work.prompts[:problems], **fields)


def _numbers() -> Workload:
  """896 shared, 64 question and 128 new tokens, BOS among the shared."""
  return _drawn(GEMMA_31M, shared=895, question=64, new=128, n=10, slots=160)


def _tiny() -> Workload:
  """As `_numbers`, but for a test."""
  config = dataclasses.replace(testing.TINY, num_embed=64)
  return _drawn(config, shared=15, question=8, new=16, n=2, slots=32)


def _drawn(config, *, shared, question, new, n, slots) -> Workload:
  params = gemma.init(config, 0)
  # PAD and EOS get the logit 0, which is never among the largest.
  table = params['embedder']['input_embedding']
  params['embedder']['input_embedding'] = table.at[:2].set(0)
  rng = np.random.default_rng(0)
  draw = lambda size: turns.spell(rng.integers(3, config.num_embed, size))
  tokenizer = IdTokenizer(config.num_embed)
  return Workload(
    model=checkpoint.Model('random weights', config, params, tokenizer),
    prefix=draw(shared),
    prompts=[draw(question) for _ in range(16)],
    n=n,
    slots=slots,
    max_new_tokens=new,
  )


def _gsm8k() -> Workload:
  """The first problems of the test split, 8-shot, natural lengths."""
  folder = pathlib.Path(os.environ['WCSE_DATA_DIR'], 'gsm8k')
  problems = list(gsm8k_problems.problems(str(folder))['test'])
  # Who cannot stop at a string decodes all 128; nearly all solutions fit.
  return _of_task(
    checkpoint.load('gemma3_270m'),
    'gsm8k',
    problems,
    new=128,
    n=10,
    slots=96,
  )


def nano(problems: int) -> Workload:
  """A small trained model on its own problems, natural lengths."""
  drawn = [nano_problems.problem('train', i) for i in range(problems)]
  return _of_task(
    checkpoint.load('nano_wc'),
    'nano_arithmetic',
    drawn,
    new=80,
    n=10,
    slots=64,
  )


def _of_task(
  model, task: str, problems: Iterable[Problem], *, new, n, slots
) -> Workload:
  info = tasks.find(task)
  return Workload(
    model=model,
    prefix=info.prefix,
    prompts=[problem.prompt for problem in problems],
    n=n,
    slots=slots,
    max_new_tokens=new,
    stop_strings=info.stop_strings,
  )


SHAPES = {'31m': _numbers, 'gemma3_270m': _gsm8k, 'tiny': _tiny}
