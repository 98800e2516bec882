"""What students scored."""

import msgspec

from wcse_jax.results.types.estimate import Estimate, Number

Curve = tuple[tuple[int, Number], ...]  # validation accuracy by step


class LevelAccuracy(msgspec.Struct, frozen=True, kw_only=True):
  """pass@1 on the test problems of one level."""

  pass_at_1: Estimate


class Scores(msgspec.Struct, frozen=True, kw_only=True):
  """What a student of one finetuning seed scored on a task."""

  pass_at_1: Number
  maj_at_k: dict[int, Number]


class Seed(Scores, frozen=True, kw_only=True):
  """A student of one finetuning seed; the base model has no step or rate."""

  best_step: int | None
  best_rate: Number | None
  validation: Curve


class Test(msgspec.Struct, frozen=True, kw_only=True):
  """What students scored on another task's test problems.

  Attributes:
    pass_at_1: The share of problems solved by the greedy answer.
    maj_at_k: The share solved by the majority of k answers, by k.
    coverage_at_k: The share solved by any of k answers, by k.
    unknown: Answers that could not be decided.
    by_level: pass@1 by the problems' level.
    by_seed: The values of each finetuning seed.
    fpr: The share of right greedy answers whose reasoning is wrong, by the
      task's check of steps; absent if that looked at none.
  """

  pass_at_1: Estimate
  maj_at_k: dict[int, Estimate]
  coverage_at_k: dict[int, Estimate]
  unknown: int
  by_level: dict[int, LevelAccuracy]
  by_seed: tuple[Scores, ...]
  fpr: Estimate | msgspec.UnsetType = msgspec.UNSET


class Student(msgspec.Struct, frozen=True, kw_only=True):
  """A student, over its finetuning seeds; estimates are means over them.

  Attributes:
    arm: The arm it was finetuned on; 'base' for the model as it was.
    budget: The arm's budget; '' for the base model.
    seeds: How often it was finetuned.
    examples: Examples it was finetuned on.
    steps: Finetuning steps.
    epochs: How often it was shown each example; absent for the base model.
    examples_per_step: Examples of a step, on average: those of whole packed
      rows; absent for the base model.
    asked_steps: Steps that the config asks for; absent for the base model.
    asked_examples_per_step: Examples of a step that the config asks for; absent
      for the base model.
    best_step: The step of the kept checkpoint, of the first seed.
    best_rate: The learning rate of the kept checkpoint, of the first seed.
    validation: Accuracy by step on the validation problems, of the first seed.
    pass_at_1: The share of the run's own test problems that the greedy answer
      solves; the fields that follow are of these problems, too.
    maj_at_k: The share solved by the majority of k answers, by k.
    coverage_at_k: The share solved by any of k answers, by k.
    unknown: Answers that could not be decided.
    by_level: pass@1 by the problems' level.
    by_seed: The values of each finetuning seed.
    transfer: What it scored on other tasks, by task.
    fpr: The share of right greedy answers whose reasoning is wrong, by the
      task's check of steps; absent if that looked at none.
    few_shot: True for a base model that was asked behind the few-shot examples;
      else absent.
  """

  arm: str
  budget: str
  seeds: int
  examples: int
  steps: int
  best_step: int | None
  best_rate: Number | None
  validation: Curve
  pass_at_1: Estimate
  maj_at_k: dict[int, Estimate]
  coverage_at_k: dict[int, Estimate]
  unknown: int
  by_level: dict[int, LevelAccuracy] = {}
  by_seed: tuple[Seed, ...] = ()
  transfer: dict[str, Test] = {}
  fpr: Estimate | msgspec.UnsetType = msgspec.UNSET
  epochs: Number | msgspec.UnsetType = msgspec.UNSET
  examples_per_step: Number | msgspec.UnsetType = msgspec.UNSET
  asked_steps: int | msgspec.UnsetType = msgspec.UNSET
  asked_examples_per_step: int | msgspec.UnsetType = msgspec.UNSET
  few_shot: bool | msgspec.UnsetType = msgspec.UNSET
