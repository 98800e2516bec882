"""Which test problems share text with training problems.

  python -m wcse_jax.analysis.overlap problems.parquet [other.parquet] --n=13

compares the training problems of the first file (as `prepare` writes it) with
the test problems of the last, and prints a `report` as JSON. Two problems
overlap if they share n words in a row (13, as in Brown et al. 2020, arXiv
2005.14165, appendix C); shorter problems, if they are the same. Words are
compared without case; numbers and the letters of TeX commands are words.
"""

import argparse
import collections
from collections.abc import Mapping, Sequence
import json
import re

import msgspec

N = 13  # words in a row

_WORD = re.compile(r'[^\W_]+')


class SharedText(msgspec.Struct, frozen=True, kw_only=True):
  """Two problems that share text.

  Attributes:
    test_id: The test problem's id.
    train_id: The training problem's id.
    share: The share of the test problem's runs of n words that the training
      problem has, too.
  """

  test_id: str
  train_id: str
  share: float


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
  """How many problems overlap, and which most.

  Attributes:
    n: How many words in a row two problems share at least.
    train: Training problems.
    test: Test problems.
    pairs: Pairs that overlap.
    test_overlapping: Test problems that share any run of words.
    test_more_than_half: Those of them that share more than half of theirs.
    test_whole: Those that share all.
    worst: The test problems that share most, each with the training problem
      that it is nearest to.
  """

  n: int
  train: int
  test: int
  pairs: int
  test_overlapping: int
  test_more_than_half: int
  test_whole: int
  worst: tuple[SharedText, ...]


def find(
  train: Mapping[str, str], test: Mapping[str, str], n: int = N
) -> list[SharedText]:
  """Returns the overlaps between problems, the largest first.

  Args:
    train: The text of each training problem, by id.
    test: The text of each test problem, by id.
    n: How many words in a row two problems share at least.

  Raises:
    ValueError: n is less than 1.

  >>> find({'a': 'One plus two.'}, {'b': 'two, and one PLUS two'}, n=2)
  [SharedText(test_id='b', train_id='a', share=0.5)]
  """
  if n < 1:
    raise ValueError(f'n = {n} words')
  sizes, holders = {}, collections.defaultdict(list)
  for test_id, text in test.items():
    runs = _runs(text, n)
    sizes[test_id] = len(runs)
    for run in runs:
      holders[run].append(test_id)
  shared = collections.Counter(
    (test_id, train_id)
    for train_id, text in train.items()
    for run in _runs(text, n) & holders.keys()
    for test_id in holders[run]
  )
  found = [
    SharedText(test_id=test_id, train_id=train_id, share=count / sizes[test_id])
    for (test_id, train_id), count in shared.items()
  ]
  return sorted(found, key=lambda o: (-o.share, o.test_id, o.train_id))


def report(
  train: Mapping[str, str],
  test: Mapping[str, str],
  n: int = N,
  listed: int | None = 20,
) -> Overlap:
  """Returns how many problems overlap, and which most.

  Args:
    train: As for `find`.
    test: As for `find`.
    n: As for `find`.
    listed: How many problems to list as the worst; None is all.

  >>> told = report({'a': 'one two'}, {'b': 'One, two', 'c': 'three'}, n=2)
  >>> told.test, told.test_overlapping, told.test_whole
  (2, 1, 1)
  """
  found = find(train, test, n)
  nearest: dict[str, SharedText] = {}
  for overlap in found:
    nearest.setdefault(overlap.test_id, overlap)
  shares = [overlap.share for overlap in nearest.values()]
  return Overlap(
    n=n,
    train=len(train),
    test=len(test),
    pairs=len(found),
    test_overlapping=len(shares),
    test_more_than_half=sum(share > 0.5 for share in shares),
    test_whole=shares.count(1),
    worst=tuple(nearest.values())[:listed],
  )


def _runs(text: str, n: int) -> set[str]:
  words = _WORD.findall(text.lower())
  starts = range(max(1, len(words) - n + 1) if words else 0)
  return {' '.join(words[i : i + n]) for i in starts}


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
  parser = argparse.ArgumentParser(prog='python -m wcse_jax.analysis.overlap')
  parser.add_argument('files', nargs='+', help='problems.parquet')
  parser.add_argument('--n', type=int, default=N, help='words in a row')
  arguments = parser.parse_args(argv)
  train = _questions(arguments.files[0], 'train')
  test = _questions(arguments.files[-1], 'test')
  found = report(train, test, arguments.n, listed=None)
  print(json.dumps(msgspec.to_builtins(found), indent=1))


if __name__ == '__main__':
  main()
