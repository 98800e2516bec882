r"""Whether an answer only restates the question: `3\cdot 4` for 12.

An answer by its value alone is right, evaluated or not; but one that the
question itself states, with an operation in it, answers nothing where the gold
answer is a plain number. A fraction of two integers is a number.
"""

import re

_NUMBER = re.compile(r'-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)')
_FRACTION = re.compile(
  r'-?(?:[0-9]+/[0-9]+|[0-9]*\\frac(?:[0-9]{2}|\{[0-9]+\}\{[0-9]+\}))'
)
# What only dresses a formula, and ways to write one operation.
_DRESS = re.compile(r'\\(?:left|right|displaystyle|[,;:! ])|[{}$]')
_LONGEST = 200  # characters of an answer that is looked for
_WAYS = (
  (re.compile(r'\\[dt](frac|binom)'), r'\\\1'),
  (re.compile(r'\\(?:times|cdot|ast)(?![a-zA-Z])|[×·]'), '*'),
  (re.compile(r'\\div(?![a-zA-Z])|÷'), '/'),
  (re.compile('\u2212'), '-'),
)


def is_one(gold: str, answer: str, question: str) -> bool:
  r"""Whether an answer restates the question and a number is asked for.

  >>> is_one('12', r'3 \cdot 4', r'What is $3 \times 4$?')
  True
  >>> is_one('12', r'2 \cdot 6', r'What is $3 \times 4$?')
  False

  Args:
    gold: The right answer, tidied.
    answer: Another of the same value, tidied.
    question: The question; '' is unknown.
  """
  if not question or not _NUMBER.fullmatch(gold.replace(',', '')):
    return False
  compact = ''.join(answer.split())
  if _NUMBER.fullmatch(compact) or _FRACTION.fullmatch(compact):
    return False
  written = ''.join(_plain(answer).split())
  if '=' in written or written.isalnum() or len(written) > _LONGEST:
    return False
  formula = r'\s*'.join(map(re.escape, written))
  pattern = rf'(?<![0-9a-zA-Z.^]){formula}(?![0-9a-zA-Z^])'
  return bool(re.search(pattern, _plain(question)))


def _plain(text: str) -> str:
  for pattern, way in _WAYS:
    text = pattern.sub(way, text)
  return _DRESS.sub(' ', text)
