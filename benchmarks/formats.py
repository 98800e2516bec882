"""What number formats cost in quality: likelihood, and problems solved.

  python benchmarks/formats.py --problems=100 --json=FILE
  python benchmarks/formats.py --problems=0 --solve=500

Gemma 3 270M reads problems of GSM8K's test split (`$WCSE_DATA_DIR/gsm8k/`) with
their official solutions, in each format that a sampler computes in, its layers
laid out as for decoding. The mean log-likelihood of a solution's token, behind
the problem alone, is compared with that in float32. With --solve it answers
problems of one step behind eight examples, greedily, as `easy_tasks.py` does:
pass rates, and their gains over float32 on the same problems, with intervals.
"""

import argparse
from collections.abc import Sequence
import dataclasses
import itertools
import json
import os
import pathlib
import sys
from typing import Any

import easy_tasks  # beside this file
import machine
import numpy as np

FORMATS = ('float32', 'bfloat16', 'int8')
# How many nats a token each may be away from float32.
MOST = {'bfloat16': 0.01, 'int8': 0.03}
_ROWS, _TOKENS = 8, 320


def main(argv: Sequence[str] | None = None) -> int:
  """Measures, prints and writes; returns 1 if a format is too far away."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--problems', type=int, default=100)
  parser.add_argument('--solve', type=int, default=0, help='problems to solve')
  parser.add_argument('--json', default='', help='file to write')
  args = parser.parse_args(argv)
  found: dict[str, Any] = {'machine': machine.describe()}
  means: dict[str, float] = {}
  if args.problems:
    means = _likelihoods(args.problems)
    found |= {'problems': args.problems, 'nats_per_token': means}
    for name, mean in means.items():
      more = mean - means['float32']
      print(f'{name}: {mean:.4f} nats a token, {more:+.4f}', flush=True)
  if args.solve:
    found |= {'asked': args.solve, 'solved': solves(args.solve)}
    for name, of in found['solved'].items():
      points = [f'{100 * of["gain"][k]:+.1f}' for k in ('value', 'low', 'high')]
      print(
        f'{name}: {of["rate"]:.1%} solved, {points[0]} points'
        f' [{points[1]}, {points[2]}]'
      )
  if args.json:
    text = json.dumps(found, indent=2)
    pathlib.Path(args.json).write_text(f'{text}\n')
  far = lambda name: abs(means[name] - means['float32']) > MOST[name]
  return int(bool(means) and any(far(name) for name in MOST))


def _likelihoods(problems: int) -> dict[str, float]:
  """The mean log-likelihood of a token in each format."""
  from wcse_jax import models
  from wcse_jax.tasks import gsm8k

  model = models.load('gemma3_270m')
  folder = pathlib.Path(os.environ['WCSE_DATA_DIR'], 'gsm8k')
  asked = list(gsm8k.problems(str(folder))['test'])[:problems]
  texts = [(p.prompt, p.solution) for p in asked]
  return {name: likelihood(model, name, texts) for name in FORMATS}


def solves(number: int, model: str = 'gemma3_270m') -> dict[str, Any]:
  """Returns pass rates in each format, and their gains over float32.

  Args:
    number: How many problems of one step are asked.
    model: Who answers.
  """
  from wcse_jax.analysis import gains

  *_, exam = easy_tasks.nano_exams(number)  # the last: 8 of one step
  right = {
    name: np.array(easy_tasks.solved(model, exam, name), float)
    for name in FORMATS
  }
  return {
    name: {
      'rate': of.mean(),
      'gain': gains.gain(of, right['float32'], seed=0)['absolute'].to_dict(),
    }
    for name, of in right.items()
  }


def likelihood(model, dtype: str, texts: Sequence[tuple[str, str]]) -> float:
  """Returns the mean log-likelihood of a solution's token, in nats.

  Args:
    model: A `checkpoint.Model`.
    dtype: The format, as `Sampler` has it.
    texts: Prompts and solutions; a token at the end of what fits is the last.
  """
  import jax
  import jax.numpy as jnp

  from wcse_jax.models import gemma
  from wcse_jax.sampling import Sampler, shapes

  sampler = Sampler(model, slots=1, dtype=dtype)
  run = dataclasses.replace(sampler._programs, prompt_columns=16)
  params = run.layout(model.params)

  steps = shapes.BLOCK_STEPS

  @jax.jit
  def read(params, tokens_BxT):
    """Hidden states, in blocks that read what is before them as stored."""
    starts = jnp.arange(0, _TOKENS, steps)

    def one(cache, start):
      tokens = jax.lax.dynamic_slice_in_dim(tokens_BxT, start, steps, 1)
      at = start + jnp.broadcast_to(jnp.arange(steps), tokens.shape)
      hidden, level = gemma.forward(
        run.model, params, tokens, at, levels=[cache]
      )
      put = lambda whole, part: jax.lax.dynamic_update_slice_in_dim(
        whole, part, start, 2
      )
      level = run._kept(level)
      return cache.replace(
        layers=jax.tree.map(put, cache.layers, level.layers),
        positions=jax.lax.dynamic_update_slice_in_dim(
          cache.positions, level.positions, start, 1
        ),
      ), hidden

    zeros = lambda s: jnp.zeros(s.shape, s.dtype)
    cache = jax.tree.map(zeros, run.level_shapes(_ROWS, _TOKENS))
    cache = cache.replace(positions=cache.positions - 1)
    _, hidden = jax.lax.scan(one, cache, starts)
    return jnp.moveaxis(hidden, 0, 1).reshape(_ROWS, _TOKENS, -1)

  @jax.jit
  def scores(params, tokens_BxT):
    # The logits of a row at a time: of all of them memory would be short.
    return jax.lax.map(
      lambda row: jnp.take_along_axis(
        jax.nn.log_softmax(gemma.logits(run.model, params, row[0][:-1])),
        row[1][1:, None],
        axis=1,
      )[:, 0],
      (read(params, tokens_BxT), tokens_BxT),
    )

  total, count = 0.0, 0
  for batch in itertools.batched(texts, _ROWS):
    tokens = np.zeros((_ROWS, _TOKENS), np.int32)
    wanted = np.zeros((_ROWS, _TOKENS - 1), bool)
    for i, (prompt, solution) in enumerate(batch):
      asked = [model.tokenizer.bos, *model.tokenizer.encode(prompt)]
      ids = [*asked, *model.tokenizer.encode(solution)][:_TOKENS]
      tokens[i, : len(ids)] = ids
      wanted[i, len(asked) - 1 : len(ids) - 1] = True
    found = np.asarray(scores(params, tokens), np.float64)
    total, count = total + found[wanted].sum(), count + wanted.sum()
  return float(total / count)


if __name__ == '__main__':
  sys.exit(main())
