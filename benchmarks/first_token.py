"""How long a real model takes to its first token, and how much memory.

  python benchmarks/first_token.py
  python benchmarks/first_token.py --dtype=bfloat16 --samples=96 --runs=3

The clock starts before Python does. Each run is a process of its own: it loads
the model, reads the standard eight examples of GSM8K and a problem behind them,
and decodes the first block of tokens of so many samples. What is compiled is
cached by a first run, which is not counted. Memory is the most that was
resident, and its ratio to what weights and caches take, as they are used.
"""

import argparse
from collections.abc import Sequence
import contextlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import machine  # beside this file

_ROOT = pathlib.Path(__file__).resolve().parents[1]
PROBLEM = 'Q: Tom has 12 apples and eats 5 of them. How many are left?\nA:'


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints what each run took, and the medians."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--model', default='gemma3_270m')
  parser.add_argument('--dtype', default='float32')
  parser.add_argument('--slots', type=int, default=96)
  parser.add_argument('--samples', type=int, default=1)
  parser.add_argument('--runs', type=int, default=3)
  parser.add_argument('--json', default='', help='file to write')
  parser.add_argument('--begun', type=float, help=argparse.SUPPRESS)
  args = parser.parse_args(arguments)
  if args.begun:
    print(json.dumps(_run(args)))
    return
  with tempfile.TemporaryDirectory() as cache:
    found = [_child(args, cache) for _ in range(args.runs + 1)][1:]
  for run in found:
    print(*(f'{name} {value:.2f}' for name, value in run.items()), sep='; ')
  medians = {
    name: statistics.median(run[name] for run in found) for name in found[0]
  }
  print(
    f'median of {args.runs}: the first token after'
    f' {medians["first token, s"]:.1f} s'
  )
  print(f'peak memory: {medians["ratio"]:.2f} of weights and caches')
  if args.json:
    text = json.dumps(vars(args) | machine.describe() | medians, indent=2)
    pathlib.Path(args.json).write_text(f'{text}\n')


def _child(args: argparse.Namespace, cache: str) -> dict[str, float]:
  """One run in a process of its own."""
  command = [
    *(sys.executable, __file__, f'--model={args.model}'),
    *(f'--dtype={args.dtype}', f'--slots={args.slots}'),
    f'--samples={args.samples}',
  ]
  done = subprocess.run(
    [*command, f'--begun={time.time()}'],
    cwd=_ROOT,
    capture_output=True,
    text=True,
    env=os.environ
    | {
      'JAX_COMPILATION_CACHE_DIR': cache,
      'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    },
  )
  if done.returncode:
    raise RuntimeError(done.stderr)
  return json.loads(done.stdout.splitlines()[-1])


def _run(args: argparse.Namespace) -> dict[str, float]:
  """What this process takes, by what it did, in seconds and gigabytes."""
  clock = {'Python, s': time.time() - args.begun}
  lap = lambda name: clock.update({name: time.time() - args.begun})
  import jax

  from wcse_jax import tasks
  from wcse_jax.sampling import Request, Sampler, programs

  lap('imports, s')
  info = tasks.find('gsm8k')
  sampler = Sampler(
    args.model,
    prefix=info.prefix,
    stop_strings=info.stop_strings,
    max_new_tokens=128,
    max_prompt_tokens=128,
    slots=args.slots,
    dtype=args.dtype,
    exact=False,
  )
  lap('weights, s')
  sizes = lambda tree: sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
  decode = programs.Programs.decode

  def first_block(run, params, prefix, table, state):
    decoded = jax.block_until_ready(decode(run, params, prefix, table, state))
    clock['first token, s'] = time.time() - args.begun
    used = sizes((params, prefix, decoded[0].cache)) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    clock.update({'used, GB': used, 'peak, GB': peak, 'ratio': peak / used})
    raise KeyboardInterrupt

  programs.Programs.decode = first_block  # pyright: ignore
  requests = [
    Request(problem_id='p', sample_index=i, prompt=PROBLEM, temperature=0.7)
    for i in range(args.samples)
  ]
  with contextlib.suppress(KeyboardInterrupt):
    next(sampler.stream(requests))
  return clock


if __name__ == '__main__':
  main()
