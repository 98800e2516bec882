"""Quality of data and students: an estimate for each problem.

There is one value per problem, so that intervals can resample and pair problems
(`intervals`, `gains`). 'Correct' is a flag that the caller gives:
`correct_flags` counts 'unknown' verdicts as not correct, or, for the upper
bound, as correct.

  P  problems     M  samples of a problem     G  generators
"""

import collections
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from wcse_jax.experiment import arguments
from wcse_jax.experiment.rules import at_least
from wcse_jax.records import Decision


def correct_flags(
  verdicts: Iterable[str], *, upper: bool = False
) -> npt.NDArray[np.bool_]:
  """Returns which verdicts count as correct.

  Args:
    verdicts: Each of 'correct', 'wrong' and 'unknown'.
    upper: Whether 'unknown' counts as correct, for an upper bound.

  Raises:
    ValueError: A verdict is another word.

  >>> correct_flags(['correct', 'unknown', 'wrong'], upper=True).tolist()
  [True, True, False]
  """
  accepted = ('correct', 'unknown') if upper else ('correct',)
  verdicts = list(verdicts)
  known = get_args(Decision)
  if others := [verdict for verdict in verdicts if verdict not in known]:
    raise ValueError(f'no verdicts: {", ".join(map(repr, others[:5]))}')
  return np.array([verdict in accepted for verdict in verdicts], bool)


def solution_key(text: str) -> str:
  r"""Returns what two solutions that count as one share: white space collapsed.

  >>> solution_key(' 1 +\n 2 ')
  '1 + 2'
  """
  return ' '.join(text.split())


def multiplicities(texts: Iterable[str]) -> npt.NDArray[np.int64]:
  r"""Returns how often each unique solution occurs, in the order first seen.

  >>> multiplicities(['b', 'a', ' b', 'b\n']).tolist()
  [3, 1]
  """
  counts = collections.Counter(map(solution_key, texts))
  return np.array(list(counts.values()), np.int64)


def coverage_at_k(
  num_samples_P: npt.ArrayLike, num_correct_P: npt.ArrayLike, k: int
) -> npt.NDArray[np.float64]:
  """Chance that k of M samples, drawn without replacement, hold a correct one.

  `1 - C(M - c, k) / C(M, k)`, the unbiased pass@k estimator (Chen et al. 2021,
  arXiv 2107.03374), as a product of k ratios.

  Args:
    num_samples_P: M, the samples of each problem, or one number for all.
    num_correct_P: c, the correct ones among them, shape (P,).
    k: How many samples are drawn, 1 <= k <= M.

  Returns:
    The chance for each problem, shape (P,).

  Raises:
    ValueError: k or c is out of range.

  >>> coverage_at_k(4, [0, 1, 3], 2).tolist()
  [0.0, 0.5, 1.0]
  """
  M_P, c_P = np.broadcast_arrays(_whole(num_samples_P), _whole(num_correct_P))
  arguments.check_as(int, k=k)
  if k < 1 or (k > M_P).any():
    raise ValueError(f'k = {k} of {M_P.min(initial=k)} samples')
  if (c_P < 0).any() or (c_P > M_P).any():
    raise ValueError('more correct samples than samples, or fewer than none')
  drawn_K = np.arange(k)
  misses_PxK = np.maximum((M_P - c_P)[..., None] - drawn_K, 0)
  return 1.0 - np.prod(misses_PxK / (M_P[..., None] - drawn_K), axis=-1)


