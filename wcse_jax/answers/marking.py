r"""Which letters of an answer in TeX are words, and not names of variables.

What `\text{}` holds are words, but for a letter on its own: `3\text{x}` is 3x.
So are letters outside of it that make a word of four or more, or a shorter one
that has a meaning beside a value (`prose.is_known`).
"""

import re

from wcse_jax import data_files
from wcse_jax.answers import prose

_TABLES = data_files.tables(__file__)
_PATTERNS = data_files.patterns(__file__)
_FUNCTIONS = frozenset(_TABLES['functions'])
_UNIT_LETTERS = frozenset(_TABLES['unit_letters'])
_HAS_LETTERS = re.compile(r'(?<![\\a-zA-Z])[a-zA-Z][a-z]')
_NEW_WORD = 4  # letters of a word that need not be known


def mark(text: str) -> str:
  r"""A text, its words marked for `prose.read`.

  >>> mark(r'3\mathrm{i}'), mark('2xy')
  ('3i', '2xy')
  >>> mark('5 feet') == '5 ' + prose.mark('feet')
  True
  """
  if '^' in text or _HAS_LETTERS.search(text):
    text = _PATTERNS['thermometer'].sub(_thermometer, text)
    text = _PATTERNS['ordinal'].sub(prose.mark('th'), text)
  if '\\' in text:
    text = _PATTERNS['text'].sub(_inner, text)
  if _HAS_LETTERS.search(text):
    text = _PATTERNS['word'].sub(_outer, text)
  return text


def inside(text: str) -> str | None:
  r"""What `\text{}` holds, if nothing else has a value; else None.

  A base does not count: `\text{A5}_{11}`.

  >>> inside(r'\text{Friday}.'), inside(r'5\text{ feet}')
  ('Friday.', None)
  """
  pattern = _PATTERNS['text']
  if '\\' not in text or not pattern.search(text):
    return None
  others = pattern.sub(' ', text)
  if re.search(r'[0-9a-zA-Z]', re.sub(r'_\s*\{?[0-9]+\}?', '', others)):
    parts = ' '.join(m['inner'] for m in pattern.finditer(text))
    if not _PATTERNS['clock'].fullmatch(parts):
      return None
  return pattern.sub(r'\g<inner>', text)


def _thermometer(match: re.Match[str]) -> str:
  scale = 'celsius' if match[2] == 'C' else 'fahrenheit'
  return match[1] + prose.mark(scale)


def _inner(match: re.Match[str]) -> str:
  words = match['inner']
  letter = words.strip()
  if match['subscript'] is not None:
    return words
  if len(letter) == 1 and letter.isalpha():
    is_unit = letter in _UNIT_LETTERS and match.string[match.end() :].strip(
      ' .,$'
    )[:1] in ('', '^', '/')
    return prose.mark(letter) if is_unit and match.start() else letter
  return _PATTERNS['inner_word'].sub(_marked, words)


def _marked(match: re.Match[str]) -> str:
  word = match[0]
  return word if word in _FUNCTIONS else prose.mark(word)


def _outer(match: re.Match[str]) -> str:
  word = match['word']
  if not word or word in _FUNCTIONS:
    return match[0]
  is_word = len(word) >= _NEW_WORD or prose.is_known(word)
  return prose.mark(word) if is_word else match[0]
