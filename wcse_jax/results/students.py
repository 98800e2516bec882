"""What students scored."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

import msgspec
import numpy as np

from wcse_jax.analysis import estimators
from wcse_jax.analysis import seeds as seeds_lib
from wcse_jax.experiment.plan import Base, Mix
from wcse_jax.records import GREEDY, Answers
from wcse_jax.results import types
from wcse_jax.results.committed import Committed, Trained
from wcse_jax.results.intervals import Counts, Intervals
from wcse_jax.results.types.students import LevelAccuracy, Scores, Seed, Test
from wcse_jax.tasks import functional_math


class Answered:
  """What students of several finetuning seeds answered to the same problems.

  Values are of each problem, shape (P,), or, of several seeds, of each seed and
  problem, shape (S, P); those of samples are of the problems that have samples
  alone, the same for all students. Problems of one family are variants of one:
  they count once, as solved if all of them are. As samples are independent, a
  family's value is the product of theirs.
  """

  def __init__(
    self,
    seeds: Sequence[Sequence[Answers]],
    families: Sequence[str] | None = None,
  ):
    """Takes what students answered.

    Args:
      seeds: The answers of each seed to the problems, in the same order, as
        in `committed.Trained.answers`.
      families: The family of each problem; by default each is its own.
    """
    self.seeds = seeds
    names = families or range(len(seeds[0]))
    _, self._first, self._family = np.unique(
      np.asarray(names), return_index=True, return_inverse=True
    )

  @functools.cached_property
  def level(self) -> np.ndarray:
    """The level of each problem, or family."""
    return np.array([a.level for a in self.seeds[0]])[self._first]

  @functools.cached_property
  def greedy(self) -> np.ndarray:
    """pass@1 of each problem, by the greedy solution."""
    return self._values(lambda seed: [a.greedy == 'correct' for a in seed])

  @functools.cache  # noqa: B019
  def majority(self, k: int) -> np.ndarray:
    """maj@k of each problem that has samples."""
    return self._of_samples(
      lambda seed: estimators.maj_at_k(
        [a.answers for a in seed], _flags(seed), k
      )
    )

  def coverage(self, k: int) -> np.ndarray:
    """coverage@k of each problem that has samples."""
    return self._of_samples(
      lambda seed: estimators.coverage_at_k(
        len(seed[0].verdicts), [f.sum() for f in _flags(seed)], k
      )
    )

  def false_positives(self) -> Counts:
    """Right greedy solutions of wrong reasoning, and those checked.

    Of each problem, the sums over seeds; variants of a family are problems.
    """
    unsound_SxP, checked_SxP = (
      np.array(
        [
          [a.greedy == 'correct' and a.greedy_sound in said for a in seed]
          for seed in self.seeds
        ]
      )
      for said in ((False,), (False, True))
    )
    return unsound_SxP.sum(axis=0), checked_SxP.sum(axis=0)

  @property
  def unknown(self) -> int:
    """How many solutions could not be decided."""
    return sum(
      v == 'unknown'
      for seed in self.seeds
      for a in seed
      for v in (a.greedy, *a.verdicts)
    )

  @functools.cached_property
  def _sampled(self) -> tuple[np.ndarray, np.ndarray]:
    """Which problems have samples, and which families have them of each."""
    problems = np.array([len(a.verdicts) > 0 for a in self.seeds[0]])
    families = np.ones(len(self._first), bool)
    np.logical_and.at(families, self._family, problems)
    return problems, families

  def _of_samples(
    self, of_problems: Callable[[Sequence[Answers]], Any]
  ) -> np.ndarray:
    problems, families = self._sampled

    def of_all(seed: Sequence[Answers]) -> np.ndarray:
      values = np.ones(len(seed))
      values[problems] = of_problems([a for a in seed if a.verdicts])
      return values

    return self._values(of_all)[..., families]

  def _values(
    self, of_problems: Callable[[Sequence[Answers]], Any]
  ) -> np.ndarray:
    found = []
    for seed in self.seeds:
      product = np.ones(len(self._first))
      np.multiply.at(product, self._family, np.float64(of_problems(seed)))
      found.append(product)
    return np.array(found) if len(found) > 1 else found[0]


def _flags(answers: Sequence[Answers]) -> list[np.ndarray]:
  return [estimators.correct_flags(a.verdicts) for a in answers]


# By what students are finetuned on, and the test.
Tested = Mapping[tuple[Mix | Base, str], Answered]


def answered(committed: Committed) -> Tested:
  """Returns what the students of each mix answered to each test.

  Whether the reasoning of own test problems' solutions is right is what people
  say, if they have labelled any; else what the judge says, if it was asked: it
  is not where the task's check of steps, which speaks else, is exact.
  """
  people = {
    (name, problem): right
    for (name, problem, index), right in committed.labels.items()
    if index == GREEDY
  }
  judged = any(
    seed.judged for seeds in committed.students.values() for seed in seeds
  )
  found = {}
  for mix, seeds in committed.students.items():
    for test in committed.tests:
      answers = [seed.answers[test] for seed in seeds]
      said = [seed.judged for seed in seeds]
      if people:  # of the first seed's student
        name, none = str(mix), [{}] * (len(seeds) - 1)
        said = [{p: right for (of, p), right in people.items() if of == name}]
        said += none
      if test == 'test' and (people or judged):
        answers = [*map(_said, answers, said)]
      found[mix, test] = _answered(answers, test)
  return found


def _said(
  answers: Sequence[Answers], sound: Mapping[str, bool]
) -> list[Answers]:
  """Returns answers with what is said of their reasoning, and no more."""
  return [
    dataclasses.replace(a, greedy_sound=sound.get(a.problem_id))
    for a in answers
  ]


def _answered(seeds: Sequence[Sequence[Answers]], test: str) -> Answered:
  if test != 'functional_math':
    return Answered(seeds)
  names = [functional_math.family(a.problem_id) for a in seeds[0]]
  return Answered(seeds, names)


def values(of: Answered, ks: Sequence[int]) -> dict[str, np.ndarray]:
  """Returns what students score on each problem, by metric."""
  return {'pass_at_1': of.greedy} | {
    f'maj_at_{k}': of.majority(k)
    for k in ks
    if k > 1  # maj@1 is coverage@1
  }


# By test and metric.
Spreads = Mapping[tuple[str, str], seeds_lib.Spread | None]


def spreads(committed: Committed, tested: Tested) -> Spreads:
  """Returns how far apart the seeds of one student are, over all mixes.

  Where seeds have samples of their own, of these: human-written ones are alike.
  """
  own = committed.plan.copies > 1
  ks = committed.config.evaluate.ks
  found: dict[tuple[str, str], list[np.ndarray]] = {}
  for (mix, test), of in tested.items():
    if isinstance(mix, Mix) and (mix.arm.draws or not own):
      for metric, each in values(of, ks).items():
        found.setdefault((test, metric), []).append(each)
  return {key: seeds_lib.pooled(each) for key, each in found.items()}


def rows(
  committed: Committed, tested: Tested, known: Spreads, intervals: Intervals
) -> dict[str, types.Student]:
  """Returns what results.json says of each student."""
  ks = committed.config.evaluate.ks
  return {
    str(mix): _row(
      committed,
      mix,
      seeds,
      {
        test: score(
          tested[mix, test],
          ks,
          intervals,
          {
            metric: of
            for (of_test, metric), of in known.items()
            if of_test == test
          },
        )
        for test in committed.tests
      },
    )
    for mix, seeds in committed.students.items()
  }


def _row(
  committed: Committed,
  mix: Mix | Base,
  seeds: Sequence[Trained],
  scores: dict[str, Test],
) -> types.Student:
  arm, budget, shown, config = str(mix), '', {}, committed.config
  if isinstance(mix, Base):
    shown = {'few_shot': True} if config.evaluate.few_shot_base else {}
  else:
    arm, budget = str(mix.arm), mix.budget
    rows = committed.curated[mix].rows
    each = seeds[0].rows_per_step * seeds[0].examples / rows
    shown = {
      'epochs': seeds[0].steps * each / seeds[0].examples,
      'examples_per_step': each,
      'asked_steps': seeds[0].asked_steps,
      'asked_examples_per_step': config.finetune.batch_size,
    }
  own = msgspec.structs.asdict(scores.pop('test'))
  own['by_seed'] = tuple(
    Seed(
      best_step=seed.best_step,
      best_rate=seed.best_rate,
      validation=seed.validation,
      **msgspec.structs.asdict(scored),
    )
    for scored, seed in zip(own['by_seed'], seeds, strict=True)
  )
  first = seeds[0]
  return types.Student(
    arm=arm,
    budget=budget,
    seeds=len(seeds),
    examples=first.examples,
    steps=first.steps,
    best_step=first.best_step,
    best_rate=first.best_rate,
    validation=first.validation,
    transfer=scores,
    **shown,
    **own,
  )


def score(
  test: Answered,
  ks: Sequence[int],
  intervals: Intervals,
  known: Mapping[str, seeds_lib.Spread | None] | None = None,
) -> Test:
  """Returns the estimates of a test.

  Args:
    test: What the students answered.
    ks: For maj@k and coverage@k.
    intervals: How intervals are computed.
    known: How far apart a student's seeds are, by metric, if that is known of
      more students.
  """
  greedy, level, share = test.greedy, test.level, intervals.share
  known = known or {}
  majority = {k: test.majority(k) for k in ks if k > 1}  # 1 is coverage@1
  majority_of = {k: by_seed(values) for k, values in majority.items()}
  return Test(
    pass_at_1=share(greedy, known.get('pass_at_1')),
    maj_at_k={
      k: share(values, known.get(f'maj_at_{k}'))
      for k, values in majority.items()
    },
    coverage_at_k={k: share(test.coverage(k)) for k in ks},
    fpr=intervals.rate(test.false_positives()) or msgspec.UNSET,
    unknown=test.unknown,
    by_level={
      int(each): LevelAccuracy(pass_at_1=share(greedy[..., level == each]))
      for each in np.unique(level)
    },
    by_seed=tuple(
      Scores(
        pass_at_1=value,
        maj_at_k={k: values[i] for k, values in majority_of.items()},
      )
      for i, value in enumerate(by_seed(greedy))
    ),
  )


def by_seed(values: np.ndarray) -> list[float]:
  """The mean over problems of each seed."""
  return np.atleast_2d(values).mean(axis=1).tolist()
