"""What share of the prompt tokens that a sampler computes is padding.

  python benchmarks/padding.py --problems=80

Counts, for the training problems of the nano task and of GSM8K
(`$WCSE_DATA_DIR/gsm8k/`), the places in which questions are computed, eight at
a time: all in the columns of the longest, as an exact sampler does; or each in
those of its own length (`shapes.question_columns`), with rows that are left
filled by shorter ones, as others do. Nothing is computed.
"""

import argparse
import collections
from collections.abc import Sequence
import itertools
import os
import pathlib
import sys


def main(argv: Sequence[str] | None = None) -> int:
  """Counts and prints."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--problems', type=int, default=80)
  number = parser.parse_args(argv).problems
  from wcse_jax import models
  from wcse_jax.tasks import gsm8k
  from wcse_jax.tasks.nano import task as nano

  folder = pathlib.Path(os.environ['WCSE_DATA_DIR'], 'gsm8k')
  for name, model, problems in (
    ('nano', 'nano_wc', nano.problems()['train']),
    ('gsm8k', 'gemma3_270m', gsm8k.problems(str(folder))['train']),
  ):
    encode = models.load(model).tokenizer.encode
    lengths = [
      len(encode(p.prompt)) for p in itertools.islice(problems, number)
    ]
    one, own = (share(lengths, exact) for exact in (True, False))
    print(
      f'{name}: {len(lengths)} prompts of {min(lengths)} to {max(lengths)}'
      f' tokens; padding {one:.0%} in one length, {own:.0%} in their own'
    )
  return 0


def share(lengths: Sequence[int], exact: bool) -> float:
  """Returns the share of places in which there is no token of a question.

  Args:
    lengths: Of the questions, in tokens.
    exact: As of `Sampler`.

  Example:
    >>> share([10] * 8 + [30] * 8, True), share([10] * 12 + [30] * 4, False)
    (0.375, 0.375)
  """
  from wcse_jax.sampling import programs, schedule, shapes

  most, waiting = shapes.whole_tiles(max(lengths)), {}
  for n in lengths:
    columns = most if exact else shapes.question_columns(n, most)
    waiting.setdefault(columns, collections.deque()).append(n)
  places = 0
  for columns in sorted(waiting, reverse=True):  # the longest go first
    while waiting[columns]:
      schedule.take(waiting, columns, programs.QUESTIONS)
      places += programs.QUESTIONS * columns
  return 1 - sum(lengths) / places


if __name__ == '__main__':
  sys.exit(main())
