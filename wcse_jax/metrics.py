"""Quality of data and students, with intervals: numpy alone.

Estimators return one value per problem, so that bootstraps can resample and
pair problems. 'Correct' is a flag the caller gives: `correct_flags` counts
'unknown' verdicts as not correct, or, for the upper bound, as correct.

  P  problems          M  samples of a problem      R  resamples
"""

import collections
from collections.abc import Iterable, Sequence
import dataclasses
import math
import statistics
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 2**22  # resampled values held at a time


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A value and its interval; nan where it is undefined."""

  value: float
  low: float
  high: float

  def to_dict(self) -> dict[str, float | None]:
    """`{value, low, high}`, JSON-able: None where not finite."""
    return {
      name: number if math.isfinite(number) else None
      for name, number in dataclasses.asdict(self).items()
    }


def correct_flags(
  verdicts: Iterable[str], *, upper: bool = False
) -> npt.NDArray[np.bool_]:
  """Which verdicts count as correct; with `upper`, 'unknown' ones do too."""
  accepted = ('correct', 'unknown') if upper else ('correct',)
  return np.array([verdict in accepted for verdict in verdicts], bool)


def solution_key(text: str) -> str:
  """What makes two solutions the same: their text, white space collapsed."""
  return ' '.join(text.split())


def multiplicities(texts: Iterable[str]) -> npt.NDArray[np.int64]:
  """How often each unique solution occurs, in the order first seen."""
  counts = collections.Counter(map(solution_key, texts))
  return np.array(list(counts.values()), np.int64)


def coverage_at_k(
  num_samples_P: npt.ArrayLike, num_correct_P: npt.ArrayLike, k: int
) -> npt.NDArray[np.float64]:
  """Chance that k of M samples, drawn without replacement, hold a correct one.

  `1 - C(M - c, k) / C(M, k)`, the unbiased pass@k estimator (Chen et al. 2021,
  arXiv 2107.03374), as a product of k ratios.

  Args:
    num_samples_P: M, shape (P,) or a number for all.
    num_correct_P: c, shape (P,).
    k: Samples drawn, 1 <= k <= M.

  Returns:
    Shape (P,).

  Raises:
    ValueError: k or c out of range.
  """
  M_P, c_P = np.broadcast_arrays(
    np.asarray(num_samples_P, np.int64), np.asarray(num_correct_P, np.int64)
  )
  if k < 1 or (k > M_P).any():
    raise ValueError(f'k = {k} of {M_P.min(initial=k)} samples')
  if (c_P < 0).any() or (c_P > M_P).any():
    raise ValueError('more correct samples than samples, or fewer than none')
  drawn_K = np.arange(k)
  misses_PxK = np.maximum((M_P - c_P)[..., None] - drawn_K, 0)
  return 1.0 - np.prod(misses_PxK / (M_P[..., None] - drawn_K), axis=-1)


def diversity_at_k(
  multiplicities_P: Sequence[npt.ArrayLike],
  num_samples_P: npt.ArrayLike,
  k: int,
) -> npt.NDArray[np.float64]:
  """Expected number of unique correct solutions among k of M samples.

  `sum_i 1 - C(M - m_i, k) / C(M, k)` (arXiv 2408.16737, section 3).

  Args:
    multiplicities_P: For each problem, how often each of its unique correct
      solutions occurs, e.g. from `multiplicities`; may be empty.
    num_samples_P: M, shape (P,) or a number for all.
    k: Samples drawn without replacement, 1 <= k <= M.

  Returns:
    Shape (P,).

  Raises:
    ValueError: k or a multiplicity out of range.
  """
  M_P = np.broadcast_to(num_samples_P, (len(multiplicities_P),))
  return np.array(
    [
      coverage_at_k(M, counts, k).sum()
      for M, counts in zip(M_P, multiplicities_P, strict=True)
    ],
    np.float64,
  )


def pass_at_1(
  num_samples_P: npt.ArrayLike, num_correct_P: npt.ArrayLike
) -> npt.NDArray[np.float64]:
  """Share of correct samples, shape (P,); with one greedy sample, 0 or 1."""
  return np.asarray(num_correct_P, np.float64) / np.asarray(num_samples_P)


def maj_at_k(
  answers_P: Sequence[Sequence[str]],
  correct_P: Sequence[npt.ArrayLike],
  k: int,
) -> npt.NDArray[np.float64]:
  """Share of right majority votes among k of M samples.

  The mean over the M runs of k neighbouring samples, the last one's neighbour
  being the first. Each run is k independent samples, so the estimate is
  unbiased; it uses all samples and needs no random numbers. Answers vote as
  written, '' (no answer) does not vote, a tie goes to the answer seen first in
  the run, and no votes at all is not correct.

  Args:
    answers_P: For each problem, the M extracted answers.
    correct_P: For each problem, the M flags.
    k: Voters, 1 <= k <= M.

  Returns:
    Shape (P,), each a multiple of 1/M.

  Raises:
    ValueError: k out of range, or flags that do not fit the answers.
  """
  return np.array(
    [
      _majority(list(answers), np.asarray(correct, bool), k)
      for answers, correct in zip(answers_P, correct_P, strict=True)
    ],
    np.float64,
  )


def false_positive_counts(
  sound_P: Sequence[Iterable[bool | None]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
  """Unsound and checked samples per problem, each of shape (P,).

  Args:
    sound_P: For each problem, the `sound` flags of its *correct* samples; None
      (not checked) is left out.
  """
  checked = [[s for s in flags if s is not None] for flags in sound_P]
  return (
    np.array([sum(not s for s in flags) for flags in checked], np.int64),
    np.array([len(flags) for flags in checked], np.int64),
  )


def false_positive_rate(
  unsound_P: npt.ArrayLike, checked_P: npt.ArrayLike
) -> float:
  """Share of correct samples whose reasoning is wrong; nan if none was checked.

  Args:
    unsound_P: From `false_positive_counts`.
    checked_P: From `false_positive_counts`.
  """
  checked = np.asarray(checked_P).sum()
  return float(np.asarray(unsound_P).sum() / checked) if checked else math.nan


def bootstrap(
  values_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  is_share: bool = False,
) -> Estimate:
  """The mean over problems and its percentile interval.

  Args:
    values_P: One per problem.
    seed: Of the resampling.
    num_resamples: Of the problems.
    confidence: Of the interval.
    is_share: Whether the mean is a share: at 0 or 1 resampling shows no spread,
      so there the interval is the exact one (Clopper and Pearson 1934), 0 of P
      and P of P.
  """
  values_P = np.asarray(values_P, np.float64)
  means_1xR = _resampled_means(values_P[None], seed, num_resamples)
  estimate = _estimate(values_P.mean(), means_1xR[0], confidence)
  return _widen(estimate, values_P.size, confidence) if is_share else estimate


def paired_bootstrap(
  a_P: npt.ArrayLike,
  b_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
) -> dict[str, Estimate]:
  """The gain of `a` over `b` on the same problems.

  Returns:
    'absolute': mean(a) - mean(b); 'relative': that over mean(b), undefined
    where mean(b) is 0.
  """
  both_2xP = np.array([a_P, b_P], np.float64)
  a, b = both_2xP.mean(axis=1)
  a_R, b_R = _resampled_means(both_2xP, seed, num_resamples)
  return {
    'absolute': _estimate(a - b, a_R - b_R, confidence),
    'relative': _estimate(
      _divide(a - b, b), _divide(a_R - b_R, b_R), confidence
    ),
  }


def ratio_bootstrap(
  numerators_P: npt.ArrayLike,
  denominators_P: npt.ArrayLike,
  *,
  seed: int,
  num_resamples: int = 2000,
  confidence: float = 0.95,
  is_share: bool = False,
) -> Estimate:
  """sum(numerators) / sum(denominators), problems (clusters) resampled whole.

  For the false positive rate; also for means over problems that are variants
  of templates, with one entry per template. `is_share` as in `bootstrap`, where
  P is the number of problems whose denominator is not 0.
  """
  both_2xP = np.array([numerators_P, denominators_P], np.float64)
  value = _divide(*both_2xP.mean(axis=1))
  ratio_R = _divide(*_resampled_means(both_2xP, seed, num_resamples))
  estimate = _estimate(value, ratio_R, confidence)
  if is_share:
    return _widen(estimate, int(np.count_nonzero(both_2xP[1])), confidence)
  return estimate


def minimum_detectable_effect(
  a_P: npt.ArrayLike,
  b_P: npt.ArrayLike,
  *,
  confidence: float = 0.95,
  power: float = 0.8,
) -> float:
  """The smallest mean paired difference this many problems could have shown.

  `(z[(1 + confidence) / 2] + z[power]) * sd(a - b) / sqrt(P)`: a true
  difference of that size is found significant with probability `power`.
  nan for fewer than two problems, and where they all differ by the same: such
  a sample says nothing of the spread.
  """
  difference_P = np.asarray(a_P, np.float64) - np.asarray(b_P, np.float64)
  if difference_P.size < 2 or np.ptp(difference_P) == 0:
    return math.nan
  normal = statistics.NormalDist()
  z = normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)
  return float(z * difference_P.std(ddof=1) / math.sqrt(difference_P.size))


def _majority(
  answers: list[str], correct: npt.NDArray[np.bool_], k: int
) -> float:
  M = len(answers)
  if not 1 <= k <= M or len(correct) != M:
    raise ValueError(f'k = {k} of {M} answers with {len(correct)} flags')
  right = 0
  for start in range(M):
    run = (answers * 2)[start : start + k]
    votes = collections.Counter(answer for answer in run if answer)
    if votes:  # most_common keeps the order first seen among equals
      right += correct[answers.index(votes.most_common(1)[0][0])]
  return right / M


def _resampled_means(
  values_CxP: np.ndarray, seed: int, num_resamples: int
) -> npt.NDArray[np.float64]:
  """Means over the same resampled problems for every row, shape (C, R)."""
  num_problems = values_CxP.shape[1]
  if not num_problems:
    raise ValueError('no problems to resample')
  rng = np.random.Generator(np.random.PCG64(seed))
  block = max(1, _BLOCK // num_problems)
  means = []
  for start in range(0, num_resamples, block):
    rows = min(block, num_resamples - start)
    index_RxP = rng.integers(num_problems, size=(rows, num_problems))
    means.append([values_P[index_RxP].mean(-1) for values_P in values_CxP])
  return np.concatenate(means, axis=1)


def _estimate(value: Any, resampled_R: np.ndarray, confidence: float):
  resampled_R = resampled_R[~np.isnan(resampled_R)]
  if math.isnan(value) or not resampled_R.size:
    return Estimate(math.nan, math.nan, math.nan)
  tail = (1 - confidence) / 2
  low, high = np.quantile(resampled_R, [tail, 1 - tail])
  return Estimate(float(value), float(low), float(high))


def _widen(estimate: Estimate, count: int, confidence: float) -> Estimate:
  """The exact interval of 0 of `count`, or of all; others as they are."""
  bound = ((1 - confidence) / 2) ** (1 / max(1, count))
  if estimate.value == 0:
    return Estimate(0.0, 0.0, 1 - bound)
  if estimate.value == 1:
    return Estimate(1.0, bound, 1.0)
  return estimate


def _divide(a: Any, b: Any) -> Any:
  """The quotient, nan where b is 0."""
  b = np.asarray(b)
  return np.divide(a, b, out=np.full(b.shape, np.nan), where=b != 0)
