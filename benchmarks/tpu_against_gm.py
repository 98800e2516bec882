r"""Ours against `gm.text.Sampler` on a TPU, modelled without one.

  python benchmarks/tpu_against_gm.py --json=tpu_against_gm.json

Both sides are compiled for one TPU chip, each with as many rows as fit: ours by
launch/plan.py; of gm the prefill of a batch of prompts, and the loop that then
decodes them, as its sampler calls them. The time of a program is what the
roofline allows for the bytes and FLOPs in its HLO, so both sides are taken at
their best. All samples have the same length, prefill is included.
"""

import argparse
import functools
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

os.environ['JAX_PLATFORMS'] = 'cpu'

import jax
import jax.numpy as jnp
import numpy as np

from wcse_jax.tpu import topology
from wcse_jax.tpu.program import Program, compile_for

ROOT = pathlib.Path(__file__).parents[1]
_GM_MODELS = {
  'gemma2_2b': 'Gemma2_2B',
  'gemma2_9b': 'Gemma2_9B',
  'gemma2_27b': 'Gemma2_27B',
}


def main() -> None:
  """Prints and writes rows, times and rates of both, and their ratio."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n\n')[0])
  parser.add_argument('--model', default='gemma2_2b', choices=_GM_MODELS)
  parser.add_argument('--topology', default='v5e:1x1')
  parser.add_argument('--prefix_tokens', type=int, default=1100)
  parser.add_argument('--prompt_tokens', type=int, default=160)
  parser.add_argument('--new_tokens', type=int, default=256)
  parser.add_argument('--json', type=pathlib.Path)
  options = parser.parse_args()
  ours, theirs = _ours(options), _gm(options)
  result = {
    'model': options.model,
    'topology': options.topology,
    'tokens': {
      'prefix': options.prefix_tokens,
      'prompt': options.prompt_tokens,
      'new': options.new_tokens,
    },
    'ours': ours,
    'gm': theirs,
    'ratio': ours['tokens_per_s_per_chip'] / theirs['tokens_per_s_per_chip'],
  }
  print(json.dumps(result, indent=2))
  if options.json:
    options.json.write_text(json.dumps(result, indent=2) + '\n')


def _ours(options: argparse.Namespace) -> dict[str, float]:
  """Returns the rows and the rate of launch/plan.py."""
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, 'plan.json')
    subprocess.run(
      [
        sys.executable,
        'launch/plan.py',
        '--config=configs/wc_distill.py:gemma2',
        f'--config.wc={options.model}',
        "--config.arms=('wc_number_matched',)",
        '--config.student=',
        f'--config.sampling.max_new_tokens={options.new_tokens}',
        f'--mean_tokens={options.new_tokens}',
        f'--prefix_tokens={options.prefix_tokens}',
        f'--prompt_tokens={options.prompt_tokens}',
        f'--topology={options.topology}',
        f'--json={path}',
      ],
      cwd=ROOT,
      check=True,
    )
    made = json.loads(path.read_text())
  return {
    'rows': made['slots']['wc'],
    'decode_step_s': made['programs']['wc/decode']['roofline_s'],
    'tokens_per_s_per_chip': made['tokens_per_s_per_chip'],
  }


def _gm(options: argparse.Namespace) -> dict[str, float]:
  """Returns the largest batch of gm's sampler, and its rate."""
  slice_ = topology.describe(options.topology)
  limit = slice_.chip.usable_bytes

  @functools.cache
  def costs(rows: int) -> dict[str, Program] | None:
    """Returns what the programs take; None if the compiler refuses."""
    made = {}
    lowered, _ = _gm_programs(options, slice_.devices[0], rows)
    for name, program in lowered.items():
      steps = options.new_tokens if name == 'decode' else 1
      if not (compiled := compile_for(slice_, program, steps)):
        return None
      made[name] = compiled
    return made

  def peak(rows: int) -> float:
    made = costs(rows)
    if made is None:
      return math.inf
    # What it prefills is then merged into a cache for the whole sequences.
    _, cache_bytes = _gm_programs(options, slice_.devices[0], rows)
    prefill = made['prefill'].hbm_bytes + cache_bytes
    return max(prefill, made['decode'].hbm_bytes)

  few, more = 4, 8
  slope = (peak(more) - peak(few)) / (more - few)
  rows = int(few + (limit - peak(few)) / slope)
  while peak(rows) > limit:
    over = peak(rows) - limit
    rows -= 1 if math.isinf(over) else math.ceil(over / slope)
  made = costs(rows)
  assert made
  prefill_s, step_s = (made[n].roofline_s for n in made)
  seconds = prefill_s + options.new_tokens * step_s
  return {
    'rows': rows,
    'hbm_bytes_per_chip': peak(rows),
    'prefill_s': prefill_s,
    'decode_step_s': step_s,
    'tokens_per_s_per_chip': rows * options.new_tokens / seconds,
  }


