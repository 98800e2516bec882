"""Answers in words, or in letters of a multiple choice."""

import re
from typing import NamedTuple

# Each stands at the place of its value.
NUMBERS = (
  'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight',
  'nine', 'ten', 'eleven', 'twelve', 'thirteen', 'fourteen', 'fifteen',
  'sixteen', 'seventeen', 'eighteen', 'nineteen',
)  # fmt: skip
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z'-]{2,}(?: [a-zA-Z'-]+)*")
_FUNCTIONS = ('sqrt', 'sin', 'cos', 'tan', 'log', 'pi')
# (C) 14, and neither (C) or (D), nor a word about it.
_CHOICE = re.compile(
  r'\(([a-zA-Z])\)\s*(?![,;]|\\lor|\\[ldc]?dots|[a-z]{2})(?!.*\([A-Z]\))\S'
)


class Words(NamedTuple):
  """Words or letters, without case and punctuation.

  Attributes:
    keys: What is compared; single letters are sorted.
    bare: Whether nothing but their look says that they are words.
  """

  keys: tuple[str, ...]
  bare: bool

  def match(self, core: str) -> bool:
    """Whether an answer that was not read as words says the same."""
    choice = _CHOICE.match(core)
    return self.keys == ((choice[1].lower(),) if choice else _keys(core))


def read(core: str, bare: bool) -> Words:
  """The words of an answer."""
  return Words(_keys(core), bare)


def number(core: str) -> str | None:
  """The digits of a number from zero to nineteen that is written as a word."""
  word = core.strip(' .').lower()
  return str(NUMBERS.index(word)) if word in NUMBERS else None


def look_plain(core: str) -> bool:
  """Whether an answer looks like words rather than mathematics."""
  return bool(_PLAIN.fullmatch(core)) and not core.startswith(_FUNCTIONS)


def _keys(core: str) -> tuple[str, ...]:
  core = re.sub(r'\s*:\s*', ':', core.casefold())
  parts = re.split(r',|\band\b', core)
  keys = [re.sub(r'(?<![0-9])[.:]|[.:](?![0-9])|[^\w.:]', '', p) for p in parts]
  keys = [key.removeprefix('the') if len(key) > 6 else key for key in keys]
  keys = [key for key in keys if key]
  return tuple(sorted(keys) if all(len(k) == 1 for k in keys) else keys)
