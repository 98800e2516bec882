"""Whether the words before an answer take it back.

'I do not think that the answer is 7' gives no answer, nor does 'If n is odd,
the answer is 7': a denial counts in the clause that the answer is in, a
condition in the sentence.
"""

import re

from wcse_jax import data_files

_PATTERNS = data_files.patterns(__file__)
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
  if _PATTERNS['condition'].search(sentence):
    return True
  clause = _last_part(_PATTERNS['clause'], sentence)
  return bool(_PATTERNS['denial'].search(_PATTERNS['praise'].sub('', clause)))


def _last_part(pattern: re.Pattern[str], text: str) -> str:
  at = 0
  for match in pattern.finditer(text):
    at = match.end()
  return text[at:]
