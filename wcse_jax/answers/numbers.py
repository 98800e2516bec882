"""Final answers: finding them in a solution and comparing them, exactly.

Numbers are rationals (`fractions.Fraction`), never floats. A percent sign and
a currency sign carry no value: 10% is 10. What could be read in two ways (a
range, a list, a time, an expression without its result) is no answer. Words
beside a number are read (`prose`): 5 million is 5,000,000.
"""

import fractions
import functools
import re
from typing import Literal

from wcse_jax import data_files
from wcse_jax.answers import denials, equations, extraction, prose, signs

Style = Literal['gsm8k', 'nano']

_PATTERNS = data_files.patterns(__file__)
_MAX_DIGITS = 100
_LONGEST = 1000  # characters of a sentence
_MOST = 20  # phrases that are looked at


@functools.lru_cache(maxsize=4096)
def number(text: str) -> fractions.Fraction | None:
  """The number that a text is, as a whole; None if it is none.

  >>> number('$1,234.00'), number('-3/6'), number('1 1/2'), number('7 eggs')
  (Fraction(1234, 1), Fraction(-1, 2), Fraction(3, 2), None)
  """
  plain = _plain(_PATTERNS['text'].sub('', text))
  match = _PATTERNS['number'].fullmatch(plain.strip())
  return _value(match) if match else None


