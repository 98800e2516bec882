"""Who samples how much: pools, mixes and students of an experiment."""

from collections.abc import Mapping, Sequence
import dataclasses
import fractions
import itertools
import math
from typing import Any

from wcse_jax.experiment import arguments
from wcse_jax.experiment import budget as budget_lib
from wcse_jax.experiment.arms import Arm, Draw, Pool, called
from wcse_jax.experiment.config import ANCHOR, ConfigError
from wcse_jax.experiment.prices import ratio
from wcse_jax.experiment.rules import above, at_least

# Of a sample: so far may the share of an arm, a decimal, be from what it means.
_SLACK = fractions.Fraction(1, 1000)
# What a sample costs, by matching and generator.
Costs = Mapping[str, Mapping[str, float]]
# The field that says so, and what it is.
_UNKNOWN = {
  'compute': ('teachers.{}.params', 'the number of parameters'),
  'price': ('prices', 'the price'),
  'measured': ('teachers.{}.tokens', 'the mean tokens of a sample'),
  'wall_clock': ('teachers.{}.seconds', 'the seconds of a sample'),
}


@dataclasses.dataclass(frozen=True)
class Mix:
  """What a student is finetuned on: an arm at a budget.

  Attributes:
    arm: The arm.
    budget: The budget's name, e.g. 'low'.
    seed: The finetuning seed whose samples they are; 0 where all seeds share
      the samples.
  """

  arm: Arm
  budget: str
  seed: int = 0

  def __str__(self) -> str:
    return _numbered(f'{self.arm}-{self.budget}', self.seed)

  @property
  def like(self) -> 'Mix | None':
    """The mix whose examples are shown as often as those of this one."""
    arm = self.arm.epochs
    return Mix(arm, self.budget).of_seed(self.seed) if arm else None

  def of_seed(self, seed: int) -> 'Mix':
    """The mix of another seed's samples; human-written ones are the same."""
    return Mix(self.arm, self.budget, seed if self.arm.draws else 0)


@dataclasses.dataclass(frozen=True)
class Student:
  """A finetuned student.

  Attributes:
    mix: What it is finetuned on.
    seed: Of its finetuning, added to the config's.
  """

  mix: Mix
  seed: int = 0

  def __str__(self) -> str:
    return _numbered(str(self.mix.of_seed(0)), self.seed)


def _numbered(name: str, seed: int) -> str:
  return f'{name}-seed{seed}' if seed else name


