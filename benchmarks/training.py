"""Solutions to finetune on, and the rate at which that goes."""

from collections.abc import Callable, Sequence
import dataclasses
import os
import pathlib
import time
from typing import Any

import flax.traverse_util
import jax
import measures
import numpy as np
import opponents
from peers import turns
import rounds
import workloads

from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.finetuning import batches, packing
from wcse_jax.finetuning.step import TrainStep
from wcse_jax.models import checkpoint, gemma, presets, sharding
from wcse_jax.models.tokenizer import Tokenizer
from wcse_jax.tasks import gsm8k as gsm8k_problems

TOKENIZER = 'gemma3_270m'
_SPECIAL = 3  # pad, EOS, BOS


@dataclasses.dataclass(frozen=True)
class Work:
  """What is finetuned, and on what.

  Attributes:
    model: To start from.
    spec: How.
    table: Packed examples, as `packing.pack` lays them out.
  """

  model: checkpoint.Model
  spec: FinetuneSpec
  table: dict[str, np.ndarray]

  def case(self) -> turns.Training:
    """Returns the same for a peer: the examples one by one."""
    examples, prompt_tokens = [], []
    for row in range(len(self.table['tokens'])):
      segments = self.table['segment_ids'][row]
      for segment in range(1, segments.max() + 1):
        inputs, targets, weights = (
          self.table[name][row, segments == segment]
          for name in ('tokens', 'targets', 'loss_weights')
        )
        examples.append([int(inputs[0]), *targets.tolist()])
        prompt_tokens.append(1 + int(np.argmax(weights)))
    flat = flax.traverse_util.flatten_dict(self.model.params, sep='/')
    return turns.Training(
      config=dataclasses.asdict(self.model.config),
      params={name: np.asarray(w, np.float32) for name, w in flat.items()},
      dtype=self.spec.dtype,
      examples=examples,
      prompt_tokens=prompt_tokens,
      batch_size=self.spec.batch_size,
      learning_rate=self.spec.learning_rates[0],
      clip_norm=self.spec.clip_norm,
    )


def gsm8k(examples: int, row_tokens: int, dtype: str = 'float32') -> Work:
  """The first problems of GSM8K with their solutions; random weights.

  They are Gemma's tokens, numbered anew: the shape has a smaller vocabulary.
  """
  folder = pathlib.Path(os.environ['WCSE_DATA_DIR'], 'gsm8k')
  problems = list(gsm8k_problems.problems(str(folder))['train'])[:examples]
  *_, vocabulary = checkpoint.files(TOKENIZER)
  tokenizer = Tokenizer(vocabulary)
  texts = ((p.prompt, p.solution) for p in problems)
  pairs = packing.encode(texts, tokenizer)
  table = packing.pack(pairs, row_tokens, bos=tokenizer.bos).columns
  config = workloads.GEMMA_31M
  seen = [table[name].ravel() for name in ('tokens', 'targets')]
  used = np.unique(np.concatenate([range(_SPECIAL), *seen]))
  if len(used) > config.num_embed:
    raise ValueError(f'{examples} examples have {len(used)} different tokens')
  for name in ('tokens', 'targets'):
    table[name] = np.searchsorted(used, table[name]).astype(np.int32)
  return Work(
    checkpoint.Model(
      'random weights',
      config,
      gemma.init(config, 0),
      workloads.IdTokenizer(config.num_embed),
    ),
    FinetuneSpec(row_tokens=row_tokens, dtype=dtype),
    table,
  )


def model_flops(
  config: presets.GemmaConfig, batch: dict[str, np.ndarray]
) -> float:
  """Returns the FLOPs that no train step on these examples can do without.

  Six per weight and token, the output layer's per target; and of attention
  three times those of the forward pass, to what each token sees.
  """
  there = batch['segment_ids'] > 0
  embedding = config.num_embed * config.embed_dim
  body = (config.active - embedding) * np.count_nonzero(there)
  head = embedding * batch['loss_weights'].sum()
  seen = batch['positions'][there] + 1
  return float(6 * (body + head) + 3 * measures.attention_flops(config, seen))


