"""What a run committed, as `results.make` reads it: no files, no devices."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import Config
from wcse_jax.experiment.counts import Counted
from wcse_jax.experiment.plan import Base, Mix, Plan
from wcse_jax.experiment.prices import Price
from wcse_jax.records import Answers, Problem, Sample, Verdict
from wcse_jax.results.types import Model, Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampled:
  """A pool, those of its samples included that no arm takes.

  Attributes:
    samples: The samples.
    verdicts: The verifier's verdicts on them.
    judgements: The judge's verdicts on some of them; empty without a judge.
    parts: How each part of the samples was made.
    verified: How each part of the verdicts was made.
    num_prefix_tokens: Tokens before every question, BOS included; 0 of samples
      from a file.
    answer_is_solution: As in `tasks.TaskInfo`.
  """

  samples: Sequence[Sample]
  verdicts: Sequence[Verdict]
  judgements: Sequence[Verdict] = ()
  parts: Sequence[Mapping[str, Any]] = ()
  verified: Sequence[Mapping[str, Any]] = ()
  num_prefix_tokens: int = 0
  answer_is_solution: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curated:
  """The training table of a mix.

  Attributes:
    examples: Its examples.
    tokens: Tokens of all examples.
    rows: Packed rows.
    dropped: Examples that are longer than a row, and not in it.
    left_out: Why it has no student, having no example; '' if it has one.
  """

  examples: int
  tokens: int
  rows: int
  dropped: int = 0
  left_out: str = ''


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
  """A student of one finetuning seed, or the one before finetuning.

  Attributes:
    answers: The answers to each test, by its name, of each problem, in the
      same order for all seeds.
    examples: Examples that it was finetuned on.
    steps: Finetuning steps.
    asked_steps: Steps that were asked for, of the config's batches.
    rows: Packed rows that it was shown.
    rows_per_step: Packed rows of a step.
    best_step: The step of the kept checkpoint; None before finetuning.
    best_rate: The learning rate of the kept checkpoint.
    validation: Accuracy by step.
    judged: What the judge says of the reasoning of right greedy solutions, by
      test problem; of those alone that it judged.
  """

  answers: Mapping[str, Sequence[Answers]]
  examples: int = 0
  steps: int = 0
  asked_steps: int = 0
  rows: int = 0
  rows_per_step: int = 0
  best_step: int | None = None
  best_rate: float | None = None
  validation: tuple[tuple[int, float], ...] = ()
  judged: Mapping[str, bool] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Committed:
  """All that results are made of.

  Attributes:
    run: What was run.
    config: The experiment.
    plan: Who samples how much.
    exact_steps: Whether the task's check of steps decides exactly.
    problems: The problems of each split, and of other tasks' tests.
    no_gold: The problems of each split that have no gold that can be read.
    models: The models that are used, by role.
    counted: What arms matched by compute get, by what P counts.
    tpu_plan: What `tpu.experiment.plan` returned; {} if nobody planned.
    prices: Prices of the generators, by name, where they count.
    pools: The pools that arms draw on.
    reference: The human-written solutions, graded; none if no arm has them.
    labels: Whether people find the reasoning of a sample right, by pool's name,
      problem and sample index.
    curated: The training tables; empty without a student.
    students: Students by seed, of the mixes that have examples; empty without a
      student.
  """

  run: Run
  config: Config
  plan: Plan
  exact_steps: bool
  problems: Mapping[str, Sequence[Problem]]
  no_gold: Mapping[str, tuple[str, ...]]
  models: Mapping[str, Model]
  prices: Mapping[str, Price]
  pools: Mapping[Pool, Sampled]
  reference: Sampled = Sampled(samples=(), verdicts=())
  counted: Sequence[Counted] = ()
  tpu_plan: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  labels: Mapping[tuple[str, str, int], bool] = dataclasses.field(
    default_factory=dict
  )
  curated: Mapping[Mix, Curated] = dataclasses.field(default_factory=dict)
  students: Mapping[Mix | Base, Sequence[Trained]] = dataclasses.field(
    default_factory=dict
  )

  def is_left_out(self, mix: Mix) -> bool:
    """Whether a mix has no student, for want of examples of any seed."""
    return any(
      of.left_out and other.of_seed(0) == mix.of_seed(0)
      for other, of in self.curated.items()
    )

  @property
  def tests(self) -> tuple[str, ...]:
    """What students are tested on: the own test split, and other tasks."""
    return 'test', *self.config.evaluate.transfer
