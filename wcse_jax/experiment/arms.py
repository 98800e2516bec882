"""The arms of a comparison: which samples are drawn, and which are kept.

An arm is written as a text, which config files and flags hold, and folders are
named by. `parse` reads it, once; everything else has an `Arm`. A generator is a
name in the config ('wc', 'se', and those of `teachers`); the *anchor* is the
one whose samples budgets are counted in. `EXAMPLES` has one of each kind.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import decimal
import difflib
import fractions
import re
from typing import Literal

from wcse_jax.experiment.roles import GENERATORS

Matching = Literal[
  'anchor', 'compute', 'number', 'price', 'measured', 'wall_clock'
]
# How the samples of another generator follow from the anchor's.
MATCHINGS: tuple[Matching, ...] = (
  'compute', 'number', 'price', 'measured', 'wall_clock'
)  # fmt: skip

REFERENCE = 'reference'
# An arm of each kind, as it is written, and what it is.
EXAMPLES = {
  'se': 'As many samples as the budget says: SE is the anchor.',
  'wc_compute_matched': "As many of WC's as cost the same by the paper's rule.",
  'wc_number_matched': "As many of WC's as of the anchor, at another cost.",
  'wc_price_matched': "As many of WC's as cost the same dollars.",
  'wc_measured_matched': (
    "As many of WC's as cost the same FLOPs, of solutions as long as"
    ' teachers.wc.tokens says.'
  ),
  'wc_wall_clock_matched': (
    "As many of WC's as take the same time: teachers.wc.seconds each."
  ),
  'reference': 'Human-written solutions; one student, at the highest budget.',
  'se+wc_compute_matched': 'Half of the budget each.',
  '0.2*se+0.8*wc': (
    'A fifth of the budget on SE, the rest on WC, matched by compute where its'
    ' matching is not said.'
  ),
  'se@1.0': 'Sampled at temperature 1.0, from a pool of its own.',
  'wc_price_matched^5': 'The first 5 samples of a problem, if there are more.',
  'wc_compute_matched~1': (
    'At most one solution kept of a problem: the coverage of all its samples'
    ' without their diversity.'
  ),
  'se=all': 'No verifier: all samples.',
  'se=random': (
    'As many as are right, at random: neither chosen by a verifier nor more of'
    ' them.'
  ),
  'se%wc_compute_matched': (
    'Each example is shown as often as one of that arm is, at the same budget.'
  ),
}
# The samples that students learn from, and how people call them: those of right
# answer, those that the judge finds right, those whose answer is that of most
# samples of the problem, any, or as many of these as are right.
KEEP = {
  'correct': 'right ones',
  'judge': 'by the judge',
  'majority': 'by majority',
  'all': 'unverified',
  'random': 'as many unverified',
}
_ARM = re.compile(
  r'([^^~=%]*)(?:\^([^^~=%]*))?(?:~([^^~=%]*))?(?:=([^%]*))?(?:%(.*))?'
)
_DRAW = re.compile(
  r'(?:(\d+(?:\.\d+)?|\.\d+)\*?)?([A-Za-z_]\w*)(?:@(\d+(?:\.\d+)?))?'
)


@dataclasses.dataclass(frozen=True)
class Pool:
  """The samples of one generator at one temperature.

  Attributes:
    generator: The name of what samples, e.g. 'se'.
    temperature: At which it samples; None is the run's temperature.
  """

  generator: str
  temperature: float | None = None

  def __str__(self) -> str:
    if self.temperature is None:
      return self.generator
    return f'{self.generator}@{self.temperature}'


@dataclasses.dataclass(frozen=True)
class Draw:
  """What an arm draws from one pool.

  Attributes:
    text: As written, e.g. 'se@1.0' or 'wc_compute_matched'.
    pool: Where the samples come from.
    matching: How their number follows from the anchor's: 'anchor', it is the
      anchor's; 'compute', they cost the same by the paper's rule; 'price', they
      cost the same dollars; 'number', they are as many, at another cost;
      'measured', they cost the same FLOPs, and 'wall_clock', they take the same
      time, both by what the config says of earlier samples.
    share: Its part of the budget as a decimal, e.g. '0.2'; '': all parts are
      the same.
  """

  text: str
  pool: Pool
  matching: Matching
  share: str = ''

  def __str__(self) -> str:
    return self.share + self.text

  def at(self, temperature: str) -> 'Draw':
    """Returns the same at another temperature, as it is written."""
    body = self.text.partition('@')[0]
    pool = Pool(self.pool.generator, float(temperature))
    return dataclasses.replace(self, text=f'{body}@{temperature}', pool=pool)


@dataclasses.dataclass(frozen=True)
class Arm:
  """One side of the comparison; its `str` is the text that it is written as.

  Attributes:
    draws: What is drawn from which pools; none for human-written solutions.
    max_drawn: Samples drawn of each problem and pool at most; None: as many as
      the budget pays for.
    max_kept: Solutions kept of each problem at most; None keeps all.
    keep: Which samples are kept, one of KEEP; None is the run's rule.
    epochs: The arm whose examples are shown as often, at the same budget; None:
      students see as many examples as the run's settings say.
  """

  draws: tuple[Draw, ...]
  max_drawn: int | None = None
  max_kept: int | None = None
  keep: str | None = None
  epochs: 'Arm | None' = None

  def __str__(self) -> str:
    return ''.join(
      [
        '+'.join(map(str, self.draws)) or REFERENCE,
        f'^{self.max_drawn}' if self.max_drawn else '',
        f'~{self.max_kept}' if self.max_kept else '',
        f'={self.keep}' if self.keep else '',
        f'%{self.epochs}' if self.epochs else '',
      ]
    )

  @property
  def label(self) -> str:
    """The arm's name for people, e.g. 'WC compute-matched, 1 kept'."""
    labels = []
    for draw in self.draws:
      label = called(draw.pool.generator)
      if draw.matching != 'anchor' and not self.max_drawn:  # it is matched then
        label += f' {draw.matching}-matched'.replace('_', '-')
      if at := draw.text.partition('@')[2]:
        label += f' at T={at}'
      if draw.share:
        label = f'{100 * float(draw.share):.12g}% {label}'
      labels.append(label)
    return ', '.join(
      [
        ' + '.join(labels) or 'human-written',
        *([f'first {self.max_drawn}'] if self.max_drawn else []),
        *([f'{self.max_kept} kept'] if self.max_kept else []),
        *([KEEP[self.keep]] if self.keep else []),
        *([f'epochs of {self.epochs.label}'] if self.epochs else []),
      ]
    )

  @property
  def parts(self) -> dict[Pool, fractions.Fraction]:
    """What part of the budget each of its pools gets."""
    equal = f'1/{len(self.draws)}' if self.draws else ''
    return {
      draw.pool: fractions.Fraction(draw.share or equal) for draw in self.draws
    }

  @property
  def pools(self) -> tuple[Pool, ...]:
    """The pools that it draws from."""
    return tuple(draw.pool for draw in self.draws)

  @property
  def generators(self) -> set[str]:
    """The names of the generators that sample for it."""
    return {draw.pool.generator for draw in self.draws}

  def matched_by(self, matching: Matching) -> bool:
    """Tells whether any of its samples are matched to the anchor's so."""
    return any(draw.matching == matching for draw in self.draws)

  def first(self, number: int) -> 'Arm':
    """Returns the arm of the first samples of each problem and pool."""
    return dataclasses.replace(self, max_drawn=number)

  def kept(self, number: int) -> 'Arm':
    """Returns the arm that keeps at most so many solutions of a problem."""
    return dataclasses.replace(self, max_kept=number)

  def unverified(self) -> 'Arm':
    """Returns the arm that keeps every sample."""
    return dataclasses.replace(self, keep='all')

  def as_many_random(self) -> 'Arm':
    """Returns the arm that keeps as many samples as are right, at random."""
    return dataclasses.replace(self, keep='random')

  def in_epochs_of(self, other: 'Arm') -> 'Arm':
    """Returns the arm whose examples are shown as often as those of another."""
    return dataclasses.replace(self, epochs=other)

  def judged(self) -> 'Arm':
    """Returns the arm that keeps what the judge finds right."""
    return dataclasses.replace(self, keep='judge')

  def at(self, temperature: float) -> 'Arm':
    """Returns the arm whose samples are drawn at another temperature."""
    draws = tuple(draw.at(str(temperature)) for draw in self.draws)
    return dataclasses.replace(self, draws=draws)