def _whole(numbers_P: npt.ArrayLike) -> npt.NDArray[np.int64]:
  """Returns numbers of samples; ValueError where they are no whole ones."""
  try:
    given_P = np.asarray(numbers_P, np.float64)
  except (TypeError, OverflowError) as error:
    raise ValueError('numbers of samples are whole ones') from error
  if not np.all(np.isfinite(given_P) & (given_P == np.round(given_P))):
    raise ValueError(f'numbers of samples are whole ones, not {given_P}')
  return given_P.astype(np.int64)


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
    num_samples_P: M, the samples of each problem, or one number for all.
    k: How many samples are drawn without replacement, 1 <= k <= M.

  Returns:
    The number for each problem, shape (P,).

  Raises:
    ValueError: k or a multiplicity is out of range.

  >>> diversity_at_k([[2, 1], []], 4, 2).round(3).tolist()
  [1.333, 0.0]
  """
  M_P = np.broadcast_to(num_samples_P, (len(multiplicities_P),))
  arguments.check_as(int, at_least(1), k=k)
  return np.array(
    [
      coverage_at_k(M, counts, k).sum()
      for M, counts in zip(M_P, multiplicities_P, strict=True)
    ],
    np.float64,
  )


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
    answers_P: For each problem, the answers extracted from its M samples.
    correct_P: For each problem, whether each of these is correct.
    k: How many samples vote, 1 <= k <= M.

  Returns:
    The share for each problem, a multiple of 1/M, shape (P,).

  Raises:
    ValueError: k is out of range, or flags do not fit the answers.

  >>> maj_at_k([['5', '7', '', '5']], [[True, False, False, True]], 2).tolist()
  [0.75]
  """
  arguments.check_as(int, k=k)
  return np.array(
    [
      _majority(list(answers), np.asarray(correct, bool), k)
      for answers, correct in zip(answers_P, correct_P, strict=True)
    ],
    np.float64,
  )


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


def false_positive_counts(
  sound_P: Sequence[Iterable[bool | None]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
  """Returns unsound and checked samples per problem, each of shape (P,).

  Args:
    sound_P: For each problem, whether the reasoning of each of its samples of
      right answer is sound; None is one that was not checked, and left out.

  >>> [x.tolist() for x in false_positive_counts([[True, False, None], []])]
  [[1, 0], [2, 0]]
  """
  checked = [[s for s in flags if s is not None] for flags in sound_P]
  return (
    np.array([sum(not s for s in flags) for flags in checked], np.int64),
    np.array([len(flags) for flags in checked], np.int64),
  )


def mixed_counts(
  right_GxP: npt.ArrayLike,
  unsound_GxP: npt.ArrayLike,
  checked_GxP: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
  """Returns unsound and checked samples per problem, of several generators.

  A checked sample counts for as many as its generator has right ones for each
  that was checked, on average for 1. So a rate is that of all right samples,
  though few of one generator were checked; where all were, these are sums.
  Generators without right samples do not count; where one that has some had
  none checked the rate is not known: nothing counts as checked.

  Args:
    right_GxP: How many samples have the right answer.
    unsound_GxP: How many of the checked are unsound, as in
      `false_positive_counts`.
    checked_GxP: How many of the right ones were checked.

  Returns:
    Unsound and checked samples, of shape (P,) each.

  Here 1 of 8 right samples of one generator was checked, and is unsound, and 2
  of 2 of another, which are sound:

  >>> unsound_P, checked_P = mixed_counts([[8], [2]], [[1], [0]], [[1], [2]])
  >>> round(unsound_P[0], 3), round(checked_P[0], 3)
  (np.float64(2.4), np.float64(3.0))
  """
  right_G, checked_G = (
    np.asarray(x, np.float64).sum(axis=1) for x in (right_GxP, checked_GxP)
  )
  if (right_G[checked_G == 0] > 0).any():
    weight_G = np.zeros(right_G.shape)
  else:
    weight_G = divide(right_G * checked_G.sum(), checked_G * right_G.sum())
  unsound_P, checked_P = (
    np.nan_to_num(weight_G) @ np.asarray(x) for x in (unsound_GxP, checked_GxP)
  )
  return unsound_P, checked_P


def divide(a: Any, b: Any) -> Any:
  """Returns the quotient of numbers or arrays; nan where b is 0.

  >>> divide([1, 1], [2, 0]).tolist()
  [0.5, nan]
  """
  b = np.asarray(b)
  return np.divide(a, b, out=np.full(b.shape, np.nan), where=b != 0)