@dataclasses.dataclass(frozen=True)
class Base:
  """The student before finetuning."""

  def __str__(self) -> str:
    return 'base'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allotment:
  """What one arm gets at one budget.

  Attributes:
    samples: Samples per problem, by pool: those that `Plan.drawn` says; empty
      for human-written solutions.
    rounded: Whether a fraction of a sample was rounded away.
  """

  samples: dict[Pool, int]
  rounded: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The samples of all arms at all budgets.

  Attributes:
    allotments: What each mix gets; those of all seeds get the same.
    pools: Samples per problem that each pool must deliver.
    notes: Sentences for people on what was rounded down.
    params: P by generator, which the paper's rule goes by.
    params_active: P by generator, of what a token is multiplied by.
    copies: How many finetuning seeds have samples of their own: the pools are
      as many independent ones, one after another. 1: all seeds share one.
    anchor: The name of what samples as much as budgets say.
    costs: What a sample costs, by matching and generator, as far as known.
  """

  allotments: dict[Mix, Allotment]
  pools: dict[Pool, int]
  notes: tuple[str, ...]
  params: dict[str, float]
  params_active: dict[str, float]
  copies: int = 1
  anchor: str = ANCHOR
  costs: Costs = dataclasses.field(default_factory=dict)

  @property
  def mixes(self) -> list[Mix]:
    """Every arm at every budget, and of every seed that has its own samples."""
    found = (
      mix.of_seed(seed)
      for seed in range(self.copies)
      for mix in self.allotments
    )
    return [*dict.fromkeys(found)]

  def mix_of(self, mix: Mix, seed: int) -> Mix:
    """What a mix's student of a finetuning seed learns from."""
    return mix.of_seed(seed) if self.copies > 1 else mix

  def drawn(self, mix: Mix) -> dict[Pool, range]:
    """Returns the `sample_index` of a mix's samples of a problem, by pool."""
    samples = self.allotments[mix.of_seed(0)].samples
    firsts = {p: mix.seed * self.pools[p] // self.copies for p in samples}
    return {p: range(firsts[p], firsts[p] + n) for p, n in samples.items()}

  def to_dict(
    self,
    num_problems: int,
    mean_tokens: float | None = None,
    *,
    sampled: bool = False,
    drawn: Mapping[Mix, float] | None = None,
  ) -> dict[str, Any]:
    """Returns what plan.json holds: `arms[arm][budget]`, and all else.

    An arm's `cost_flops` are by the paper's rule; None where the size of a
    model, or the mean length of a solution, is not known.

    Args:
      num_problems: The number of problems, n.
      mean_tokens: The mean length of a solution in tokens, W.
      sampled: Whether that is of what was sampled; else it is the most that a
        solution may have, and costs are at most those.
      drawn: How many samples of all problems a mix draws, or is expected to,
        if it may be fewer than `samples` of each; costs are of those.
    """
    texts = lambda samples: {str(pool): n for pool, n in samples.items()}
    arms: dict[str, dict[str, Any]] = {}
    for mix, allotment in self.allotments.items():
      cost = self._cost_flops(allotment, num_problems, mean_tokens)
      found = {
        'samples': texts(allotment.samples),
        'rounded': allotment.rounded,
      }
      if drawn and mix in drawn:
        found['drawn'] = drawn[mix]
        most = num_problems * sum(allotment.samples.values())
        cost = cost and cost * drawn[mix] / most
      found['cost_flops'] = cost
      arms.setdefault(str(mix.arm), {})[mix.budget] = found
    return {
      'arms': arms,
      'pools': texts(self.pools),
      'ratio': self._ratio(self.params),
      'ratio_active': self._ratio(self.params_active),
      'rounded': bool(self.notes),
      'notes': self.notes,
      'num_problems': num_problems,
      'mean_tokens': mean_tokens,
      'mean_tokens_of': 'samples' if sampled else 'limit',
      'params': self.params,
      'params_active': self.params_active,
    }

  def _cost_flops(
    self, allotment: Allotment, num_problems: int, mean_tokens: float | None
  ) -> float | None:
    drawn = {pool.generator for pool in allotment.samples}
    if drawn and (mean_tokens is None or drawn - self.params.keys()):
      return None
    return sum(
      budget_lib.sampling_flops(
        num_problems, n, mean_tokens or 0, self.params[pool.generator]
      )
      for pool, n in allotment.samples.items()
    )

  def _ratio(self, params: Mapping[str, float]) -> float | None:
    """P of the anchor by P of the other generator; None unless of two."""
    others = [p for generator, p in params.items() if generator != self.anchor]
    if self.anchor not in params or len(others) != 1:
      return None
    return params[self.anchor] / others[0]


def make(
  arms: Sequence[Arm],
  budgets: Mapping[str, int],
  params: Mapping[str, float],
  params_active: Mapping[str, float],
  costs: Costs | None = None,
  copies: int = 1,
  anchor: str = ANCHOR,
) -> Plan:
  """Plans all arms at all budgets.

  Human-written solutions are as many at each budget: a student learns from them
  at the last alone, unless another arm's epochs at a budget are its.

  Args:
    arms: The arms.
    budgets: The anchor's samples per problem by budget, ascending: each budget
      is nested in the next, e.g. `{'low': 1, 'high': 10}`.
    params: P by generator; decides the ratio.
    params_active: P by generator, of what a token is multiplied by; for the
      measured cost.
    costs: What a sample costs, by matching and generator, for arms that are
      matched otherwise than by size: 'price' in dollars per output token,
      'measured' in FLOPs, 'wall_clock' in seconds; only ratios matter.
    copies: How many finetuning seeds have samples of their own.
    anchor: The name of what samples as much as budgets say.

  Raises:
    ArgumentError: A budget is no whole number, `copies` none from 1 on; a size
      or a cost, no number above 0.
    ConfigError: A cost is not known, or a budget is of less than one sample.
  """
  for name, numbers in {
    'params': params,
    'params_active': params_active,
    **(costs or {}),
  }.items():
    for generator, number in numbers.items():
      arguments.check_as(float, above(0), **{f'{name}[{generator!r}]': number})
  costs = {**(costs or {}), 'compute': params}
  arguments.check_as(int, at_least(1), copies=copies)
  allotments: dict[Mix, Allotment] = {}
  pools: dict[Pool, int] = {}
  notes: list[str] = []
  *_, last = budgets
  followed = {arm.epochs for arm in arms}
  for arm, (budget, number) in itertools.product(arms, budgets.items()):
    arguments.check_as(int, **{f'budgets[{budget!r}]': number})
    if number < 1:
      raise ConfigError(
        f'budget.{budget}', number, f'Give {called(anchor)} at least 1 sample.'
      )
    if not (arm.draws or arm in followed or budget == last):
      continue
    mix = Mix(arm, budget)
    parts = arm.parts
    exact = {
      draw.pool: ratio_to_anchor(draw, costs, anchor)
      * number
      * parts[draw.pool]
      for draw in arm.draws
    }
    if arm.max_drawn:
      exact = {pool: min(n, arm.max_drawn) for pool, n in exact.items()}
    samples = _rounded_down(mix, number, exact, notes)
    for pool, n in samples.items():
      pools[pool] = max(n, pools.get(pool, 0))
    rounded = any(exact[pool] - n > _SLACK for pool, n in samples.items())
    allotments[mix] = Allotment(samples=samples, rounded=rounded)
  return Plan(
    allotments=allotments,
    pools={pool: n * copies for pool, n in pools.items()},
    notes=tuple(notes),
    params=dict(params),
    params_active=dict(params_active),
    copies=copies,
    anchor=anchor,
    costs=costs,
  )


def samples_per_problem(
  arm: Arm,
  number: int,
  params: Mapping[str, float],
  costs: Costs | None = None,
  anchor: str = ANCHOR,
) -> int:
  """Returns an arm's samples per problem, rounded down.

  Example:
    At the price of 10 samples of a 27B model, a 9B model gives 30.

    >>> from wcse_jax.experiment.config import WC
    >>> samples_per_problem(WC, 10, {'se': 27e9, 'wc': 9e9})
    30

  Args:
    arm: The arm.
    number: Samples per problem of the anchor.
    params: P by generator; only their ratio matters.
    costs: As `make` takes them, if these match.
    anchor: The anchor's name.

  Raises:
    ConfigError: A cost is not known, or a budget is of less than one sample.
  """
  plan = make([arm], {'budget': number}, params, params, costs, anchor=anchor)
  return sum(plan.allotments[Mix(arm, 'budget')].samples.values())


def ratio_to_anchor(
  draw: Draw, costs: Costs, anchor: str = ANCHOR
) -> fractions.Fraction:
  """Returns samples for one of the anchor's; exact, so 3.0 is never 2.99.

  Args:
    draw: Whose samples, and what makes them equal.
    costs: What a sample costs, by matching and generator: 'compute' in
      parameters, others as `make` takes them.
    anchor: The anchor's name.

  Raises:
    ConfigError: A cost is not known.
  """
  if draw.matching in ('anchor', 'number'):
    return fractions.Fraction(1)
  generator, known = draw.pool.generator, costs.get(draw.matching, {})
  for name in (anchor, generator):
    if name not in known:
      path, what = _UNKNOWN[draw.matching]
      raise ConfigError(
        path.format(name), None, f'Arm {draw.text!r} needs {what} of {name}.'
      )
  return ratio(known[anchor], known[generator])


def _rounded_down(
  mix: Mix,
  number: int,
  exact: Mapping[Pool, fractions.Fraction | int],
  notes: list[str],
) -> dict[Pool, int]:
  """Returns whole samples per problem; notes which of them were rounded."""
  shared = any(draw.share for draw in mix.arm.draws)
  slack = _SLACK if shared else 0  # 0.333333 of 3 is 1
  samples = {pool: math.floor(n + slack) for pool, n in exact.items()}
  for pool, n in exact.items():
    if samples[pool] < 1:
      raise ConfigError(
        f'budget.{mix.budget}',
        number,
        f'It pays for {float(n):.3g} samples of {pool} in {mix.arm}: give'
        f' at least {math.ceil(number / n)}.',
      )
    if n - samples[pool] > slack:
      notes.append(
        f'{mix.arm.label} at the {mix.budget} budget: {float(n):.4g} samples'
        f' per problem of {pool} would match, rounded down to {samples[pool]}'
      )
  return samples
