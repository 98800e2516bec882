"""What is measured, by this project's sampler and by peers, in turns."""

import collections
from collections.abc import Callable, Iterable, Sequence
import dataclasses
import functools
import pathlib
import resource
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import opponents
import rounds
import workloads

from wcse_jax.models import checkpoint, gemma, presets
from wcse_jax.sampling import Ledger

NEAR_TIE = 1e-4  # gap of logits; sums in another order differ by about 1e-6


class Compilations:
  """Counts compilations from now on."""

  def __init__(self):
    self.count = 0
    jax.monitoring.register_event_duration_secs_listener(self._listen)

  def _listen(self, event: str, *_, **__) -> None:
    self.count += event == '/jax/core/compile/backend_compile_duration'

  def take(self) -> int:
    """Returns how many there were since the last call."""
    count, self.count = self.count, 0
    return count


def unavoidable_flops(
  config: presets.GemmaConfig,
  prefix: int,
  questions: Sequence[int],
  samples: Iterable[tuple[int, int]],
) -> float:
  """Returns the FLOPs that no sampler of these tokens can do without.

  The prefix once, each question once, each new token once, and attention to
  what each of them sees; two FLOPs per weight and pair. Norms, softmax and
  choosing are not counted, and nothing that is computed twice.

  Args:
    config: The architecture.
    prefix: Tokens of the prefix, BOS included.
    questions: Tokens of each question.
    samples: Of each, the tokens before the first new one, and the new ones.
  """
  attention = functools.partial(attention_flops, config)
  body = 2 * (config.active - config.num_embed * config.embed_dim)
  head = 2 * config.num_embed * config.embed_dim
  flops = body * prefix + attention(np.arange(1, prefix + 1))
  for tokens in questions:  # the last one is the first that is decoded
    flops += body * (tokens - 1) + attention(prefix + np.arange(1, tokens))
  for before, new in samples:
    flops += (body + head) * new + attention(before + np.arange(new))
  return float(flops)


def attention_flops(config: presets.GemmaConfig, seen: np.ndarray) -> float:
  """Returns the FLOPs of attention of tokens that see `seen` tokens each."""
  pairs = lambda window: np.minimum(seen, window or np.inf).sum()
  widths = (k.head_dim * pairs(k.window) for k in config.layers)
  return float(4 * config.num_heads * sum(widths))


def throughput(
  work: workloads.Workload,
  names: Sequence[str],
  *,
  repeats: int,
  peer_rounds: int,
  folder: pathlib.Path,
  tell: Callable[[str], None],
) -> dict[str, Any]:
  """Measures rates in turns: product, ours, product, and at times the peers.

  Args:
    work: What is sampled.
    names: Of the peers.
    repeats: Turns of ours.
    peer_rounds: Turns of each peer, spread among them.
    folder: For the peers' files.
    tell: Is told how it goes.
  """
  peers, skipped = start(work, names, folder, tell)
  matmul = rounds.Matmul()
  compilations = Compilations()
  sampler, requests = work.sampler(), work.requests()
  tell('ours: warm-up')
  # One sample has all programs of all slots, as many as slots those of fewer.
  list(sampler.stream(requests[: 1 if work.exact else work.slots]))
  programs = compilations.take()
  before = sampler.ledger.plus(Ledger())
  made = rounds.alternate(
    lambda: _our_turn(work, sampler, requests, matmul),
    peers,
    functools.partial(_their_turn, work),
    repeats=repeats,
    peer_rounds=peer_rounds,
    tell=tell,
  )
  spent = sampler.ledger.plus(before, -1)
  # Per token where all have the same length, else per finished solution.
  rate = 'solutions_per_s' if work.stop_strings else 'tokens_per_s'
  return {
    'tokens_per_s': made.medians('tokens_per_s'),
    'solutions_per_s': made.medians('solutions_per_s'),
    'ratio': made.ratios(rate),
    'ratio_cpu': made.ratios(rate.replace('_per_', '_per_cpu_')),
    'matmul_share': made.medians('matmul_share', ['ours'])['ours'],
    'slots_busy': (
      spent.tokens / (spent.steps * work.slots)
      if spent.slots_busy is None
      else spent.slots_busy
    ),
    'idle_share': idle_share(spent),
    'recompiles': compilations.count,
    'programs': programs + compilations.count,
    'skipped': skipped | made.failed,
    'turns': made.turns,
    'ledger': dataclasses.asdict(spent),
  }


