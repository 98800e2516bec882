"""Splitting a text in TeX where no bracket is open."""

import re

from wcse_jax.answers.expressions import TooLarge, Undecided

_MAX_DEPTH = 40
_SCAN = re.compile(r'\\begin|\\end|\\[a-zA-Z]+|\\.|.', re.DOTALL)
_OPENING = ('(', '[', '{', '\\{', '\\begin', '\\langle')
_CLOSING = (')', ']', '}', '\\}', '\\end', '\\rangle')


def split(text: str, *separators: str) -> list[str]:
  """Splits a text at separators where no bracket is open.

  The brackets of a pair may differ, as those of an interval do.

  >>> split('(0,1], [2,3), 4', ',')
  ['(0,1]', ' [2,3)', ' 4']

  Raises:
    Undecided: A bracket is not closed, or closed that was not opened.
    TooLarge: Many are open.
  """
  parts, start, depth = [], 0, 0
  for match in _SCAN.finditer(text):
    token = match[0]
    depth += (token in _OPENING) - (token in _CLOSING)
    if depth < 0:
      raise Undecided('a bracket is closed that was not opened')
    if depth > _MAX_DEPTH:
      raise TooLarge('too deep')
    if not depth and token in separators:
      parts.append(text[start : match.start()])
      start = match.end()
  if depth:
    raise Undecided('a bracket is not closed')
  return [*parts, text[start:]]


def inside(text: str, start: int, end: int) -> str | None:
  """What the brackets around all of a text enclose; None if they do not."""
  content = text[start : len(text) - end]
  try:
    split(content)
  except Undecided:
    return None
  return content


def is_top(text: str, at: int) -> bool:
  """Whether no bracket is open at a place of a text.

  Raises:
    TooLarge: Many brackets are.
  """
  try:
    split(text[:at])
  except TooLarge:
    raise
  except Undecided:
    return False
  return True
