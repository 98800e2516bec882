"""Samples with their verdicts by problem, and what is counted of them."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools

import numpy as np

from wcse_jax.analysis import allocation, estimators
from wcse_jax.analysis.enough import ALL, Enough
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.results.committed import Sampled
from wcse_jax.results.intervals import Counts

Key = tuple[str, int]  # problem and sample index


@dataclasses.dataclass(frozen=True)
class Drawn:
  """The first samples of each problem, graded.

  Attributes:
    asked: The problems that may be sampled.
    graded: Samples with their verdicts; there may be more than are drawn.
    sound: Whether the reasoning of a sample is right, by source.
    number: Samples drawn of each problem, at most.
    max_kept: Samples of right answer that are kept of a problem: the first
      ones, as `selection.select` keeps them; None keeps all.
    answer_is_solution: As in `tasks.TaskInfo`.
    enough: When no more samples are drawn.
  """

  asked: Sequence[Problem]
  graded: Mapping[Key, tuple[Sample, Verdict]]
  sound: Mapping[str, Mapping[Key, bool]]
  number: int
  max_kept: int | None = None
  answer_is_solution: bool = False
  enough: Enough = ALL

  def first(self, number: int, max_kept: int | None = None) -> 'Drawn':
    """Returns fewer samples of each problem."""
    return dataclasses.replace(self, number=number, max_kept=max_kept)

  @functools.cached_property
  def _tried(self) -> dict[str, int]:
    """By problem that was sampled, how many of its samples are drawn."""
    names = [p.problem_id for p in self.asked]
    if not self.enough:
      return dict.fromkeys(names, self.number)
    right = {key: v.verdict == 'correct' for key, (_, v) in self.graded.items()}
    counted = self.enough.counted(names, self.number, right)
    return {name: tried or 0 for name, tried in counted}

  @functools.cached_property
  def problems(self) -> Sequence[Problem]:
    """The problems that were sampled, in the order in which they were."""
    by_id = {p.problem_id: p for p in self.asked}
    return [by_id[name] for name in self._tried]

  def of(self, number: int) -> 'Drawn':
    """Returns the first problems alone, as any: not what ended with them."""
    enough = dataclasses.replace(self.enough, rows=None)
    return dataclasses.replace(
      self, asked=self.problems[:number], enough=enough
    )

  @functools.cached_property
  def unbiased(self) -> 'Drawn':
    """What estimates are of: all but the problem that brought rows enough.

    That it came last follows from what it gave; the others are in any order.
    """
    rows, found = self.enough.rows, sum(map(len, self.right))
    ended = rows is not None and found >= rows
    return self.of(len(self.problems) - ended) if rows else self

  @functools.cached_property
  def by_problem(self) -> list[list[tuple[Sample, Verdict]]]:
    """The samples drawn of each problem."""
    return [
      [self.graded[name, i] for i in range(tried)]
      for name, tried in self._tried.items()
    ]

  @functools.cached_property
  def right(self) -> list[list[tuple[Sample, Verdict]]]:
    """The samples kept of each problem: those of right answer."""
    found = [
      [of for of in pairs if of[1].verdict == 'correct'][: self.max_kept]
      for pairs in self.by_problem
    ]
    if self.enough.rows is not None and found:
      *before, last = found
      found = [*before, last[: self.enough.rows - sum(map(len, before))]]
    return found

  @property
  def all(self) -> list[tuple[Sample, Verdict]]:
    """The samples drawn of all problems."""
    return [pair for pairs in self.by_problem for pair in pairs]

  def solution(self, sample: Sample, verdict: Verdict) -> str:
    """What of a sample tells it from others: a program without its fences."""
    return (self.answer_is_solution and verdict.answer) or sample.text

  @property
  def num_right_P(self) -> np.ndarray:
    """How many samples are kept of each problem."""
    return np.array([len(pairs) for pairs in self.right])

  @property
  def num_drawn_P(self) -> np.ndarray:
    """How many samples are drawn of each problem."""
    return np.array([*self._tried.values()])

  def column(self, field: str) -> np.ndarray:
    """A field of the samples drawn, one problem's after another's."""
    return np.array([getattr(s, field) for s, _ in self.all])

  def coverage(self, k: int, *, upper: bool = False) -> np.ndarray:
    """coverage@k of each problem; with `upper`, unknown samples are correct."""
    flags = [
      estimators.correct_flags((v.verdict for _, v in pairs), upper=upper)
      for pairs in self.by_problem
    ]
    target = self.enough.right
    if target is None:
      correct_P = [of.sum() for of in flags]
      return estimators.coverage_at_k(self.number, correct_P, k)
    # If unknown samples were correct, it would have ended sooner.
    flags = [of[: 1 + np.cumsum(of).searchsorted(target)] for of in flags]
    return allocation.stopped_coverage_at_k(
      [of.size for of in flags], [of.sum() for of in flags], target, k
    )

  def diversity(self, k: int) -> np.ndarray:
    """diversity@k of each problem's kept samples; k is `number` if some are."""
    unique_P = [
      estimators.multiplicities(self.solution(*pair) for pair in pairs)
      for pairs in self.right
    ]
    return estimators.diversity_at_k(unique_P, self.number, k)

  @property
  def most_unique(self) -> int:
    """The most unique correct solutions that a problem may have."""
    limits = self.number, self.max_kept, self.enough.right
    return min(of for of in limits if of)

  def diversity_per_solved(self, k: int) -> Counts:
    """Unique correct solutions among k, and the chance of any, of each problem.

    The quotient of their sums is the paper's diversity: of solved problems.
    """
    return self.diversity(k), self.coverage(k)

  def false_positives(self, source: str | None) -> Counts:
    """Unsound and checked samples of each problem's kept ones, by one source.

    Of several generators they are weighted, as `estimators.mixed_counts`.
    """
    sound = self.sound.get(source or '', {})
    generators = sorted({sample.generator for sample, _ in self.all})
    groups = [
      [
        [sound.get(s.key) for s, _ in pairs if s.generator == name]
        for pairs in self.right
      ]
      for name in generators
    ]
    counts = [estimators.false_positive_counts(said) for said in groups]
    right_GxP = [[len(flags) for flags in said] for said in groups]
    return estimators.mixed_counts(right_GxP, *zip(*counts, strict=True))


