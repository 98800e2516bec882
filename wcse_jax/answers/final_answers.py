r"""The final answer of a mathematical solution: finding it and tidying it.

`extract` finds what a solution in TeX gives as its answer; `tidy` takes off
what carries no value: dollar signs, spacing, units, punctuation.
"""

import collections
import re
from typing import NamedTuple

from wcse_jax import data_files

MAX_LENGTH = 1000  # characters of an answer


_TABLES = data_files.tables(__file__)
_PATTERNS = data_files.patterns(__file__)
_SIGNS = str.maketrans(_TABLES['signs'])
_UNITS = {
  word: unit for unit, words in _TABLES['units'].items() for word in words
}
_NOT_UNITS = frozenset(_TABLES['not_units'])


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
  """Whether two answers are the same letter by letter, but for white space."""
  return squeezed(a.core) == squeezed(b.core)


def boxed(text: str) -> str | None:
  r"""What the last `\boxed{}` holds; None without one, '' if it is not closed.

  `\fbox{}` and `\boxed 2` are taken too.

  >>> boxed(r'\boxed{3}, no: \boxed{\frac{1}{2}}')
  '\\frac{1}{2}'
  """
  last = _last(_PATTERNS['box'], text)
  if last is None:
    return None
  tail = text[last.end() :]
  if not tail.startswith('{'):
    return re.split(r'[\s$.,]', tail, maxsplit=1)[0]
  depth = 0
  for match in re.finditer(r'\\.|[{}]', tail, re.DOTALL):
    depth += (match[0] == '{') - (match[0] == '}')
    if not depth and match[0] == '}':
      return tail[1 : match.start()].strip()
  return ''


def extract(text: str) -> str:
  r"""What a solution gives as its final answer; '' if it gives none.

  The last of `\boxed{...}`, 'the answer is ...' and '#### ...' counts, so
  two boxes are one answer, the second. After a box, 'the answer is' counts if
  mathematics follows: 'the answer is correct' is none. Dollar signs go.

  >>> extract(r'So \boxed{3}. The answers are $2$ and $5$. Done.')
  '2, 5'
  """
  phrase, box = _last(_PATTERNS['phrase'], text), _last(_PATTERNS['box'], text)
  if phrase is None or (box and box.start() >= phrase.end()):
    return boxed(text) or ''
  tail = text[phrase.end() :][: 2 * MAX_LENGTH]
  prose = not phrase['strong'] or len(_sentence(tail).split()) > 2
  if box and prose and not _PATTERNS['math_start'].match(tail):
    return boxed(text) or ''
  if hope := _PATTERNS['hope'].search(tail):
    tail = tail[: hope.start()]
  if segments := _segments(tail):
    return segments
  if tail.startswith(('\\[', '\\(', '$')) and not tail.startswith('$$'):
    tail = tail.removeprefix('$')  # of money, or never closed
  return _sentence(tail).strip().strip('*').strip()


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
  return next(iter(collections.deque(pattern.finditer(text), maxlen=1)), None)


def _segments(tail: str) -> str:
  """The formulas that a text begins with: '$2$ and $3$ work' has '2, 3'."""
  found = []
  start = re.match(r'[\s*(]*(?:[a-zA-Z]\w* (?=\$|\\\())?', tail)
  at = start.end() if start else 0
  while match := _PATTERNS['math'].match(tail, at):
    inner = next(part for part in match.groups() if part is not None)
    found.append(inner.strip().rstrip('.'))
    joined = _PATTERNS['joined'].match(tail, match.end())
    if not joined:
      return ', '.join(found) + _unit_after(tail[match.end() :])
    at = joined.end()
  return ', '.join(found)


def _unit_after(tail: str) -> str:
  match = re.match(r'\s*([a-zA-Z]+)', tail)
  unit = match and _UNITS.get(match[1].lower())
  return f'\\text{{ {unit}}}' if unit else ''


def _sentence(tail: str) -> str:
  at = 0
  while match := _PATTERNS['sentence_end'].search(tail, at):
    if not _PATTERNS['abbreviation'].search(
      tail[max(0, match.start() - 4) : match.start()]
    ):
      return tail[: match.start()]
    at = match.end()
  return tail


def tidy(answer: str) -> Tidy:
  r"""Takes off an answer what carries no value: spacing, units, punctuation.

  >>> tidy(r'2{,}400\text{ cm}^2.')
  Tidy(core='2400', unit='centimeter', is_text=False)
  """
  units = set()
  text = answer.translate(_SIGNS).replace('\\tfrac', '\\frac')
  text = text.replace('\\dfrac', '\\frac').replace('**', '')
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
    text = _PATTERNS['unwrapped'].sub(r'\1', text)
  text, is_text = _without_text(text, units)
  text = _PATTERNS['split_words'].sub(', ', text)
  text = re.sub(r'(?:,\s*)+,', ',', text).rstrip(' .,;:=').lstrip(' ,;:=')
  text = re.sub(r'^\\(?:approx|sim)(?![a-zA-Z])\s*', '', text)
  if not is_text and (match := _PATTERNS['words_after'].fullmatch(text)):
    words = match[3].lower().replace('-', ' ').split()
    words = [word.rstrip('.') for word in words]
    known = [_UNITS[word] for word in words if word in _UNITS and word != 'm']
    spaced = match[2] and all(len(word) > 3 for word in words)
    if (known or spaced) and not _NOT_UNITS.intersection(words):
      units.update(known)
      text = match[1]
  match = _PATTERNS['thousands'].fullmatch(text)
  if match and not re.search(r'[(\[]', text):
    text = match[1].replace(',', '') + match[2]
  unit = units.pop() if len(units) == 1 else ''
  return Tidy(text.strip(), unit, is_text)


def _without_text(text: str, units: set[str]) -> tuple[str, bool]:
  r"""Takes \text{} off: the words stay if there is nothing else."""
  if '\\' not in text or not _PATTERNS['text'].search(text):
    return text, False
  others = _PATTERNS['text'].sub(' ', text)
  if not re.search(r'[0-9a-zA-Z]', re.sub(r'_\s*\{?[0-9]+\}?', '', others)):
    words = _PATTERNS['text'].sub(r'\1', text)
    return words, not re.fullmatch(r'[\s0-9.,()+-]*', words)
  if _PATTERNS['clock'].fullmatch(
    ' '.join(m[1] for m in _PATTERNS['text'].finditer(text))
  ):
    return _PATTERNS['text'].sub(r'\1', text), True

  def replaced(match: re.Match[str]) -> str:
    inner = match[1]
    if match[3] or re.fullmatch(r'\s*[0-9.]+\s*', inner):
      return inner
    if _PATTERNS['and'].match(inner):
      return ' , '
    for word in re.findall('[a-z]+', inner.lower()):
      if word in _UNITS:
        units.add(_UNITS[word])
    return ' '

  return _PATTERNS['text'].sub(replaced, text), False
