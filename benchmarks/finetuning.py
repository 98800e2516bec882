r"""This project's train step against what else one could use, on one core.

  python benchmarks/finetuning.py --peers=tunix,transformers --json=FILE

It needs GSM8K's `train.jsonl` in `$WCSE_DATA_DIR/gsm8k/`. README.md beside this
file says what is measured, and what came out.
"""

import argparse
from collections.abc import Sequence
import json
import os
import pathlib
import sys
import tempfile
import time

import machine  # beside this file

PEERS = ('tunix', 'transformers')


def main(argv: Sequence[str] | None = None) -> int:
  """Measures, and writes JSON; returns the exit code."""
  args = _parse(argv)
  machine.use_cores(last=args.core)
  import training  # after the core was chosen: JAX looks only once

  start = time.monotonic()
  tell = lambda text: print(
    f'{time.monotonic() - start:5.0f} s  {text}', file=sys.stderr, flush=True
  )
  result = {'command': ' '.join(sys.argv), 'machine': machine.describe()}
  with tempfile.TemporaryDirectory(prefix='wcse_bench_') as name:
    folder = pathlib.Path(name)
    tell('packing')
    result |= training.throughput(
      training.gsm8k(args.examples, args.row_tokens, args.dtype),
      [peer for peer in args.peers.split(',') if peer],
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
  add('--peers', default='', help=f'of {", ".join(PEERS)}; may be empty')
  add('--json', default='', help='file to write')
  add('--repeats', type=int, default=5, help='turns of ours')
  add('--peer_rounds', type=int, default=2, help='turns of each peer')
  add('--examples', type=int, default=64, help='of a turn')
  add('--row_tokens', type=int, default=512, help='of a packed row')
  add(
    '--dtype',
    default='float32',
    choices=['float32', 'bfloat16'],
    help='of products; weights and moments stay float32, but for tunix',
  )
  add('--core', type=int, default=None, help='default: the last one')
  args = parser.parse_args(argv)
  unknown = set(args.peers.split(',')) - {'', *PEERS}
  if unknown:
    parser.error(f'--peers={args.peers}: no peer {", ".join(sorted(unknown))}')
  if min(args.repeats, args.peer_rounds, args.examples) < 1:
    parser.error('--repeats, --peer_rounds and --examples: at least 1')
  if 'WCSE_DATA_DIR' not in os.environ:
    parser.error('set WCSE_DATA_DIR to a folder with gsm8k/train.jsonl in it')
  return args


if __name__ == '__main__':
  sys.exit(main())
