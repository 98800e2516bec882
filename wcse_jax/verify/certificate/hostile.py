r"""Hostile solutions: what must neither hang a grader nor fill the memory.

Towers of powers, unclosed braces, megabytes, huge sums, NUL bytes, recursive
TeX, right-to-left and look-alike digits: those that can be written down stand
in `hostile.toml`, the others are generated, with a fixed seed.
"""

from collections.abc import Iterable, Iterator, Sequence
import random

from wcse_jax import data_files

_MEGABYTE = 10**6
_Pairs = Iterator[tuple[str, str]]  # gold, text


def inputs() -> list[tuple[str, str, str]]:
  """(family, gold, text), at least 200."""
  found = []
  for table in data_files.tables(__file__)['inputs']:
    texts = [_whole(text) for text in table.get('texts', ())]
    texts += [_box(_whole(answer)) for answer in table.get('boxed', ())]
    golds = [_whole(gold) for gold in table.get('golds', ('5',))]
    found += [(table['family'], gold, text) for gold in golds for text in texts]
  for family in (_megabytes, _bytes, _lists, _noise, _backtracking):
    name = family.__name__[1:]
    pieces = data_files.tables(__file__)['pieces'].get(name, ())
    found += [(name, gold, text) for gold, text in family(pieces)]
  return found


def _whole(parts: Iterable[str | tuple[str, int]]) -> str:
  return ''.join(p if isinstance(p, str) else p[0] * p[1] for p in parts)


def _box(answer: str) -> str:
  return f'\\boxed{{{answer}}}'


def _megabytes(pieces: Iterable[str]) -> _Pairs:
  for piece in pieces:
    long = piece * (_MEGABYTE // len(piece))
    yield '5', long
    yield '5', _box(long[:90_000])
    yield '5', f'The answer is {long[:900]}'


def _bytes(marks: Iterable[str]) -> _Pairs:
  for mark in (*marks, '\ud800'):  # which TOML cannot hold
    yield '5', _box(f'5{mark}')
    yield '5', f'{mark}The answer is {mark}6'


def _lists(_: object) -> _Pairs:
  gold = ','.join(['1+x'] * 60)
  yield gold, _box(','.join(map(str, range(200))))
  yield gold, _box(', '.join(f'x_{i}={i}' for i in range(60)))


def _noise(alphabet: Sequence[str]) -> _Pairs:
  rng = random.Random(0)
  for _ in range(40):
    answer = ''.join(rng.choices(alphabet, k=rng.randrange(2, 60)))
    yield '5', _box(f'{answer} ')


def _backtracking(pieces: Iterable[str]) -> _Pairs:
  """Long runs that end with what does not fit, for regular expressions."""
  for piece in pieces:
    yield '5', f'\\boxed{{5 {piece * 440}!7}}'
    yield 'a', f'The answer is ${piece * 440}\x01'