def start(
  work: workloads.Workload,
  names: Sequence[str],
  folder: pathlib.Path,
  tell: Callable[[str], None],
  **settings,
) -> tuple[dict[str, opponents.Peer], dict[str, str]]:
  """Starts peers, as `opponents.start`; engines get all samples."""
  known = {name: opponents.ENVIRONMENTS[name] for name in names}
  peers, skipped = {}, {}
  if not known:
    return peers, skipped
  logits_V = last_logits(work.model, work.rows(1, 1)[0])
  for engine in (False, True):
    these = {n: peer for n, peer in known.items() if peer.engine == engine}
    if these:
      case = work.case(engine, **settings)
      found = opponents.start(these, case, logits_V, folder, tell)
      peers, skipped = peers | found[0], skipped | found[1]
  return peers, skipped


def idle_share(spent: Ledger) -> float:
  """Returns the share of slot-steps that gave no token."""
  idle = spent.refill_idle + spent.tail_idle
  return idle / max(1, spent.tokens + idle)


def _our_turn(work, sampler, requests, matmul) -> dict[str, float]:
  before = matmul.rate()
  start, cpu = time.monotonic(), time.process_time()
  samples = list(sampler.stream(requests))
  seconds, cpu = time.monotonic() - start, time.process_time() - cpu
  after = matmul.rate()
  questions = [len(work.encode(prompt)) for prompt in work.prompts]
  flops = unavoidable_flops(
    work.model.config,
    1 + len(work.encode(work.prefix)),
    questions,
    [(s.num_prompt_tokens, s.num_tokens) for s in samples],
  )
  _expect_full_length(work, [s.num_tokens for s in samples])
  finished = sum(s.finish_reason != 'length' for s in samples)
  cores = jax.device_count()
  return {
    **_rates([s.num_tokens for s in samples], finished, seconds, cpu),
    # Of a core's product; each device is a core.
    'matmul_share': flops / seconds / cores / ((before + after) / 2),
    'matmul_flops_per_s': (before + after) / 2,
  }


def _their_turn(work, turn: dict[str, Any]) -> dict[str, float]:
  rows = turn['made']
  lengths = [len(row) for row in rows]
  _expect_full_length(work, lengths)
  finished = sum(work.solution_tokens(row) > 0 for row in rows)
  return _rates(lengths, finished, turn['seconds'], turn['cpu_seconds'])


def _rates(
  lengths: Sequence[int], finished: int, seconds: float, cpu: float
) -> dict[str, float]:
  # What comes after the end of a solution is of no use, but was decoded.
  return {
    'seconds': seconds,
    'cpu_seconds': cpu,
    'tokens_per_s': sum(lengths) / seconds,
    'tokens_per_cpu_s': sum(lengths) / cpu,
    'solutions_per_s': finished / seconds,
    'solutions_per_cpu_s': finished / cpu,
    'finished': finished / len(lengths),
    'mean_tokens': statistics.mean(lengths),
  }


def _expect_full_length(work, lengths: Sequence[int]) -> None:
  if not work.stop_strings and set(lengths) != {work.max_new_tokens}:
    raise RuntimeError(f'not all rows have full length: {sorted(lengths)}')


def last_logits(model: checkpoint.Model, tokens: Sequence[int]) -> np.ndarray:
  """Returns the logits after the tokens, without any cache."""
  return _logits(model, tokens, 1)[0]


