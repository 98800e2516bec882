"""What the paper reports, beside which the pages set what came out.

Source: arXiv 2408.16737, by its abstract and published summaries; [u] marks
what could not be verified.
"""

import dataclasses
import importlib.resources
import tomllib

from wcse_jax.results.types import Results


@dataclasses.dataclass(frozen=True)
class Claim:
  """One finding: `arm` against another at one budget.

  Attributes:
    metric: The metric, as in a comparison.
    arm: The arm of the first side.
    budget: The budget of both sides.
    math: What the paper finds on MATH, in words; '' if it says nothing.
    gsm8k: What it finds on GSM8K.
    expected: 1 if the paper finds `arm` above the other, -1 if below.
    relative: Whether the numbers are relative gains, or points.
    against: The other arm.
  """

  metric: str
  arm: str
  budget: str
  math: str
  gsm8k: str = ''
  expected: int = 1
  relative: bool = True
  against: str = 'se'

  @property
  def a(self) -> str:
    """The first side, as in a comparison."""
    return f'{self.arm}-{self.budget}'

  @property
  def b(self) -> str:
    """The other side, as in a comparison."""
    return f'{self.against}-{self.budget}'

  @property
  def text(self) -> str:
    """'+6% / +4.2%', of MATH and GSM8K."""
    if self.gsm8k in ('', self.math):
      return self.math
    return f'{self.math} / {self.gsm8k}'


# Pairs of arms, other than with SE, of which the paper says which is better.
ORDERS = (
  ('wc_compute_matched', 'wc_compute_matched~1'),
  ('wc_compute_matched~1', 'wc_compute_matched^1'),
)
_WC = 'wc_compute_matched'
# SE's samples per problem at the paper's low and high budget.
_BUDGETS = (1, 10)
# Relative gains of students, WC over SE: of each student on MATH and GSM8K at
# the low, then at the high budget; with few problems; matched by price; on
# Functional MATH. Of the last three the paper's summaries name no budget.
_GAINS = {
  'Gemma-7B': (('+6%', '+4.2%'), ('+5.8%', '+1.3%')),
  'Gemma2-9B': (('+3.8%', '+1.5%'), ('+2%', 'about 0%')),
  'Gemma2-27B': (('+5.8%', '+1.2%'), ('+4.3%', '+1.5%')),
}
_FEW_PROBLEMS = dict(zip(_GAINS, ('+12.9%', '+11.4%', '+5.1%'), strict=True))
_BY_PRICE = dict(zip(_GAINS, ('+31.6%', '+14.4%', '+10.9%'), strict=True))
# With 5 samples of the cheap model for 1 of the dear one, 0.15 of the price.
_FOR_LESS = dict(zip(_GAINS, ('+19.1%', '+9.8%', '+5.7%'), strict=True))
_FUNCTIONAL = {'Gemma-7B': '+5.8 to +6.5%', 'Gemma2-9B': '+2.5 to +4.5%'}
_DATA = (
  ('coverage', ('+11%', '+8%'), ('+6%', '+1%')),
  ('diversity', ('+86%', '+134%'), ('+125%', '+158%')),
  ('fpr', ('+7 points', '+2 points'), ('+7 points', '+2 points')),
)

_NO_MATHEMATICS = ('mbpp', 'humaneval', 'ifeval')


def expected(experiment: str) -> str:
  """What the paper answers to what an experiment asks; '' of another's.

  >>> expected('number_matched')
  'With as many samples of each, SE data win.'
  """
  text = importlib.resources.files(__package__).joinpath('expected.toml')
  return tomllib.loads(text.read_text('utf-8')).get(experiment, '')


def student(results: Results) -> str:
  """The student in the paper that takes the place of the run's."""
  student, *teachers = map(results.models.get, ('student', 'wc', 'se'))
  for teacher, name in zip(teachers, list(_GAINS)[1:], strict=True):
    if student and teacher and student.name == teacher.name:
      return name
  return next(iter(_GAINS))


def claims(results: Results) -> list[Claim]:
  """What the paper says of the run's setting, found in the run or not.

  Its numbers are of mathematics, of students that learn from right answers, and
  of its own budgets; a run's are known by SE's samples.
  """
  run, who = results.run, student(results)
  if run.task in _NO_MATHEMATICS:
    return []
  few = run.name == 'dataset_size'
  budgets = {
    budget: cell.samples_per_problem
    for budget, cell in results.arms.get('se', {}).items()
  }
  found = [
    Claim('pass_at_1', arm, budget, 'higher', 'higher', against=other)
    for arm, other in ORDERS
    for budget, samples in budgets.items()
    if samples == _BUDGETS[1]  # 30 samples of WC
  ]
  for budget, samples in budgets.items():
    if samples not in _BUDGETS:
      continue
    i = _BUDGETS.index(samples)
    if few:  # nothing else is said of them
      gain = f'{_FEW_PROBLEMS[who]} [u]'
      found.append(Claim('pass_at_1', _WC, budget, gain))
      continue
    found.append(Claim('pass_at_1', _WC, budget, *_GAINS[who][i]))
    found += [
      Claim(metric, _WC, budget, *numbers[i], relative=metric != 'fpr')
      for metric, *numbers in _DATA
    ]
    found += [
      Claim(
        'pass_at_1',
        'wc_number_matched',
        budget,
        'SE wins',
        'SE wins',
        expected=-1,
      ),
      Claim('pass_at_1', 'wc_price_matched', budget, f'{_BY_PRICE[who]} [u]'),
    ]
    if i == 0:
      said = f'{_FOR_LESS[who]} [u]'
      found.append(Claim('pass_at_1', 'wc_price_matched^5', budget, said))
    if who in _FUNCTIONAL:  # of the largest: 'about equal'
      said = f'{_FUNCTIONAL[who]} [u]'
      found.append(Claim('functional_math_pass_at_1', _WC, budget, said))
  return [
    claim
    for claim in found
    if run.keep == 'correct' or not claim.metric.endswith('pass_at_1')
  ]


def verdict(claim: Claim, direction: int) -> str:
  """'agrees', 'opposite' or 'undecided', from the direction of the gain."""
  if not direction:
    return 'undecided'
  return 'agrees' if direction == claim.expected else 'opposite'


def note(results: Results) -> str:
  """Where the paper's numbers come from."""
  return (
    'The paper samples MATH and GSM8K with Gemma2-9B (WC)'
    f' and Gemma2-27B (SE); its student here is {student(results)}. {SOURCE}'
  )


SOURCE = (
  "The paper's numbers (arXiv 2408.16737) are taken from its abstract and"
  ' published summaries; it gives one false positive rate for each dataset,'
  ' shown at both budgets. It samples at temperature 0.7, with top-k 3 [u],'
  ' from pretrained generators [u], at most 512 new tokens [u]; [u] marks what'
  ' could not be verified. Only directions are compared: the sizes of effects'
  ' belong to its models and data.'
)
