r"""Signs of Unicode and Markdown, written as commands of TeX.

`plain('2√13 ½')` is `2\sqrt{13} \frac{1}{2}`: what reads notation knows the
commands alone.
"""

import re

from wcse_jax import data_files

_TABLES = data_files.tables(__file__)
_PATTERNS = data_files.patterns(__file__)
_SIGNS = str.maketrans(_TABLES['signs'])
_RAISED = str.maketrans(_TABLES['raised'])
_LOWERED = str.maketrans(_TABLES['lowered'])


def plain(text: str) -> str:
  r"""A text without signs that stand for commands.

  >>> plain('x⁴ ≤ √13'), plain('2\\*3')
  ('x^{4} \\le  \\sqrt{13}', '2*3')
  """
  if '\\' in text:
    text = _PATTERNS['escape'].sub(r'\1', text)
  if '...' in text:
    text = _PATTERNS['ellipsis'].sub(r'\\ldots ', text)
  if text.isascii():
    return text
  text = _PATTERNS['raised'].sub(
    lambda m: f'^{{{m[0].translate(_RAISED)}}}', text
  )
  text = _PATTERNS['lowered'].sub(
    lambda m: f'_{{{m[0].translate(_LOWERED)}}}', text
  )
  text = _PATTERNS['root'].sub(_root, text)
  return text.translate(_SIGNS)


def _root(match: re.Match[str]) -> str:
  command = {'√': '\\sqrt', '∛': '\\sqrt[3]', '∜': '\\sqrt[4]'}[match[1]]
  return f'{command}{{{match[2]}}}' if match[2] else command