def _gm_programs(
  options: argparse.Namespace, device: Any, rows: int
) -> tuple[dict[str, jax.stages.Lowered], int]:
  """Returns gm's programs for a batch, and the bytes of its whole cache."""
  from gemma import gm
  from gemma.gm.text import _sampler_loop

  prompt = options.prefix_tokens + options.prompt_tokens
  length = prompt + options.new_tokens
  model = getattr(gm.nn, _GM_MODELS[options.model])()
  mesh = jax.sharding.Mesh(np.array([device]), ('chip',))
  where = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

  def there(make):
    """Returns the shapes of what a function makes, on the chip."""
    return jax.tree.map(
      lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=where),
      jax.eval_shape(make),
    )

  def cache(columns: int):
    return there(
      lambda: model.init_cache(
        batch_size=rows, dtype=jnp.bfloat16, cache_length=columns
      )
    )

  def zeros(dtype, *shape: int):
    return there(lambda: jnp.zeros(shape, dtype))

  params = there(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
  )['params']

  def prefill(params, tokens, positions, mask, cache):
    return model.apply(
      {'params': params},
      tokens=tokens,
      positions=positions,
      attention_mask=mask,
      cache=cache,
      return_last_only=True,
    ).cache  # its logits are not used

  def state(cache):
    fields: dict[str, Any] = dict(
      step=jnp.asarray(0),
      done=jnp.zeros(rows, jnp.bool_),
      last_token=jnp.zeros(rows, jnp.int32),
      last_token_pos=jnp.zeros(rows, jnp.int32),
      predicted_tokens=jnp.zeros((rows, options.new_tokens), jnp.int32),
      cache=cache,
      rng=jax.random.PRNGKey(0),
      init_cache_length=jnp.asarray(prompt),
      full_attention_mask=jnp.zeros((rows, length), jnp.bool_),
    )
    return _sampler_loop.SamplingState(**fields)

  loop = _sampler_loop.SamplerLoop(
    model=model,
    end_tokens=(1,),
    forbidden_tokens=None,
    sampling=gm.text.TopkSampling(k=3, temperature=0.7),
    cache_length=length,
    special_tokens=gm.text.SpecialTokens,
  )
  whole = cache(length)
  lowered = {
    'prefill': jax.jit(prefill).lower(
      params,
      zeros(jnp.int32, rows, prompt),
      zeros(jnp.int32, rows, prompt),
      zeros(jnp.bool_, rows, prompt, prompt),
      cache(prompt),
    ),
    'decode': _sampler_loop.SamplerLoop._sample_loop.lower(
      loop,
      params=params,
      state=there(lambda: state(jax.tree.map(_zeros_like, whole))),
      max_new_tokens=zeros(jnp.int32),
    ),
  }
  return lowered, sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(whole))


def _zeros_like(struct: jax.ShapeDtypeStruct) -> jax.Array:
  return jnp.zeros(struct.shape, struct.dtype)


if __name__ == '__main__':
  main()
