"""Arms: which pools a side of the comparison draws on, and how much of each.

An arm is a NAME, or several joined by '+', which share its budget equally.
'NAME@T' samples at temperature T, not the run's, into a pool of its own. What
may follow, in this order: '^N' draws at most N samples of each problem, at any
budget; '~N' keeps at most N solutions of each problem, the first ones; '=KEEP'
keeps other samples than the run's `curate.keep`.

  se, wc_compute_matched, wc_number_matched, wc_price_matched, reference
  se@1.0                   the strong model, more random
  se+wc_compute_matched    half of the budget each
  wc_price_matched^5       for a part of the price
  wc_compute_matched~1     coverage without diversity
  se=all                   no verifier
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
# The samples that students learn from, and how people call them: those of right
# answer, those that the judge finds right, those whose answer is that of most
# samples of the problem, or any.
KEEP = {
  'correct': 'right ones',
  'judge': 'by the judge',
  'majority': 'by majority',
  'all': 'unverified',
}
_ARM = re.compile(r'([^^~=]*)(?:\^([^^~=]*))?(?:~([^^~=]*))?(?:=(.*))?')
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
    first: Samples drawn of each problem and pool at most; None: the budget's.
    most: Solutions kept of each problem; None is all.
    keep: One of KEEP; None is the run's.
    label: For people.
  """

  parts: tuple[Part, ...]
  first: int | None
  most: int | None
  keep: str | None
  label: str

  @property
  def roles(self) -> set[Role]:
    """Whose models sample."""
    return {part.role for part in self.parts}


@functools.cache
def parse(text: str) -> Arm:
  """Reads an arm as written.

  Raises:
    ValueError: Its text says what is wrong, and what is known.
  """
  match = _ARM.fullmatch(text)
  if not match:
    raise ValueError(f"{text!r}: '^N', '~N' and '=KEEP' follow in this order")
  body, first, most, keep = match.groups()
  for sign, number, what in (('^', first, 'draw'), ('~', most, 'keep')):
    if number is not None and (not number.isdecimal() or int(number) < 1):
      raise ValueError(
        f'{text!r}: after {sign!r} give how many solutions to {what}'
      )
  if keep is not None and keep not in KEEP:
    raise ValueError(f"{text!r}: after '=' give one of {', '.join(KEEP)}")
  limits = int(first) if first else None, int(most) if most else None, keep
  if body == REFERENCE:
    if first or keep:
      raise ValueError(f'{text!r}: nothing is sampled or verified there')
    return Arm((), *limits, _label(['human-written'], *limits))
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
    if first:  # then it is not matched
      label = role.upper()
    labels.append(label + (f' at T={match[2]}' if match[2] else ''))
  if len({part.pool for part in parts}) < len(parts):
    raise ValueError(f'{text!r} draws twice from one pool')
  return Arm(tuple(parts), *limits, _label(labels, *limits))


def _label(
  labels: list[str], first: int | None, most: int | None, keep: str | None
) -> str:
  return ', '.join(
    [
      ' + '.join(labels),
      *([f'first {first}'] if first else []),
      *([f'{most} kept'] if most else []),
      *([KEEP[keep]] if keep else []),
    ]
  )


def role(pool: str) -> str:
  """Whose model fills a pool: 'se' of 'se@1.0'."""
  return pool.partition('@')[0]
