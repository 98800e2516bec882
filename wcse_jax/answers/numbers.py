"""Final answers: finding them in a solution and comparing them, exactly.

Numbers are rationals (`fractions.Fraction`), never floats. A percent sign and
a currency sign carry no value: 10% is 10. What could be read in two ways (a
range, a list, a time, an expression without its result) is no answer.
"""

import fractions
import re
from typing import Literal

from wcse_jax import data_files

Style = Literal['gsm8k', 'nano']

_PATTERNS = data_files.patterns(__file__)
_MAX_DIGITS = 100


def number(text: str) -> fractions.Fraction | None:
  """The number that a text is, as a whole; None if it is none.

  >>> number('$1,234.00'), number('-3/6'), number('1 1/2'), number('7 eggs')
  (Fraction(1234, 1), Fraction(-1, 2), Fraction(3, 2), None)
  """
  match = _PATTERNS['number'].fullmatch(_plain(text).strip())
  return _value(match) if match else None


def extract(text: str, style: Style) -> str:
  r"""The final answer of a solution, in canonical form; '' if it has none.

  Equal numbers have equal canonical forms, so that answers can be voted on:
  '1,234.00' gives '1234'.

  >>> extract('2/4 = 1/2. The answer is $0.50 (or 50 cents).', 'gsm8k')
  '1/2'
  >>> extract('The answer is 3 or 4.', 'gsm8k'), extract('Say 5.', 'nano')
  ('', '')

  Args:
    text: The solution.
    style: 'gsm8k' takes the number after the last of `#### N`, `The answer is
      N` and `\boxed{N}`. 'nano' takes an integer after the last `The answer
      is `, and nothing else.
  """
  if style == 'nano':
    *_, tail = _PATTERNS['nano_phrase'].split(text)
    match = _PATTERNS['nano_number'].match(tail) if tail != text else None
    value = number(match[0]) if match else None
  else:
    value = _last_number(text)
  return '' if value is None else str(value)


def equivalent(gold: str, answer: str) -> bool:
  """Whether two answers are the same number.

  >>> equivalent('1,000', '10^3'), equivalent('1,000', '$1000.0')
  (False, True)

  Args:
    gold: The right answer.
    answer: Another; what is no number is unlike all.

  Raises:
    ValueError: `gold` is not a number.
  """
  expected = number(gold)
  if expected is None:
    raise ValueError(f'the gold answer {gold!r} is not a number')
  return number(answer) == expected


def _last_number(text: str) -> fractions.Fraction | None:
  phrases = list(_PATTERNS['phrase'].finditer(text))
  if not phrases:
    return None
  phrase = phrases[-1]
  tail = text[phrase.end() :]
  tail = _braced(tail) if phrase['box'] else tail.lstrip(' \t\n:')
  sentence, *_ = _PATTERNS['sentence_end'].split(_plain(tail), maxsplit=1)
  first, *others = sentence.split('=')
  # 'The answer is 3 + 4 = 7', and 'The answer is 7 = 3 + 4'.
  for part in [*others[-1:], first]:
    match = _PATTERNS['number'].search(part)
    if match and not _PATTERNS['continued'].match(part, match.end()):
      return _value(match)
  return None


def _braced(text: str) -> str:
  """What stands before the brace that closes the one already open."""
  depth = 1
  for i, letter in enumerate(text):
    depth += (letter == '{') - (letter == '}')
    if not depth:
      return text[:i]
  return ''


def _plain(text: str) -> str:
  """Without the dress of TeX, Markdown and currency."""
  text = text.replace('\u2212', '-').replace('{,}', ',')
  text = _PATTERNS['frac'].sub(r'\1/\2', text)
  return _PATTERNS['noise'].sub('', _PATTERNS['text'].sub('', text))


def _value(match: re.Match[str]) -> fractions.Fraction | None:
  parts = match.group('whole', 'top', 'bottom')
  if sum(len(part or '') for part in parts) > _MAX_DIGITS:
    return None
  whole, top, bottom = (
    fractions.Fraction((part or default).replace(',', ''))
    for part, default in zip(parts, '001', strict=True)
  )
  if not bottom:
    return None
  value = whole + top / bottom
  return -value if match['sign'] == '-' else value
