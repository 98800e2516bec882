r"""English words beside a value: what they make of it.

A word beside a value is a unit or a thing that is counted, or carries nothing;
or it is a number or an operation, which is read; or it starts a reason, before
which the value stands. A word of sign, size, operation, denial or condition
that cannot be read makes the value another, and so may one that is not known:
`Unreadable`.

What is no word is notation, and left as it is. The words of a text are marked,
see `mark`.
"""

import re
from typing import NamedTuple

from wcse_jax import data_files
from wcse_jax.answers import denials
from wcse_jax.answers.expressions import Undecided
from wcse_jax.answers.words import NUMBERS

_TABLES = data_files.tables(__file__)
_NEUTRAL = frozenset(_TABLES['neutral'])
_DESCRIBING = frozenset(_TABLES['describing'])
_CONCLUSIONS = frozenset(_TABLES['conclusions'])
_REASONS = frozenset(_TABLES['reasons']) | _CONCLUSIONS
_REMARKS = frozenset(_TABLES['remarks'])
_SIZES = frozenset(_TABLES['sizes'])
_COMPARISONS = frozenset(_TABLES['comparisons'])
_THINGS = frozenset(_TABLES['things'])
_TAKES_BACK = denials.DENIALS.union(
  denials.CONDITIONS,
  *(_TABLES['telling'][kind] for kind in ('denial', 'condition')),
)
_TELLING = _TAKES_BACK.union(*_TABLES['telling'].values())
_CHANGING = _TAKES_BACK.union(
  *(_TABLES['telling'][kind] for kind in ('sign', 'operation', 'size')),
  _TABLES['suffixes'],
  _TABLES['sizes'],
)
_CHANGING_NEXT = frozenset().union(
  *(_TABLES['telling'][kind] for kind in ('sign', 'size', 'bound')),
  ('than', 'negative', 'twice', 'thrice', 'root', 'minus', 'plus', 'times'),
)
# What seems a denial, or a share.
_SEEMING = re.compile(r'\b(?:with no|without|over|the (?:third|\w+th))\b')
_PREFIXES: dict[str, str] = _TABLES['prefixes'] | {
  word: f'{value} ' for value, word in enumerate(NUMBERS)
}
_INFIXES: dict[str, str] = _TABLES['infixes']
_SUFFIXES: dict[str, str] = _TABLES['suffixes']
_SPOKEN = _PREFIXES.keys() | _INFIXES.keys() | _SUFFIXES.keys()
_LONGEST = max(len(phrase.split()) for phrase in _SPOKEN)
_UNITS = {way: unit for unit, ways in _TABLES['units'].items() for way in ways}
_KNOWN = _NEUTRAL.union(
  ('and', 'or'), _DESCRIBING, _REASONS, _REMARKS, _SIZES, _COMPARISONS,
  _THINGS, _TELLING, _SPOKEN, _UNITS,
)  # fmt: skip

_OPEN, _CLOSE, _BARRIER = '\x02', '\x03', '\x1f'
_RUN = re.compile(f'((?:{_OPEN}[^{_CLOSE}]*{_CLOSE}(?:\\s|\\.(?![0-9]))*)+)')
_WORD = re.compile(f'{_OPEN}([^{_CLOSE}]*){_CLOSE}')
_VALUE = re.compile(r'[0-9a-zA-Z√∛∞]')
_OPERAND = re.compile(rf'[0-9a-zA-Z)}}\]!∞{_BARRIER}]\s*\Z')
# What stands where words were dropped, and what belongs to them.
_DROPPED = (
  (re.compile(rf'{_BARRIER}[\s{_BARRIER}]*'), _BARRIER),
  (re.compile(rf'(?:{_BARRIER}\s*)?/\s*{_BARRIER}'), _BARRIER),  # per
  (re.compile(rf'{_BARRIER}\s*\^\s*\{{?\s*-?[1-4]\s*\}}?'), _BARRIER),
  (re.compile(rf'[(\[]\s*{_BARRIER}?\s*[)\]]'), _BARRIER),
)
# A value may not follow them, unless something joins it.
_NEXT_VALUE = re.compile(
  rf'{_BARRIER}\s*(?:[0-9a-zA-Z({{\[√∛∞|^_!]|\.[0-9]'
  r'|\\(?!cdot|times|div|cup|cap|lor|leq?|geq?|lt|gt|neq?|approx|pm|mp|[}\])]))'
)
_NEXT_NUMBER = re.compile(rf'(?<=[0-9])\s*{_BARRIER}\s*(?=[0-9])')
_POINTERS = frozenset(('that', 'it', 'this', 'these', 'those', 'what'))
_EQUATING = frozenset(('is', 'are', 'was', 'were', 'equals', 'makes'))
_PLURAL = re.compile(r'[a-z]+(?<!th)[^sui]s')  # no 'twentieths'


class Unreadable(Undecided):
  """Words stand beside a value that make it another, or are not known."""


