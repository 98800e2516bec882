"""Arms: which pools a side of the comparison draws on, and how much of each.

An arm is a NAME, or several joined by '+', which share its budget equally.
'NAME@T' samples at temperature T, not the run's, into a pool of its own.
A last '~N' keeps at most N solutions of each problem, the first ones.

  se, wc_compute_matched, wc_number_matched, wc_price_matched, reference
  se@1.0                   the strong model, more random
  se+wc_compute_matched    half of the budget each
  wc_compute_matched~1     coverage without diversity
"""

import dataclasses
import difflib
import functools
import re
from typing import Literal

Role = Literal['wc', 'se']
Matching = Literal['anchor', 'compute', 'number', 'price']

# The role that samples; how its samples follow from SE's ('anchor': they are
# SE's; 'compute': they cost the same by the paper's rule, 'price': in dollars;
# 'number': they are as many, and not matched in cost); a label for people.
NAMES: dict[str, tuple[Role, Matching, str]] = {
  'se': ('se', 'anchor', 'SE'),
  'wc_compute_matched': ('wc', 'compute', 'WC compute-matched'),
  'wc_number_matched': ('wc', 'number', 'WC number-matched'),
  'wc_price_matched': ('wc', 'price', 'WC price-matched'),
}
REFERENCE = 'reference'
_PART = re.compile(r'(\w+)(?:@(\d+(?:\.\d+)?))?')


@dataclasses.dataclass(frozen=True)
class Part:
  """What an arm draws from one pool.

  Attributes:
    role: Whose model samples.
    matching: How its samples follow from SE's.
    temperature: None is the run's.
  """

  role: Role
  matching: Matching
  temperature: float | None = None

  @property
  def pool(self) -> str:
    """The pool's name: 'se', or 'se@1.0'."""
    return self.role + (
      '' if self.temperature is None else f'@{self.temperature}'
    )


@dataclasses.dataclass(frozen=True)
class Arm:
  """One side of the comparison.

  Attributes:
    parts: What it draws; none: human-written solutions.
    most: Solutions kept of each problem; None is all.
    label: For people.
  """

  parts: tuple[Part, ...]
  most: int | None
  label: str


@functools.cache
def parse(text: str) -> Arm:
  """Reads an arm as written.

  Raises:
    ValueError: Its text says what is wrong, and what is known.
  """
  body, tilde, number = text.partition('~')
  if tilde and (not number.isdecimal() or int(number) < 1):
    raise ValueError(f"{text!r}: after '~' give how many solutions to keep")
  most = int(number) if tilde else None
  if body == REFERENCE:
    return Arm((), most, _label(['human-written'], most))
  parts, labels = [], []
  for written in body.split('+'):
    match = _PART.fullmatch(written)
    if not match or match[1] not in NAMES:
      known = [*NAMES, REFERENCE]
      near = difflib.get_close_matches(written, known, n=1)
      raise ValueError(
        f'unknown arm {written!r}; '
        + (f'did you mean {near[0]}?' if near else f'known: {", ".join(known)}')
      )
    role, matching, label = NAMES[match[1]]
    temperature = float(match[2]) if match[2] else None
    parts.append(Part(role, matching, temperature))
    labels.append(label + (f' at T={match[2]}' if match[2] else ''))
  if len({part.pool for part in parts}) < len(parts):
    raise ValueError(f'{text!r} draws twice from one pool')
  return Arm(tuple(parts), most, _label(labels, most))


def _label(labels: list[str], most: int | None) -> str:
  return ' + '.join(labels) + (f', {most} kept' if most else '')


def role(pool: str) -> str:
  """Whose model fills a pool: 'se' of 'se@1.0'."""
  return pool.partition('@')[0]
