"""What the paper reports, beside which the pages set what came out.

`paper.toml` has its findings, and says where they come from.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools

import msgspec

from wcse_jax import data_files
from wcse_jax.results.types import Results

_STUDENTS = ('Gemma-7B', 'Gemma2-9B', 'Gemma2-27B')
_NO_MATHEMATICS = ('mbpp', 'humaneval', 'ifeval')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
  """One finding: `arm` against another at one budget.

  Attributes:
    metric: The metric, as in a comparison.
    arm: The arm of the first side.
    samples: SE's samples per problem at the budgets that it is known of.
    math: What the paper finds on MATH, in words; '' if it says nothing.
    gsm8k: What it finds on GSM8K.
    expected: 1 if the paper finds `arm` above the other, -1 if below.
    against: The other arm.
    student: The paper's student that it is known of; '' for any.
    few_problems: Whether there were few problems to train on.
    budget: The run's budget of both sides.
  """

  metric: str
  arm: str
  samples: Sequence[int]
  math: str
  gsm8k: str = ''
  expected: int = 1
  against: str = 'se'
  student: str = ''
  few_problems: bool = False
  budget: str = ''

  @property
  def a(self) -> str:
    """The first side, as in a comparison."""
    return f'{self.arm}-{self.budget}'

  @property
  def b(self) -> str:
    """The other side, as in a comparison."""
    return f'{self.against}-{self.budget}'

  @property
  def relative(self) -> bool:
    """Whether the numbers are relative gains, or points."""
    return self.metric != 'fpr'

  @property
  def text(self) -> str:
    """'+6% / +4.2%', of MATH and GSM8K."""
    if self.gsm8k in ('', self.math):
      return self.math
    return f'{self.math} / {self.gsm8k}'


@dataclasses.dataclass(frozen=True)
class _Paper:
  """All of `paper.toml`."""

  source: str
  expected: Mapping[str, str]
  claims: Sequence[Claim]


@functools.cache
def _paper() -> _Paper:
  return msgspec.convert(data_files.tables(__file__), _Paper)


def source() -> str:
  """Where the paper's numbers come from."""
  return _paper().source


def expected(experiment: str) -> str:
  """What the paper answers to what an experiment asks; '' of another's.

  >>> expected('number_matched')
  'With as many samples of each, SE data win.'
  """
  return _paper().expected.get(experiment, '')


def orders() -> set[tuple[str, str]]:
  """Pairs of arms, other than with SE, of which it says which is better."""
  return {(c.arm, c.against) for c in _paper().claims if c.against != 'se'}


def student(results: Results) -> str:
  """The student in the paper that takes the place of the run's."""
  student, *teachers = map(results.models.get, ('student', 'wc', 'se'))
  for teacher, name in zip(teachers, _STUDENTS[1:], strict=True):
    if student and teacher and student.name == teacher.name:
      return name
  return _STUDENTS[0]


def claims(results: Results) -> list[Claim]:
  """What the paper says of the run's setting, found in the run or not.

  Its numbers are of mathematics, of students that learn from right answers, and
  of its own budgets; a run's are known by SE's samples. Of few problems it says
  nothing but what students gain.
  """
  run, who = results.run, student(results)
  few = run.name == 'dataset_size'
  if run.task in _NO_MATHEMATICS:
    return []
  found = [
    dataclasses.replace(claim, budget=budget)
    for budget, cell in results.arms.get('se', {}).items()
    for claim in _paper().claims
    if cell.samples_per_problem in claim.samples
    and claim.student in ('', who)
    and (claim.against != 'se' or claim.few_problems == few)
    and (run.keep == 'correct' or not claim.metric.endswith('pass_at_1'))
  ]
  return sorted(found, key=lambda claim: claim.against == 'se')


def verdict(claim: Claim, direction: int) -> str:
  """'agrees', 'opposite' or 'undecided', from the direction of the gain."""
  if not direction:
    return 'undecided'
  return 'agrees' if direction == claim.expected else 'opposite'


def note(results: Results) -> str:
  """Where the paper's numbers come from, and whose they are."""
  return (
    'The paper samples MATH and GSM8K with Gemma2-9B (WC)'
    f' and Gemma2-27B (SE); its student here is {student(results)}. {source()}'
  )