class Reading(NamedTuple):
  """What is left of a text when its words are read.

  Attributes:
    core: Notation.
    units: The names of the units that were dropped.
  """

  core: str
  units: frozenset[str]


def mark(word: str) -> str:
  """A word as a word of a text, and no notation."""
  return f'{_OPEN}{word}{_CLOSE}'


def is_known(word: str) -> bool:
  """Whether a word has a meaning here, be it short."""
  return word.lower() in _KNOWN


def is_suffix(word: str) -> bool:
  """Whether a word after a value makes it another: 'million', 'squared'."""
  return word in _SUFFIXES


def adds(word: str) -> bool:
  """Whether a word between two values adds or subtracts: 'plus'."""
  return _INFIXES.get(word) in ('+', '-')


def takes_back(text: str) -> bool:
  """Whether a word in a text denies what it says, or makes a condition."""
  return not _TAKES_BACK.isdisjoint(re.findall("[a-z']+", text.lower()))


def changes(text: str) -> bool:
  """Whether a word in a text may make a value before it another."""
  words = re.findall("[a-z']+", _SEEMING.sub('', text.lower()))
  return not _CHANGING.isdisjoint(words)


def changes_next(text: str) -> bool:
  """Whether the last words of a text make a value after them another."""
  words = re.findall("[a-z']+", text.lower())
  if words[-2:] == ['up', 'to']:
    return True
  if words[-1:] == ['of']:
    del words[-1]
  return bool(words) and words[-1] in _CHANGING_NEXT


def has_number(text: str) -> bool:
  """Whether a text has a number, be it in words."""
  if re.search('[0-9]', text):
    return True
  return not set(NUMBERS).isdisjoint(re.findall('[a-z]+', text.lower()))


def reason(text: str) -> int | None:
  """Where the first word in a text starts a reason; None if none does."""
  for match in re.finditer(r"[a-zA-Z']+", text):
    if match[0].lower() in _REASONS:
      return match.start()
  return None


def read(text: str, context: str = '', sentence: bool = False) -> Reading:
  r"""The notation that a text is when its words are read.

  >>> read(f'5 {mark("million")}').core, read(f'5 {mark("apples")}').core
  ('5 ·1000000', '5')
  >>> read(f'{mark("not")} 5')
  Traceback (most recent call last):
  wcse_jax.answers.prose.Unreadable: not

  Args:
    text: The text, its words marked.
    context: Where things have names, as the question: its words are things.
    sentence: Whether any words may come before the value.

  Raises:
    Unreadable: A word makes the value another, or is not known.
  """
  return _Reader(text, context, sentence).read()