def all_logits(model: checkpoint.Model, tokens: Sequence[int]) -> np.ndarray:
  """Returns the logits [T, V] after each token; long texts need memory."""
  return _logits(model, tokens, len(tokens))


def _logits(model, tokens, last: int) -> np.ndarray:
  module = gemma.Gemma(model.config)
  params = jax.tree.map(jnp.asarray, model.params)
  hidden, _ = gemma.forward(module, params, jnp.asarray([tokens]))
  return np.asarray(gemma.logits(module, params, hidden[:, -last:])[0])


def greedy(
  work: workloads.Workload,
  names: Sequence[str],
  *,
  new_tokens: int,
  folder: pathlib.Path,
  tell: Callable[[str], None],
) -> dict[str, Any]:
  """Compares greedy tokens with those of peers.

  A row's first difference is a near-tie if the two likeliest tokens differ by
  less than `NEAR_TIE` there.
  """
  work = dataclasses.replace(
    work,
    n=1,
    slots=32,
    max_new_tokens=new_tokens,
    stop_strings=(),
    peer_prompts=len(work.prompts),
    peer_n=1,
  )
  peers, skipped = start(work, names, folder, tell, temperature=0)
  theirs = {}
  for name, peer in peers.items():
    try:
      theirs[name] = peer.turn()['made']
    finally:
      peer.close()
  spelled = workloads.SpelledTokenizer(work.model.tokenizer)
  model = dataclasses.replace(work.model, tokenizer=spelled)
  sampler = dataclasses.replace(work, model=model).sampler()
  drawn = sampler.sample(work.prompts, temperature=0)
  ours = [[int(word) for word in sample.text.split()] for (sample,) in drawn]
  return {
    'problems': len(ours),
    'new_tokens': new_tokens,
    'skipped': skipped,
    'peers': {name: _equal(work, ours, rows) for name, rows in theirs.items()},
  }


def _equal(work, ours, theirs) -> dict[str, Any]:
  prompts, differences = work.rows(len(ours), 1), []
  for i, (mine, row) in enumerate(zip(ours, theirs, strict=True)):
    end = work.solution_tokens(row)  # only EOS ends one here
    row = row[: end - 1] if end else row
    if mine == row:
      continue
    same = [a == b for a, b in zip(mine, row, strict=False)]
    at = same.index(False) if False in same else len(same)
    largest = np.sort(last_logits(work.model, prompts[i] + row[:at]))
    gap = float(largest[-1] - largest[-2])
    differences.append({'problem': i, 'token': at, 'gap': gap})
  return {
    'equal_rows': len(ours) - len(differences),
    'near_ties': sum(d['gap'] < NEAR_TIE for d in differences),
    'differences': differences,
  }


def linear(problems: int, tell: Callable[[str], None]) -> dict[str, Any]:
  """Compares steps and peak memory for some problems and for twice as many."""
  sizes, steps, peaks = [problems, 2 * problems], [], []
  work = workloads.nano(sizes[-1])
  sampler = work.sampler()

  def draw(count: int) -> Ledger:
    before = sampler.ledger.plus(Ledger())
    requests = work.requests()[: count * work.n]
    collections.deque(sampler.stream(requests), maxlen=0)  # keeps none
    return sampler.ledger.plus(before, -1)

  draw(1)
  compilations, spent = Compilations(), Ledger()
  for size in sizes:
    spent = draw(size)
    steps.append(spent.steps)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    tell(f'{size} problems: {steps[-1]} steps, {peaks[-1] / 1e6:.0f} MB')
  return {
    'problems': sizes,
    'samples_per_problem': work.n,
    'slots': work.slots,
    'steps': steps,
    'steps_ratio': steps[1] / steps[0],
    'peak_rss_bytes': peaks,
    'slots_busy': spent.slots_busy,
    'recompiles': compilations.count,
  }