def extract(text: str, style: Style, question: str = '') -> str:
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
      N`, `Answer: N` and `\boxed{N}` that has one and is not taken back.
      'nano' takes an integer after the last `The answer is `, and nothing else.
    question: Where the things that are counted have names.

  Raises:
    Unreadable: Words make the number another, or are not known.
  """
  if style == 'nano':
    *_, tail = _PATTERNS['nano_phrase'].split(text)
    match = _PATTERNS['nano_number'].match(tail) if tail != text else None
    value = number(match[0]) if match else None
  else:
    value = _last_number(text, question)
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


def _last_number(text: str, question: str) -> fractions.Fraction | None:
  """The number of the last phrase that has one and is not taken back.

  Raises:
    Unreadable: Its words cannot be read, or all phrases are taken back.
  """
  denied = False
  phrases = list(_PATTERNS['phrase'].finditer(text))
  for phrase in phrases[: -_MOST - 1 : -1]:
    sentence = _sentence(text, phrase, question)
    if sentence is None:
      denied = True
    elif len(sentence) > _LONGEST:
      return None
    elif prose.has_number(sentence):
      return _number_of(sentence, question)
  if denied:
    raise prose.Unreadable('the answer is taken back')
  return None


def _sentence(text: str, phrase: re.Match[str], question: str) -> str | None:
  """What a phrase says, in plain notation; None if it denies it, or asks.

  Raises:
    Unreadable: It is taken back later.
  """
  if phrase['box']:
    return _plain(extraction.from_box(text, phrase.start(), question))
  start = phrase.end()
  while text[start : start + 1] in ' \t\n:*' and start < len(text):
    start += 1
  ends = _PATTERNS['sentence_end'].search(text, start, start + _LONGEST)
  end = ends.start() if ends else start + _LONGEST
  if denials.taken_back(text, phrase.start()) or text.startswith('?', end):
    return None
  if denials.taken_back_later(text, end):
    raise prose.Unreadable('the answer is taken back later')
  return _plain(text[start:end])


def _number_of(sentence: str, question: str) -> fractions.Fraction | None:
  """The number that a sentence gives; None if that is not one.

  Raises:
    Unreadable: Words make the number another, or are not known.
  """
  if match := _PATTERNS['answer'].fullmatch(sentence):
    return _value(match)
  if because := _PATTERNS['because'].fullmatch(sentence):
    value = _number_of(because['said'], question)
    computed = _PATTERNS['computed'].match(because['reason'])
    if computed and number(computed['number'].rstrip('.,')) != value:
      raise prose.Unreadable('a reason for another number')
    return value
  sentence = _PATTERNS['remark'].sub('', sentence)
  before, equals, last = sentence.rpartition('=')
  if not equals:
    return _value_of(sentence, question)
  computation = _PATTERNS['computation'].search(before)
  if computation:
    last = _without_circumstances(last)
  # 'The answer is 3 + 4 = 7', and 'The answer is 7 = 3 + 4'.
  value = _value_of(last, question)
  if value is None and not computation and equations.check(sentence):
    return _value_of(sentence.partition('=')[0], question)
  if value is not None and _is_false(sentence):
    raise prose.Unreadable('a false equation')
  said = before[: computation.start()] if computation else before
  computed = computation[0] if computation else ''
  if not computed and _PATTERNS['unknown_side'].search(said):
    raise prose.Unreadable('an equation to be solved')
  premised = _PATTERNS['premise'].sub('', said)
  if denials.taken_back(premised, len(premised)) or (
    premised != said and _PATTERNS['premised'].search(premised)
  ):
    raise prose.Unreadable('an equation that is taken back, or a case')
  if value is not None and _says_another(premised, computed, value):
    raise prose.Unreadable('a number before an equation')
  if computation and (
    _PATTERNS['joined'].search(premised)
    or prose.changes_next(premised)
    or prose.takes_back(computed)
    or _is_of_size(computed, last, value)
  ):
    raise prose.Unreadable('words beside an equation')
  return value


def _is_false(sentence: str) -> bool:
  """Whether an equation in a sentence is false, percents aside."""
  return (
    equations.check(sentence) is False
    and equations.check(sentence.replace('%', '')) is False
  )


def _says_another(said: str, computed: str, value: fractions.Fraction) -> bool:
  """Whether the words before an equation make its value a part of another.

  '20, and 9 + 9 = 18' does, and '3 less than her goal of 9 + 9 = 18'; not so
  'the 3 friends have 9 + 9 = 18', nor '9 here and 9 there, for a total of
  9 + 9 = 18'.

  Args:
    said: The words.
    computed: What is computed; '' is nothing.
    value: The result.
  """
  bracket = _PATTERNS['unclosed'].search(computed)
  if bracket and bracket.start():
    return True  # 20 - (9 + 9 = 18)
  first = _PATTERNS['first'].match(said)
  if first and number(first['number']) != value:
    return True
  other = _PATTERNS['other'].search(f'{said}(' if bracket else said)
  if not other:
    return False
  words = _PATTERNS['conclusion'].split(other['words'])[-1]
  if _PATTERNS['comparison'].search(words):
    return True
  parts = [value, *map(number, _PATTERNS['part'].findall(computed))]
  return (
    bool(_PATTERNS['reference'].search(words))
    and number(other['number']) not in parts
  )


def _is_of_size(
  computation: str, result: str, value: fractions.Fraction | None
) -> bool:
  """Whether words make an equation false: '24/12 = 2 dozen'."""
  return (
    '%' not in result
    and equations.check(f'{computation} = {value}') is False
    and equations.check(f'{computation} = {result}') is True
  )


def _without_circumstances(result: str) -> str:
  """A result without the words after it that say when, where or what for.

  It is as it was where they may change it: '7 to the power of 2'.
  """
  match = _PATTERNS['circumstances'].fullmatch(result)
  if not match or prose.changes(match['words']):
    return result
  is_share = re.search('[/%]|percent', match['result'])
  if is_share and match['words'].startswith('of'):
    return result
  others = _PATTERNS['circumstance'].sub(' ', match['words'])
  return result if prose.has_number(others) else match['result']


def _value_of(text: str, question: str) -> fractions.Fraction | None:
  """The number that is all of a text but its words; None if there is none."""
  if _PATTERNS['unknown'].search(text):
    raise prose.Unreadable('an expression of an unknown')
  text = _PATTERNS['millions'].sub(r'\1n', text)
  marked = _PATTERNS['word'].sub(
    lambda m: prose.mark(m['word']) if m['word'] else m[0], text
  )
  core = prose.read(marked, question, sentence=True).core
  twice = _PATTERNS['twice'].fullmatch(core)
  if twice and equations.check(f'{twice[2]} = {twice[1]}'):
    core = twice[1]
  match = _PATTERNS['answer'].fullmatch(core)
  return _value(match) if match else None


def _plain(text: str) -> str:
  """Without the dress of TeX, Markdown and currency."""
  text = signs.plain(text).replace('{,}', ',')
  text = _PATTERNS['bound'].sub('<', text)
  text = _PATTERNS['frac'].sub(r' \1/\2', text)
  return _PATTERNS['noise'].sub('', _PATTERNS['text'].sub(r' \1 ', text))


def _value(match: re.Match[str]) -> fractions.Fraction | None:
  parts = match.group('whole', 'top', 'bottom')
  size = match.groupdict().get('size') or '1'
  if sum(len(part or '') for part in parts) > _MAX_DIGITS:
    return None
  whole, top, bottom = parts
  value = fractions.Fraction(top.replace(',', '').replace(' ', ''))
  if bottom:
    if not int(bottom):
      return None
    value /= int(bottom)
  value = (value + int(whole or 0)) * int(size)
  return -value if match['sign'] == '-' else value