class _Reader:
  """A cursor in the runs of words between pieces of notation."""

  def __init__(self, text: str, context: str, sentence: bool):
    self._pieces = _RUN.split(text)
    self._at = 0  # the piece that is being read
    self._context = frozenset(re.findall(r"[a-z']+", context.lower()))
    self._sentence = sentence
    self._digits = bool(re.search('[0-9]', text))
    self._out = ''
    self._units: set[str] = set()
    self._described = False  # it is said what the value counts

  def read(self) -> Reading:
    for at, piece in enumerate(self._pieces):
      self._at = at
      if at % 2 == 0:
        self._out += piece
      elif not self._run(_words(piece)):
        break
    core = self._out
    for pattern, left in _DROPPED:
      core = pattern.sub(left, core)
    if not self._sentence:  # 3 hours 20 minutes: two numbers, and no answer
      core = _NEXT_NUMBER.sub('  ', core)
    if _NEXT_VALUE.search(core):
      raise Unreadable('a value after words')
    core = core.replace(_BARRIER, ' ').strip()
    return Reading(core, frozenset(self._units))

  def _valued(self) -> bool:
    return bool(_VALUE.search(self._out))

  def _follows(self) -> bool:
    """Whether a value comes right after this run of words."""
    return bool(_VALUE.search(self._pieces[self._at + 1]))

  def _run(self, words: list[str]) -> bool:
    """Reads words in a row; whether what comes after them counts."""
    if self._is_name(words):
      return True
    self._described = False
    while words:
      if length := self._spoken(words):
        words = words[length:]
        continue
      word, *words = words
      if self._tells(word, words):
        if word == 'not' and self._is_correction():
          return False
        raise Unreadable(word)
      if not self._valued():
        self._before(word)
      elif word in ('and', 'or'):
        self._joint(word, words)
      elif word in _REASONS:
        self._reason(word, words)
        return False
      elif word in _REMARKS:
        self._remark(word, words)
        return False
      else:
        self._after(word, words)
    return True

  def _has_more(self, words: list[str]) -> bool:
    """Whether there is a number yet."""
    rest = [*words, *self._pieces[self._at + 1 :]]
    return any(map(has_number, rest))

  def _is_name(self, words: list[str]) -> bool:
    """Whether the words only name the value: 'Area = 5'."""
    here = self._out.rstrip()
    return (
      self._pieces[self._at + 1].lstrip()[:1] in ('=', ':')
      and (not here or here[-1] in ',;')
      and not _TELLING.intersection(words)
    )

  def _spoken(self, words: list[str]) -> int:
    """Reads a number or an operation; how many words it took."""
    operand = bool(_OPERAND.search(self._out))
    for length in range(min(_LONGEST, len(words)), 0, -1):
      phrase = ' '.join(words[:length])
      follows = len(words) > length or self._follows()
      if not operand and phrase in _PREFIXES:
        sign = _PREFIXES[phrase]
        if sign.strip().isdigit() and self._sentence and self._is_word(phrase):
          return 0
      elif operand and phrase in _INFIXES and follows:
        sign = _INFIXES[phrase]
      elif operand and phrase in _SUFFIXES:
        sign = _SUFFIXES[phrase]
        if phrase in self._context:
          raise Unreadable(f'{phrase}: the question may count in it')
      else:
        continue
      self._out += sign
      return length
    return 0

  def _is_word(self, number: str) -> bool:
    """Whether a number in words is none: the digits of a sentence count."""
    return self._digits or number == 'one'

  def _tells(self, word: str, rest: list[str]) -> bool:
    if word in _COMPARISONS and self._compares(rest):
      return False
    if word in _SIZES or word in _COMPARISONS:
      return word not in self._context
    return word in _TELLING or f'{word} {rest[0] if rest else ""}' in _TELLING

  def _compares(self, rest: list[str]) -> bool:
    """Whether a thing is counted by which a sentence compares two.

    '5 more apples than Ann' does; '5 more than 7' is a sum.
    """
    is_counted = self._sentence and self._described and self._valued()
    value = self._follows() or has_number(' '.join(rest))
    return is_counted and not value and not _POINTERS.intersection(rest)

  def _is_correction(self) -> bool:
    """Whether 'not' takes back another value: '18, not 20'."""
    here = self._out.rstrip(f' {_BARRIER}')
    return self._valued() and here[-1:] == ',' and self._follows()

  def _before(self, word: str) -> None:
    if word in _SPOKEN and not (word in _PREFIXES or word in _THINGS):
      raise Unreadable(word)
    known = word in _KNOWN and word not in _DESCRIBING and word not in _SPOKEN
    if not known and not self._sentence:
      raise Unreadable(word)

  def _joint(self, word: str, rest: list[str]) -> None:
    """Reads 'and', 'or', which join values or words."""
    if all(w in _NEUTRAL or w in _SPOKEN for w in rest) and (
      self._follows() or _SPOKEN.intersection(rest)
    ):
      self._out += ' , ' if word == 'and' else ' ∨ '
    elif word == 'or':
      raise Unreadable(word)

  def _reason(self, word: str, rest: list[str]) -> None:
    """Reads a reason or a conclusion, which may be another value."""
    if word in _CONCLUSIONS and self._has_more(rest):
      raise Unreadable('a conclusion')
    if not self._sentence:
      return
    ahead = self._ahead(rest)
    if word in ('after', 'before') and (
      changes(' '.join(ahead)) or not _CONCLUSIONS.isdisjoint(ahead)
    ):
      raise Unreadable('what comes after or before')

  def _remark(self, word: str, rest: list[str]) -> None:
    """Reads a clause about the value, which it may take back."""
    if not _TAKES_BACK.isdisjoint(self._ahead(rest)):
      raise Unreadable('a remark')
    only_tells_which = word == 'that' and not _EQUATING.intersection(rest[:1])
    if not only_tells_which and self._has_more(rest):
      raise Unreadable('a remark with a number')

  def _ahead(self, rest: list[str]) -> list[str]:
    """All words that are not read yet."""
    runs = self._pieces[self._at + 2 :: 2]
    return [*rest, *(word for run in runs for word in _words(run))]

  def _after(self, word: str, rest: list[str]) -> None:
    """Reads a word after the value that is no joint."""
    if word in _NEUTRAL and not _OPERAND.search(self._out):
      return
    self._out += _BARRIER
    if word in _SPOKEN and word not in _THINGS:
      raise Unreadable(word)
    last = not rest and not self._follows()
    if word in _UNITS and (word != 'in' or last):
      self._units.add(_UNITS[word])
      self._described = True
    elif word in _DESCRIBING or self._described:
      self._described = True
    elif word not in _NEUTRAL:
      here = self._out.strip(f' {_BARRIER}')
      is_unit = here == '1' or (here.endswith('/') and len(word) > 1)
      if not (is_unit or any(map(self._is_thing, [word, *rest[:3]]))):
        raise Unreadable(word)
      self._described = True

  def _is_thing(self, word: str) -> bool:
    if word in self._context or word in _THINGS or word in _UNITS:
      return True
    return bool(_PLURAL.fullmatch(word)) and word not in _KNOWN


def _words(run: str) -> list[str]:
  words = ' '.join(m[1].lower().strip(".'-") for m in _WORD.finditer(run))
  return words.replace('left over', 'left').split()
