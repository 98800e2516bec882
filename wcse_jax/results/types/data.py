"""The data of an arm at a budget."""

import msgspec

from wcse_jax.analysis.costs import Cost
from wcse_jax.results.types.estimate import Estimate, Number


class Source(msgspec.Struct, frozen=True, kw_only=True):
  """By whose word a sample of right answer is a false positive.

  Attributes:
    name: 'steps', 'judge' or 'people'.
    exact: Whether it is a check that decides exactly.
  """

  name: str
  exact: bool


class ArmCost(Cost, frozen=True, kw_only=True):
  """What an arm costs, and its tokens.

  Attributes:
    sampling_flops: As measured, all in all: `Cost.measured_flops`.
    tokens: Tokens of all samples.
    prompt_tokens: Tokens of their prompts.
  """

  sampling_flops: Number | None
  tokens: int
  prompt_tokens: int


class LevelCoverage(msgspec.Struct, frozen=True, kw_only=True):
  """The coverage of the problems of one level, at all of an arm's samples."""

  coverage: Estimate


class Cell(msgspec.Struct, frozen=True, kw_only=True):
  """The data of an arm at a budget.

  Attributes:
    generator: The pools it draws on, joined by '+'; None if nothing is sampled.
    label: The arm's name for people.
    samples_per_problem: Samples of each problem; at most, if sampling ends with
      enough right ones.
    drawn_per_problem: The mean number of samples of a sampled problem, then;
      else absent.
    samples: Samples of all problems.
    estimated_of: The problems that estimates are of, if they leave out the one
      that brought enough right ones; else absent.
    coverage: coverage@k by k.
    diversity: diversity@k by k, in unique correct solutions of a problem.
    diversity_per_solved: The same of a solved problem, the paper's measure:
      diversity@k by coverage@k.
    fpr: The false positive rate by the run's source; None if nobody looked.
    fpr_by: The rate by each source that looked: 'steps', 'judge', 'people'.
    accuracy: The share of correct samples.
    unknown: Samples that could not be decided.
    coverage_upper: coverage@k if every unknown sample were correct.
    cost_flops: Cost of all samples by the rule 2PW; None if a size is not
      known.
    cost: Costs as measured; training is that of one student.
    cost_per_true: Cost of a sample of right answer and right reasoning, by way
      of matching.
    matched: Whether it costs the same as the anchor at this budget.
    examples: Finetuning examples; None without a student.
    dropped: Examples that are left out as they are longer than a row; absent
      without any.
    left_out: Why no student learned from it, for want of examples; absent if
      one did.
    by_level: Coverage by the problems' level.
  """

  generator: str | None
  label: str
  samples_per_problem: int
  drawn_per_problem: Number | msgspec.UnsetType = msgspec.UNSET
  samples: int
  estimated_of: int | msgspec.UnsetType = msgspec.UNSET
  coverage: dict[int, Estimate]
  diversity: dict[int, Estimate]
  diversity_per_solved: dict[int, Estimate] = {}
  fpr: Estimate | None
  fpr_by: dict[str, Estimate] = {}
  accuracy: Estimate
  unknown: int
  coverage_upper: dict[int, Number]
  cost_flops: Number | None
  cost: ArmCost
  cost_per_true: dict[str, Estimate] = {}
  matched: bool
  examples: int | None
  dropped: int | msgspec.UnsetType = msgspec.UNSET
  left_out: str | msgspec.UnsetType = msgspec.UNSET
  by_level: dict[int, LevelCoverage] = {}


class SampleToRead(msgspec.Struct, frozen=True, kw_only=True):
  """A solution to be read; its kind may be 'false positive', too."""

  kind: str
  generator: str
  problem: str
  text: str
  gold: str
  answer: str
