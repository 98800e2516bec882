"""Who is better than whom, and by which cost."""

import msgspec

from wcse_jax.results.types.estimate import Estimate, Number

ROWS_PER_COST = 'rows_per_cost'  # right solutions, for what they cost


class Comparison(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
  """One side against another, paired by problem.

  'coverage' and 'diversity' are taken at each arm's own samples per problem.

  Attributes:
    a: '<arm>-<budget>'.
    b: '<arm>-<budget>', or 'base'.
    metric: 'pass_at_1', 'coverage', 'diversity', 'fpr', ...
    matched: Whether both cost the same.
    absolute: a - b.
    relative: a / b - 1.
    mde: The smallest absolute effect that could have been detected; of students
      between these two, as far as the test problems decide.
    mde_of_data: Of students of several finetuning seeds: the same between such
      data, whose students other seeds would make others.
    by_seed: a - b of each finetuning seed, where there are several.
    primary: Whether this is what an experiment was made to tell; all others are
      exploratory, each interval by itself.
  """

  a: str
  b: str
  metric: str
  matched: bool
  absolute: Estimate
  relative: Estimate
  mde: Number | None
  mde_of_data: Number | msgspec.UnsetType | None = msgspec.UNSET
  by_seed: tuple[Number, ...] = ()
  primary: bool = False


class Matched(msgspec.Struct, frozen=True, kw_only=True):
  """The gain of another generator over the anchor, its cost matched in one way.

  Attributes:
    matching: 'number', 'flops', 'measured', 'price' or 'seconds'.
    anchor_samples: Samples per problem of the anchor.
    other_samples: Samples per problem of the other; None if none is near.
    absolute: The gain; None where a cost or a value is not known.
    relative: The relative gain; None where a cost or a value is not known.
    winner: The generator, e.g. 'wc', or 'undecided'; None where nothing is
      compared.
    note: Why it is not matched; '' if it is.
  """

  matching: str
  anchor_samples: int
  other_samples: int | None = None
  absolute: Estimate | None = None
  relative: Estimate | None = None
  winner: str | None = None
  note: str = ''


class Winners(msgspec.Struct, frozen=True, kw_only=True):
  """Who wins at a budget by each way of matching.

  Attributes:
    budget: The anchor's budget.
    metric: What is compared.
    flips: Whether two ways of matching have different winners.
    rows: One for each way of matching.
    other: What is compared with the anchor, where there are several.
  """

  budget: str
  metric: str
  flips: bool
  rows: tuple[Matched, ...]
  other: str | msgspec.UnsetType = msgspec.UNSET


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
  """The false positive rates below which `a`'s true samples are cheaper.

  Attributes:
    a: '<arm>-<budget>'.
    b: '<arm>-<budget>'.
    fpr: The rate of `a`, by way of matching.
  """

  a: str
  b: str
  fpr: dict[str, Estimate]


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
  """An arm among others of the same budget.

  Attributes:
    arm: The arm.
    value: What it has: of problems, or of seeds and problems, on average.
    cost: What it costs by what the anchor does: 1, or less where a part of a
      sample was rounded away; None if that is not known.
    best: The first place that it may have: one behind all that are certainly
      better.
    worst: The last place that it may have.
    ahead: How far the first arm is ahead of it; None of the first.
  """

  arm: str
  value: Number
  cost: Number | None = None
  best: int
  worst: int
  ahead: Estimate | None = None


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
  """Arms that a budget pays for, in the order of their values.

  Attributes:
    budget: The budget's name.
    matching: How their samples follow from the budget: 'compute', 'price',
      'measured', 'wall_clock' or 'number'.
    metric: 'coverage', or 'pass_at_1' of students.
    confidence: That of each pair's interval, so that all hold together with
      that of the report.
    rows: The arms, best first.
  """

  budget: str
  matching: str
  metric: str
  confidence: Number
  rows: tuple[Ranked, ...]
