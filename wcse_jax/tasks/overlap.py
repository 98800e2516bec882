"""Which test problems share text with training problems.

  python -m wcse_jax.tasks.overlap problems.parquet [other.parquet] --n=13

compares the training problems of the first file (as `prepare` writes it) with
the test problems of the last, and prints counts and pairs as JSON. Two problems
overlap if they share n words in a row (13, as in Brown et al. 2020, arXiv
2005.14165, appendix C); shorter problems, if they are the same. Words are
compared without case; numbers and the letters of TeX commands are words.
"""

import argparse
import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import json
import re
from typing import Any

N = 13  # words in a row

_WORD = re.compile(r'[^\W_]+')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap:
  """Two problems that share text.

  Attributes:
    test_id: The test problem.
    train_id: The training problem.
    share: Of the test problem's runs of n words, how many the other has, 0-1.
  """

  test_id: str
  train_id: str
  share: float


def find(
  train: Mapping[str, str], test: Mapping[str, str], n: int = N
) -> list[Overlap]:
  """The overlaps between problems, given by id and text.

  Returns:
    One for each pair, in the order of the test problems, the largest first.
  """
  if n < 1:
    raise ValueError(f'n = {n} words')
  holders = collections.defaultdict(set)
  for train_id, text in train.items():
    for run in _runs(text, n):
      holders[run].add(train_id)
  found = []
  for test_id, text in test.items():
    runs = set(_runs(text, n))
    shared = collections.Counter(
      train_id for run in runs for train_id in holders.get(run, ())
    )
    found += [
      Overlap(test_id=test_id, train_id=train_id, share=count / len(runs))
      for train_id, count in sorted(
        shared.items(), key=lambda item: (-item[1], item[0])
      )
    ]
  return found


def counts(
  train: Mapping[str, str], test: Mapping[str, str], n: int = N
) -> dict[str, int]:
  """How many problems overlap, for a report."""
  found = find(train, test, n)
  most: dict[str, float] = {}
  for overlap in found:
    most.setdefault(overlap.test_id, overlap.share)
  return {
    'n': n,
    'train': len(train),
    'test': len(test),
    'pairs': len(found),
    'test_overlapping': len(most),
    'test_more_than_half': sum(share > 0.5 for share in most.values()),
    'test_whole': sum(share == 1 for share in most.values()),
  }


def _runs(text: str, n: int) -> Iterator[tuple[str, ...]]:
  words = _WORD.findall(text.lower())
  if words:
    for i in range(max(1, len(words) - n + 1)):
      yield tuple(words[i : i + n])


def _questions(path: str, split: str) -> dict[str, str]:
  import pyarrow.parquet as pq

  rows = pq.read_table(path, columns=['problem_id', 'split', 'question'])
  return {
    row['problem_id']: row['question']
    for row in rows.to_pylist()
    if row['split'] == split
  }


def main(argv: Sequence[str] | None = None) -> None:
  """The command line."""
  parser = argparse.ArgumentParser(prog='python -m wcse_jax.tasks.overlap')
  parser.add_argument('files', nargs='+', help='problems.parquet')
  parser.add_argument('--n', type=int, default=N, help='words in a row')
  arguments = parser.parse_args(argv)
  train = _questions(arguments.files[0], 'train')
  test = _questions(arguments.files[-1], 'test')
  report: dict[str, Any] = dict(counts(train, test, arguments.n))
  report['overlaps'] = [
    dataclasses.asdict(overlap) for overlap in find(train, test, arguments.n)
  ]
  print(json.dumps(report, indent=1))


if __name__ == '__main__':
  main()
