"""Whether the words around an answer take it back.

'I do not think that the answer is 7' gives no answer, nor does 'If n is odd,
the answer is 7': a denial counts in the clause that the answer is in, a
condition in the sentence. After the answer it is a denial of it, as in 'No, it
is 8.'
"""

import re

from wcse_jax import data_files

_TABLES = data_files.tables(__file__)
_PATTERNS = data_files.patterns(__file__)
# Words that deny what they stand beside, and words that make it a case.
DENIALS = frozenset(_TABLES['denials'])
CONDITIONS = frozenset(_TABLES['conditions'])
_DENIAL = re.compile(
  rf"\b(?:{'|'.join(_TABLES['denials'])})\b|n't\b|{_PATTERNS['denial'].pattern}",
  re.IGNORECASE,
)
_CONDITION = re.compile(
  rf'\b(?:{"|".join(_TABLES["conditions"])}|in case)\b', re.IGNORECASE
)
_REACH = 200  # characters of a sentence that are read


def taken_back(text: str, at: int) -> bool:
  """Whether what is said at a place of a text is denied or supposed there.

  >>> text = 'As 3 is not even, the answer is 7.'
  >>> taken_back(text, text.index('the'))
  False
  >>> taken_back('I do not think that the answer is 7.', 20)
  True
  """
  before = text[max(0, at - _REACH) : at]
  sentence = _last_part(_PATTERNS['sentence'], before)
  if _CONDITION.search(sentence):
    return True
  clause = _last_part(_PATTERNS['clause'], sentence)
  return bool(_DENIAL.search(_PATTERNS['praise'].sub('', clause)))


def taken_back_beside(text: str, at: int) -> bool:
  """Whether the last words before a place of a text deny what is there.

  >>> taken_back_beside('So it is not 7.', 13)
  True
  """
  return bool(_PATTERNS['beside'].search(text[max(0, at - _REACH) : at]))


def taken_back_later(text: str, at: int) -> bool:
  """Whether a text goes on at a place by taking back what it said.

  >>> text = 'The answer is 7. Wait, that is wrong.'
  >>> taken_back_later(text, text.index('. Wait'))
  True
  """
  return bool(_PATTERNS['retraction'].match(text, at))


def _last_part(pattern: re.Pattern[str], text: str) -> str:
  at = 0
  for match in pattern.finditer(text):
    at = match.end()
  return text[at:]
