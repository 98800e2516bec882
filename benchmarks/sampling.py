r"""This project's sampler against what else one could use, on a core or more.

  python benchmarks/sampling.py --peers=gm,tunix,transformers --json=FILE
  python benchmarks/sampling.py --shape=gemma3_270m --peers=gm --json=FILE
  python benchmarks/sampling.py --shape=gemma3_270m --greedy --json=FILE
  python benchmarks/sampling.py --shape=gemma3_270m --peers=vllm,llamacpp \
    --problems=20 --no-exact --dtype=bfloat16 --cores=2 --json=FILE
  python benchmarks/sampling.py --linear --json=FILE

README.md beside this file says what is measured, and what came out.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import sys
import tempfile
import time

import machine  # beside this file

ENGINES = ('vllm', 'llamacpp')
PEERS = ('gm', 'gm_defaults', 'tunix', 'transformers', *ENGINES)


def main(argv: Sequence[str] | None = None) -> int:
  """Measures, and writes JSON; returns the exit code."""
  args = _parse(argv)
  machine.use_cores(args.cores, args.core)
  import measures  # after the cores were chosen: JAX looks only once
  import workloads

  start = time.monotonic()
  tell = lambda text: print(
    f'{time.monotonic() - start:5.0f} s  {text}', file=sys.stderr, flush=True
  )
  result = {'command': ' '.join(sys.argv), 'machine': machine.describe()}
  with tempfile.TemporaryDirectory(prefix='wcse_bench_') as name:
    folder = pathlib.Path(name)
    peers = [peer for peer in args.peers.split(',') if peer]
    if args.linear:
      result |= measures.linear(args.problems or 400, tell)
    else:
      work = workloads.of_shape(
        args.shape,
        args.problems or (20 if args.greedy else 80),
        dtype=args.dtype,
        exact=args.exact,
      )
      result['shapes'] = _shapes(args.shape, work)
      if args.greedy:
        result |= measures.greedy(
          work, peers, new_tokens=64, folder=folder, tell=tell
        )
      else:
        result |= measures.throughput(
          work,
          peers,
          repeats=args.repeats,
          peer_rounds=args.peer_rounds,
          folder=folder,
          tell=tell,
        )
  result['seconds'] = time.monotonic() - start
  text = json.dumps(result, indent=2)
  if args.json:
    pathlib.Path(args.json).write_text(text + '\n')
  print(text)
  return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  add = parser.add_argument
  add('--shape', choices=('31m', 'gemma3_270m', 'tiny'), default='31m')
  add('--peers', default='gm', help=f'of {", ".join(PEERS)}; may be empty')
  add('--json', default='', help='file to write')
  add('--repeats', type=int, default=7, help='turns of ours')
  add('--peer_rounds', type=int, default=2, help='turns of each peer')
  add('--core', type=int, default=None, help='the last; default: of all')
  add('--cores', type=int, default=1, help='so many, up to that one')
  add('--greedy', action='store_true', help='compare greedy tokens')
  add('--linear', action='store_true', help='double the problems')
  add('--problems', type=int, help='the first so many, before doubling')
  formats = 'float32', 'bfloat16', 'int8'
  add('--dtype', choices=formats, default='float32', help='int8: ours alone')
  add(
    '--exact',
    action=argparse.BooleanOptionalAction,
    default=True,
    help='of ours: all slots decode until the last sample ends',
  )
  args = parser.parse_args(argv)
  peers = set(args.peers.split(','))
  unknown = peers - {'', *PEERS}
  if unknown:
    parser.error(f'--peers={args.peers}: no peer {", ".join(sorted(unknown))}')
  if peers & {*ENGINES} and args.shape != 'gemma3_270m':
    parser.error(f'{", ".join(ENGINES)}: with --shape=gemma3_270m')
  if min(args.repeats, args.peer_rounds) < 1:
    parser.error('--repeats and --peer_rounds: at least 1')
  return args


def _shapes(name: str, work) -> dict[str, object]:
  prefix = 1 + len(work.encode(work.prefix))
  questions = [len(work.encode(prompt)) for prompt in work.prompts]
  return {
    'name': name,
    'non_embedding_params': work.model.config.non_embedding_params,
    'vocabulary': work.model.config.num_embed,
    'prefix_tokens': prefix,
    'question_tokens': [min(questions), max(questions)],
    'max_new_tokens': work.max_new_tokens,
    'ours': {
      'problems': len(questions),
      'samples': work.n,
      'slots': work.slots,
    },
    'peers': {'problems': work.peer_prompts, 'samples': work.peer_n},
    'stop_strings': list(work.stop_strings),
    'dtype': work.dtype,
    'exact': work.exact,
  }


if __name__ == '__main__':
  sys.exit(main())
