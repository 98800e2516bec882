"""Blocks between fences of backticks, as Markdown has them."""

import re
from typing import NamedTuple

# A line that ends with backticks and at most a language. They may follow text,
# or code, on its line.
_FENCE = re.compile(r'^((?:(?!```)[^\n])*)```+([^\n`]*)$', re.MULTILINE)
_QUOTES = '"""', "'''"


class Fenced(NamedTuple):
  """A text with fences.

  Attributes:
    before: What stands before the first of them.
    blocks: What stands between two. The last one may lack its end.
  """

  before: str
  blocks: list[str]


def read(text: str, end: int) -> Fenced:
  r"""Reads the fences of a text. Backticks in a docstring are none.

  >>> text = 'Thus:\n```python\nx = 1\n```\nIt is 1.\n'
  >>> read(text, len(text))
  Fenced(before='Thus:\n', blocks=['x = 1\n'])

  Args:
    text: The text.
    end: Where it ends, but for a block that starts before that and has an end.
  """
  before, blocks = text[:end], []
  start = seen = 0
  margin, is_open = '', False
  odd = dict.fromkeys(_QUOTES, 0)  # how often in this part: whether a docstring
  for fence in _FENCE.finditer(text):
    if not is_open and fence.start() >= end:
      break
    for quotes in _QUOTES:
      odd[quotes] ^= text.count(quotes, seen, fence.end(1)) % 2
    seen = fence.end()
    if any(odd.values()):
      continue
    part = text[start : fence.end(1)]
    if is_open:
      blocks.append(_without(margin, part))
    elif not start:
      before = part
    is_open = not is_open or bool(fence[2].strip())  # a language: another one
    start, margin = fence.end() + 1, '' if fence[1].strip() else fence[1]
    odd = dict.fromkeys(_QUOTES, 0)
  if is_open:
    blocks.append(_without(margin, text[start : max(start, end)]))
  return Fenced(before, blocks)


def _without(margin: str, block: str) -> str:
  """A block whose fence is indented, as in a list, without that margin."""
  return (
    re.sub(f'^{margin}', '', block, flags=re.MULTILINE) if margin else block
  )