def called(generators: str) -> str:
  """How people call what samples: the paper's two in capitals.

  Args:
    generators: Names, of one or joined by '+', with temperatures.

  Example:
    >>> called('wc+se@1.0'), called('flash')
    ('WC+SE@1.0', 'flash')
  """
  papers = rf'\b({"|".join(GENERATORS)})\b'
  return re.sub(papers, lambda name: name[0].upper(), generators)


def mix(*arms: Arm, shares: Sequence[float] = ()) -> Arm:
  """Returns the arm that spends a share of the budget on each.

  Args:
    *arms: What it is mixed of; each draws from one pool.
    shares: The shares, which sum to 1; none: all are the same.

  Raises:
    ValueError: The shares are not as many, or do not sum to 1.

  Example:
    >>> from wcse_jax.experiment.config import SE, WC
    >>> str(mix(SE, WC, shares=(0.2, 0.8)))
    '0.2se+0.8wc_compute_matched'
  """
  draws = tuple(draw for arm in arms for draw in arm.draws)
  if shares:
    draws = tuple(
      dataclasses.replace(draw, share=_share(str(share)))
      for draw, share in zip(draws, shares, strict=True)
    )
  _check_shares(draws)
  return Arm(draws)


def _share(text: str) -> str:
  """Returns a decimal as arms hold it: '.20' is '0.2'."""
  return f'{decimal.Decimal(text).normalize():f}'


