r"""Hostile solutions: what must neither hang a grader nor fill the memory.

Towers of powers, unclosed braces, megabytes, huge sums, NUL bytes, recursive
TeX, right-to-left and look-alike digits: those that can be written down stand
in `hostile.toml`, the others are generated, with a fixed seed.
"""

from collections.abc import Iterable, Iterator
import pathlib
import random
import tomllib

_MEGABYTE = 10**6


def inputs() -> list[tuple[str, str, str]]:
  """(family, gold, text), at least 200."""
  path = pathlib.Path(__file__).with_suffix('.toml')
  found = []
  for table in tomllib.loads(path.read_text(encoding='utf-8'))['inputs']:
    texts = [_whole(text) for text in table.get('texts', ())]
    texts += [_box(_whole(answer)) for answer in table.get('boxed', ())]
    golds = [_whole(gold) for gold in table.get('golds', ('5',))]
    found += [(table['family'], gold, text) for gold in golds for text in texts]
  families = (_megabytes, _bytes, _lists, _noise, _backtracking)
  return found + [
    (family.__name__[1:], gold, text)
    for family in families
    for gold, text in family()
  ]


def _whole(parts: Iterable[str | tuple[str, int]]) -> str:
  return ''.join(p if isinstance(p, str) else p[0] * p[1] for p in parts)


def _box(answer: str) -> str:
  return f'\\boxed{{{answer}}}'


def _megabytes() -> Iterator[tuple[str, str]]:
  pieces = (
    '1', '1,', ' ', '\n', '\\', '$', '{', '}', '\\boxed{', '\\boxed{1}',
    'The answer is ', 'The answer is 1. ', '#### ', '#### 1\n', '^', '_{', '(',
    '\\frac', '\\text{', '.', '-', 'a', 'é', '\u202e', '\x00',
  )  # fmt: skip
  for piece in pieces:
    long = piece * (_MEGABYTE // len(piece))
    yield '5', long
    yield '5', _box(long[:90_000])
    yield '5', f'The answer is {long[:900]}'


def _bytes() -> Iterator[tuple[str, str]]:
  marks = (
    '\x00', '\x01', '\x1b[2J', '\x7f', '\ufeff', '\u2028', '\ud800', '\uffff',
    '\r', '\x0b', '\x85', '\u200b', '\u0301', '\U0010ffff',
  )  # fmt: skip
  for mark in marks:
    yield '5', _box(f'5{mark}')
    yield '5', f'{mark}The answer is {mark}6'


def _lists() -> Iterator[tuple[str, str]]:
  gold = ','.join(['1+x'] * 60)
  yield gold, _box(','.join(map(str, range(200))))
  yield gold, _box(', '.join(f'x_{i}={i}' for i in range(60)))


def _noise() -> Iterator[tuple[str, str]]:
  rng = random.Random(0)
  alphabet = ['\\frac', '\\sqrt', '{', '}', '(', ')', '^', '_', '1', 'x', '+']
  alphabet += ['\\le', '=', ',', '\\text{', '&', '\\\\', '|', '!', '\\sin', '-']
  for _ in range(40):
    answer = ''.join(rng.choices(alphabet, k=rng.randrange(2, 60)))
    yield '5', _box(f'{answer} ')


def _backtracking() -> Iterator[tuple[str, str]]:
  """Long runs that end with what does not fit, for regular expressions."""
  pieces = ('a', 'a ', 'a.', '1', '1,', ' ', ', ', '-', '(', ':', '1:', '1/')
  for piece in pieces:
    yield '5', f'\\boxed{{5 {piece * 440}!7}}'
    yield 'a', f'The answer is ${piece * 440}\x01'
