"""`python -m wcse_jax.verify`: has seqio's Evaluator grade a pool again.

    python -m wcse_jax.verify --workdir=RUN --generator=wc

runs `seqio.Evaluator` over the pool's samples with the `postprocess_fn` and the
`metric_fns` of the task's seqio Task, in a process of its own. It prints the
metrics, and how many verdicts are those that the stage `verify` committed; the
exit code is 1 if one is not, or a metric is not. The run is not written to.
"""

import argparse
from collections.abc import Sequence
import pathlib
import sys

from wcse_jax.errors import Error
from wcse_jax.runtime.children import Child


def parse(argv: Sequence[str] | None) -> dict[str, str]:
  """Returns the arguments: workdir, generator, split."""
  parser = argparse.ArgumentParser(
    'wcse_jax.verify', description='Has seqio grade a pool again.'
  )
  parser.add_argument('--workdir', required=True, help='of the run')
  parser.add_argument('--generator', required=True, help="of the pool: 'wc'")
  parser.add_argument('--split', default='train', help='of the problems')
  return vars(parser.parse_args(argv))


def main(argv: Sequence[str] | None = None) -> int:
  """Returns the exit code."""
  request = parse(argv)
  request['workdir'] = str(pathlib.Path(request['workdir']).absolute())
  print('seqio starts, this takes a while', file=sys.stderr)
  try:
    with Child('wcse_jax.seqio_tasks.evaluate') as child:
      answer = child.request(request)
  except Error as error:
    print(f'error: {error}', file=sys.stderr)
    return 1
  differing, samples = answer['differing'], answer['samples']
  for name, value in answer['metrics'].items():
    print(f'{name}: {value:.4f} (committed: {answer["committed"][name]:.4f})')
  print(f'{samples - len(differing):,} of {samples:,} verdicts are the same')
  for problem_id, index, old, new in differing[:10]:
    print(f'{problem_id}, sample {index}: {old} was committed, now {new}')
  return int(bool(differing) or answer['metrics'] != answer['committed'])


if __name__ == '__main__':
  sys.exit(main())