def _check_shares(draws: Sequence[Draw]) -> None:
  """Raises ValueError unless shares are given to none, or to all, and are 1."""
  shares = [draw.share for draw in draws if draw.share]
  if shares and (
    len(shares) < len(draws)
    or '0' in shares
    or sum(map(fractions.Fraction, shares)) != 1
  ):
    raise ValueError(
      f'{"+".join(map(str, draws))!r}: give each a share of the budget, which'
      " sum to 1, e.g. '0.2*se+0.8*wc'"
    )


def named(generators: Sequence[str], anchor: str) -> Iterator[Arm]:
  """Yields the plain arms of generators: what others are built from.

  Args:
    generators: The names of what samples.
    anchor: The one of them whose samples budgets are counted in.
  """
  yield Arm((Draw(anchor, Pool(anchor), 'anchor'),))
  for generator in generators:
    if generator != anchor:
      for matching in MATCHINGS:
        text = f'{generator}_{matching}_matched'
        yield Arm((Draw(text, Pool(generator), matching),))
  yield Arm(())


def parse(text: str, generators: Sequence[str], anchor: str) -> Arm:
  """Reads an arm as written.

  Args:
    text: The arm, as the module's docstring says.
    generators: The names of what samples.
    anchor: The one of them whose samples budgets are counted in.

  Raises:
    ValueError: Its text says what is wrong, and what is known.
  """
  match = _ARM.fullmatch(text)
  if not match:
    raise ValueError(
      f"{text!r}: '^N', '~N', '=KEEP' and '%ARM' follow in this order"
    )
  body, first, most, keep, like = match.groups()
  for sign, number, what in (('^', first, 'draw'), ('~', most, 'keep')):
    if number is not None and (not number.isdecimal() or int(number) < 1):
      raise ValueError(
        f'{text!r}: after {sign!r} give how many solutions to {what}'
      )
  if keep is not None and keep not in KEEP:
    raise ValueError(f"{text!r}: after '=' give one of {', '.join(KEEP)}")
  if body == REFERENCE:
    if first or keep:
      raise ValueError(f'{text!r}: nothing is sampled or verified there')
    arm = Arm(())
  else:
    known = {str(arm): arm for arm in named(generators, anchor)}
    arm = mix(*(_read(part, known) for part in body.split('+')))
  if len({*arm.pools}) < len(arm.draws):
    raise ValueError(f'{text!r} draws twice from one pool')
  epochs = None if like is None else parse(like, generators, anchor)
  if epochs and epochs.epochs:
    raise ValueError(f"{text!r}: after '%' give an arm without another")
  return dataclasses.replace(
    arm,
    max_drawn=int(first) if first else None,
    max_kept=int(most) if most else None,
    keep=keep,
    epochs=epochs,
  )


def _read(text: str, known: dict[str, Arm]) -> Arm:
  """Reads one of the arms that a mixed one is made of."""
  match = _DRAW.fullmatch(text)
  share, name, at = match.groups() if match else (None, None, None)
  if share and name not in known:  # of the cost: matched by the paper's rule
    name = f'{name}_compute_matched'
  if name not in known or name == REFERENCE:
    near = difflib.get_close_matches(text, known, n=1)
    raise ValueError(
      f'unknown arm {text!r}; '
      + (f'did you mean {near[0]}?' if near else f'known: {", ".join(known)}')
    )
  (draw,) = known[name].draws
  draw = dataclasses.replace(draw, share=_share(share) if share else '')
  return Arm((draw.at(at) if at else draw,))