class Ours:
  """The train step of this project, compiled, on packed batches."""

  def __init__(self, work: Work):
    self._work = work
    self._matmul = rounds.Matmul(clock=time.process_time)
    self._step = TrainStep(
      work.model.config, work.spec, sharding.train_mesh(1, 1, 1)
    )
    self._state, _ = self._step.init(work.model.params, 0)
    examples = int(work.table['segment_ids'].max(axis=1).sum())
    self._batches = batches.make(
      work.table,
      batch_size=work.spec.batch_size,
      steps=-(-examples // work.spec.batch_size),  # once through the table
      seed=0,
    )
    jax.block_until_ready(self._train(0))  # not beside what is measured

  def _train(self, t: int) -> dict[str, jax.Array]:
    rate = np.float32(self._work.spec.learning_rates[0])
    batch = self._step.put(self._batches[t])
    self._state, metrics = self._step(self._state, batch, rate)
    return metrics

  def turn(self) -> rounds.Turn:
    """Trains once through the table, between two looks at the product."""
    count = self._batches.num_batches
    before = self._matmul.rate()
    start, cpu = time.monotonic(), time.process_time()
    metrics = [self._train(t) for t in range(count)]
    losses = [float(made['loss']) for made in metrics]
    seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    rate = (before + self._matmul.rate()) / 2
    shown = [self._batches[t] for t in range(count)]
    flops = sum(model_flops(self._work.model.config, b) for b in shown)
    return {
      'seconds': seconds,
      'cpu_seconds': cpu,
      'target_tokens_per_s': _targets(shown) / cpu,
      'loss': float(np.mean(losses)),
      'matmul_share': flops / cpu / rate,
      'matmul_flops_per_s': rate,
    }


def throughput(
  work: Work,
  names: Sequence[str],
  *,
  repeats: int,
  peer_rounds: int,
  folder: pathlib.Path,
  tell: Callable[[str], None],
) -> dict[str, Any]:
  """Measures rates in turns: product, ours, product, and at times the peers.

  They are per second of the process's CPU time: one core's seconds on a quiet
  machine, and on a busy one without those of other programs.

  Args:
    work: What is finetuned.
    names: Of the peers.
    repeats: Turns of ours.
    peer_rounds: Turns of each peer, spread among them.
    folder: For the peers' files.
    tell: Is told how it goes.
  """
  peers, skipped = {}, {}
  case = work.case()
  if names:
    known = {name: opponents.TRAINERS[name] for name in names}
    prompt = case.examples[0][: case.prompt_tokens[0]]
    logits_V = measures.last_logits(work.model, prompt)
    peers, skipped = opponents.start(known, case, logits_V, folder, tell)
  tell('ours: making it ready')
  ours = Ours(work)
  compilations = measures.Compilations()
  targets = _targets([work.table])
  made = rounds.alternate(
    ours.turn,
    peers,
    lambda turn: {
      'seconds': turn['seconds'],
      'cpu_seconds': turn['cpu_seconds'],
      'target_tokens_per_s': targets / turn['cpu_seconds'],
      'loss': float(np.mean(turn['made'])),
    },
    repeats=repeats,
    peer_rounds=peer_rounds,
    tell=tell,
  )
  lengths = [len(tokens) for tokens in case.examples]
  return {
    'target_tokens_per_s': made.medians('target_tokens_per_s'),
    'ratio': made.ratios('target_tokens_per_s'),
    'matmul_share': made.medians('matmul_share', ['ours'])['ours'],
    'recompiles': compilations.count,
    'skipped': skipped | made.failed,
    'turns': made.turns,
    'examples': {
      'number': len(lengths),
      'tokens': [min(lengths), float(np.mean(lengths)), max(lengths)],
      'targets': targets,
      'rows': len(work.table['tokens']),
      'row_tokens': work.spec.row_tokens,
      'batch_size': work.spec.batch_size,
    },
  }


def _targets(shown: Sequence[dict[str, np.ndarray]]) -> float:
  return float(sum(batch['loss_weights'].sum() for batch in shown))
