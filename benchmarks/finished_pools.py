"""What a finished run sampled, read from its workdir."""

from collections.abc import Iterator
import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from wcse_jax.analysis import estimators

ARMS = ('wc', 'se')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pools:
  """What a run sampled: of ARMS.

  Attributes:
    levels_P: Of the problems.
    correct: Of each arm, which samples are, (P, M).
    solutions: Of each arm, which unique solution of its problem, (P, M).
    costs: Of a sample, in FLOPs per token.
  """

  levels_P: np.ndarray
  correct: tuple[np.ndarray, ...]
  solutions: tuple[np.ndarray, ...]
  costs: tuple[float, ...]

  def shuffled(self, rng: np.random.Generator) -> 'Pools':
    """The same samples in another order."""
    orders = [rng.random(c.shape).argsort(axis=1) for c in self.correct]
    take = lambda arrays: tuple(
      np.take_along_axis(array, order, axis=1)
      for array, order in zip(arrays, orders, strict=True)
    )
    return dataclasses.replace(
      self, correct=take(self.correct), solutions=take(self.solutions)
    )

  @property
  def limits(self) -> tuple[int, ...]:
    return tuple(c.shape[1] for c in self.correct)

  def coverage(self, *samples: int) -> np.ndarray:
    """Chance that so many of each arm's samples solve each problem, (P,)."""
    missed_P = np.ones(self.levels_P.size)
    for correct_PxM, k in zip(self.correct, samples, strict=True):
      if k:
        M = correct_PxM.shape[1]
        missed_P *= 1 - estimators.coverage_at_k(M, correct_PxM.sum(axis=1), k)
    return 1 - missed_P

  def diversity(self, arm: int, k: int) -> float:
    """Unique correct solutions per problem, of k samples."""
    counts_P = [
      np.unique(row[flags], return_counts=True)[1]
      for row, flags in zip(self.solutions[arm], self.correct[arm], strict=True)
    ]
    return float(
      estimators.diversity_at_k(counts_P, self.limits[arm], k).mean()
    )

  def budget(self, se_samples: int) -> float:
    """FLOPs per token that so many samples of SE cost, per problem."""
    return se_samples * self.costs[1]

  def alone(self, arm: int, se_samples: int) -> tuple[int, int]:
    """Samples of both where an arm has that budget alone."""
    paid = int(self.budget(se_samples) / self.costs[arm] * (1 + 1e-9))
    return (min(paid, self.limits[0]), 0) if arm == 0 else (0, paid)


def read(workdir: pathlib.Path) -> Pools:
  """The pools of a run and their verdicts; unknown ones are not correct."""
  config = json.loads((workdir / 'config.json').read_bytes())['config']
  plan = json.loads((workdir / 'plan' / 'plan.json').read_bytes())
  rows = _rows(workdir / 'problems' / config['task']['name'])
  levels = {r['problem_id']: r['level'] for r in rows if r['split'] == 'train'}
  place = {problem_id: p for p, problem_id in enumerate(levels)}
  correct, solutions = [], []
  for arm in ARMS:
    M = plan['pools'][arm]
    correct_PxM = np.zeros((len(place), M), bool)
    solutions_PxM = np.full((len(place), M), -1)
    graded_PxM = np.zeros((len(place), M), bool)
    keys: dict[tuple[str, str], int] = {}
    for row, p, i in _of_pool(workdir / 'sample' / arm, place, M):
      key = row['problem_id'], estimators.solution_key(row['text'])
      solutions_PxM[p, i] = keys.setdefault(key, len(keys))
    for row, p, i in _of_pool(workdir / 'verify' / arm, place, M):
      graded_PxM[p, i] = True
      correct_PxM[p, i] = row['verdict'] == 'correct'
    if (solutions_PxM < 0).any() or not graded_PxM.all():
      raise ValueError(f'{arm} lacks samples or verdicts')
    correct.append(correct_PxM)
    solutions.append(solutions_PxM)
  return Pools(
    levels_P=np.array(list(levels.values())),
    correct=tuple(correct),
    solutions=tuple(solutions),
    costs=tuple(2.0 * plan['params'][arm] for arm in ARMS),
  )


def _of_pool(
  folder: pathlib.Path, place: dict[str, int], M: int
) -> Iterator[tuple[dict[str, Any], int, int]]:
  """Yields (row, problem, sample index) of the first M of known problems."""
  for row in _rows(folder):
    p, i = place.get(row['problem_id']), row['sample_index']
    if p is not None and i < M:
      yield row, p, i


def _rows(folder: pathlib.Path) -> list[dict[str, Any]]:
  parts = sorted(folder.glob('part-*.parquet'))
  if not parts:
    raise ValueError(f'no {folder.parent.name}/{folder.name}')
  return [
    row for part in parts for row in pq.ParquetFile(part).read().to_pylist()
  ]
