r"""Tidying a final answer: what carries no value is taken off.

That is dollar signs, spacing, punctuation, and words as far as they are units
or the things that are counted. `extraction` finds the answer.
"""

import re
from typing import NamedTuple

from wcse_jax import data_files
from wcse_jax.answers import marking, prose, signs, words

MAX_LENGTH = 1000  # characters of an answer

_PATTERNS = data_files.patterns(__file__)
_BLANK = str.maketrans({'~': ' ', '\n': ' ', '\t': ' '})
_FRACTIONS = ('\\tfrac', '\\dfrac', '\\nicefrac', '\\sfrac')


class Tidy(NamedTuple):
  """An answer without its dress.

  Attributes:
    core: What carries the value.
    unit: What is known of its unit, e.g. 'foot'; '' if nothing is.
    is_text: Whether it is words, not mathematics.
  """

  core: str
  unit: str
  is_text: bool


def squeezed(core: str) -> str:
  """An answer without the white space that does not part numbers or names."""
  return _PATTERNS['loose'].sub('', ' '.join(core.split()))


def written_alike(a: Tidy, b: Tidy) -> bool:
  """Whether two answers are the same letter by letter, but for white space.

  That counts between thousands: 12,345 is a number, and 12, 345 is a list.
  """
  if (', ' in a.core) != (', ' in b.core) and (
    _PATTERNS['thousands'].fullmatch(a.core)
    or _PATTERNS['thousands'].fullmatch(b.core)
  ):
    return False
  return squeezed(a.core) == squeezed(b.core)


def tidy(answer: str, context: str = '') -> Tidy:
  r"""Takes off an answer what carries no value: spacing, units, punctuation.

  >>> tidy(r'2{,}400\text{ cm}^2.')
  Tidy(core='2400', unit='centimeter', is_text=False)

  Args:
    answer: As it is written.
    context: Where things that are counted have names, as the question.

  Raises:
    Unreadable: Words in it make its value another, or are not known.
  """
  text, units = _undressed(answer)
  text, is_text, more = _read_words(text, context)
  text = re.sub(r'(?:,\s*)+(,|\\lor)', r'\1', text)
  text = text.rstrip(' .,;:=').lstrip(' ,;:=')
  text = re.sub(r'^\\(?:approx|sim)(?![a-zA-Z])\s*', '', text)
  units |= more
  if len(units) > 1:
    units.discard('degree')  # of a thermometer
  unit = units.pop() if len(units) == 1 else ''
  return Tidy(text.strip(), unit, is_text)


def _undressed(answer: str) -> tuple[str, set[str]]:
  """An answer without what only dresses it, and the units among that."""
  units = set()
  text = signs.plain(answer).translate(_BLANK).replace('**', '')
  for command in _FRACTIONS:
    text = text.replace(command, '\\frac')
  text = _PATTERNS['spacing'].sub(' ', _PATTERNS['grouped'].sub('', text))
  if '\\$' in text:
    units.add('dollar')
  if '%' in text:
    units.add('percent')
  if _PATTERNS['degrees'].search(text):
    units.add('degree')
  text = text.replace('\\$', ' ').replace('\\%', ' ').replace('%', ' ')
  text = _PATTERNS['dollars'].sub(' ', text).strip()
  for opening, closing in (('\\(', '\\)'), ('\\[', '\\]')):
    if text.startswith(opening) and text.endswith(closing):
      text = text[2:-2]
  if '{' in text:
    text = _PATTERNS['unwrapped'].sub(r'\1', _PATTERNS['color'].sub('', text))
  return text, units


def _read_words(text: str, context: str) -> tuple[str, bool, frozenset[str]]:
  """An answer without its words, whether it is words, and their units."""
  inside = marking.inside(text)
  marked = marking.mark(text)
  if inside is None and marked == text:
    return _with_unions(text), False, frozenset()
  as_words = inside or text, inside is not None, frozenset()
  if inside and _PATTERNS['clock'].search(inside):
    return as_words
  try:
    reading = prose.read(marked, context)
  except prose.Unreadable:
    if inside is None and not words.look_plain(text):
      raise
    return as_words
  value = '[0-9∞]' if inside else '[0-9a-zA-Z∞]'
  if not re.search(value, reading.core):
    return as_words
  return _with_unions(signs.plain(reading.core)), False, reading.units


def _with_unions(text: str) -> str:
  return _PATTERNS['union'].sub(r'\\cup ', text) if 'U' in text else text