def drawn(
  problems: Sequence[Problem],
  pool: Sampled,
  number: int,
  labels: Mapping[Key, bool] | None = None,
  enough: Enough = ALL,
) -> Drawn:
  """Returns the first samples of a pool.

  Args:
    problems: The problems.
    pool: The pool.
    number: Samples drawn of each problem, at most.
    labels: Whether people find the reasoning of a sample right.
    enough: When no more samples are drawn.
  """
  verdicts = {v.key: v for v in pool.verdicts}
  return Drawn(
    problems,
    {s.key: (s, verdicts[s.key]) for s in pool.samples if s.key in verdicts},
    {
      'steps': {v.key: v.sound for v in pool.verdicts if v.sound is not None},
      'judge': {
        v.key: v.verdict == 'correct'
        for v in pool.judgements
        if v.verdict != 'unknown'
      },
      'people': labels or {},
    },
    number,
    answer_is_solution=pool.answer_is_solution,
    enough=enough,
  )


def join(parts: Sequence[Drawn], max_kept: int | None = None) -> Drawn:
  """Returns the samples of several pools as of one, in the order of pools."""
  if len(parts) == 1:
    return parts[0].first(parts[0].number, max_kept)
  graded: dict[Key, tuple[Sample, Verdict]] = {}
  sound: dict[str, dict[Key, bool]] = {}
  start = 0
  for part in parts:
    for sample, verdict in part.all:
      index = start + sample.sample_index
      graded[sample.problem_id, index] = (
        dataclasses.replace(sample, sample_index=index),
        dataclasses.replace(verdict, sample_index=index),
      )
    for source, said in part.sound.items():
      sound.setdefault(source, {}).update(
        {
          (name, start + i): is_right
          for (name, i), is_right in said.items()
          if i < part.number
        }
      )
    start += part.number
  return dataclasses.replace(
    parts[0], graded=graded, sound=sound, number=start, max_kept=max_kept
  )


def chosen_source(pools: Sequence[Drawn], *, exact_steps: bool) -> str | None:
  """Whose word on soundness counts, for all arms alike.

  People's, else the judge's, else that of the steps' check, which goes first
  where it is exact; and who looked at more of the pools, before all.

  Args:
    pools: What arms take of each pool.
    exact_steps: Whether the task's check of steps decides exactly.

  Returns:
    A key of `Drawn.sound`; None if nobody looked at any right sample.
  """
  sources = ['people', 'judge', 'steps']
  if exact_steps:
    sources = ['steps', 'people', 'judge']
  looked = {
    source: sum(bool(of.false_positives(source)[1].any()) for of in pools)
    for source in sources
  }
  best = max(sources, key=lambda source: looked[source])
  return best if looked[best] else None
