"""What an arm costs, by several measures.

The paper's rule, `n * S * W * 2P` FLOPs, leaves out prompts, unequal lengths,
truncation, verification and false positives. So costs stand beside each other.

  P  problems
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from wcse_jax.analysis import estimators, intervals
from wcse_jax.analysis.intervals import Number
from wcse_jax.experiment import budget

# How WC's samples follow from SE's: as many; the same FLOPs by the paper's
# rule, or as measured; for the same dollars; in the same device time.
MATCHINGS = ('number', 'flops', 'measured', 'price', 'seconds')
_EVEN = ('number', 'flops')


class Cost(msgspec.Struct, frozen=True, kw_only=True):
  """What an arm costs at a budget; None where nobody measured.

  Attributes:
    samples: How many samples the arm has, of all problems.
    rule_flops: The paper's rule, 2PW for each sample.
    decode_flops: 2P for each token sampled.
    truncated_flops: The part of these that samples took which ended at the
      limit.
    prefill_flops: 2P for each token of prefix and questions, computed once.
    padding_flops: 2P for each padded token beside them.
    idle_flops: 2P for each step of an idle slot.
    device_seconds: The device's time for sampling.
    verify_seconds: The time of all workers that verified.
    training_flops: 6P of the student for each token it was trained on.
    usd: Dollars for sampling: for the device's time, or for an API's tokens.

  >>> prompt = Cost(samples=4, prefill_flops=8.0, padding_flops=2.0)
  >>> prompt.fixed('measured'), prompt.fixed('flops'), prompt.total('number')
  (10.0, 0.0, 4.0)
  """

  samples: int
  rule_flops: Number | None = None
  decode_flops: Number | None = None
  truncated_flops: Number | None = None
  prefill_flops: Number | None = None
  padding_flops: Number | None = None
  idle_flops: Number | None = None
  device_seconds: Number | None = None
  verify_seconds: Number | None = None
  training_flops: Number | None = None
  usd: Number | None = None

  @property
  def measured_flops(self) -> float | None:
    """As measured: decoding, prefill, padding and idle slots; all or None."""
    total = 0.0
    for name in ('decode', 'prefill', 'padding', 'idle'):
      flops = getattr(self, f'{name}_flops')
      if flops is None:
        return None
      total += flops
    return total

  def total(self, matching: str) -> float | None:
    """Returns the cost of all samples, by one of MATCHINGS."""
    return {
      'number': float(self.samples),
      'flops': self.rule_flops,
      'measured': self.measured_flops,
      'price': self.usd,
      'seconds': self.device_seconds,
    }[matching]

  def fixed(self, matching: str) -> float:
    """Returns the part of `total` that does not grow with samples: prefill."""
    if matching != 'measured':
      return 0.0
    return (self.prefill_flops or 0.0) + (self.padding_flops or 0.0)

  def by_problem(
    self, tokens_P: npt.ArrayLike, samples_P: npt.ArrayLike = 1
  ) -> dict[str, npt.NDArray[np.float64]]:
    """Returns what each problem's samples cost, by each known of MATCHINGS.

    By number and by the rule samples cost the same; else it is by their tokens.

    Args:
      tokens_P: The tokens of all samples of each problem.
      samples_P: How many they are; one number is that of each.

    >>> by = Cost(samples=4, usd=1.0).by_problem([30, 10])
    >>> {matching: costs_P.tolist() for matching, costs_P in by.items()}
    {'number': [2.0, 2.0], 'price': [0.75, 0.25]}
    """
    tokens_P = np.asarray(tokens_P, np.float64)
    samples_P = np.broadcast_to(samples_P, tokens_P.shape)
    even_P = samples_P / samples_P.sum()
    by_tokens_P = tokens_P / max(tokens_P.sum(), 1)
    return {
      matching: total * (even_P if matching in _EVEN else by_tokens_P)
      for matching in MATCHINGS
      if (total := self.total(matching)) is not None
    }


def cost(
  num_tokens: npt.ArrayLike,
  truncated: npt.ArrayLike,
  *,
  params: float | None,
  active_params: float | None,
  mean_tokens: float,
  prefill_tokens: int = 0,
  spent: Mapping[str, float] | None = None,
  usd_per_device_hour: float | None = None,
  **measured: float | None,
) -> Cost:
  """Returns what an arm's samples cost.

  Prefill is that of the arm's own problems, which does not grow with the
  samples, with as much padding to a token as in the pool. Of the device's time
  (prefill and compilation in it) and of idle slots an arm bears a share: its
  tokens over the pool's. So other samples of the pool, drawn before or after,
  change an arm's cost only where they change how busy the slots are.

  Args:
    num_tokens: The tokens of each of the arm's samples.
    truncated: Whether each sample ended at the limit.
    params: P of the paper's rule; None where nobody knows it.
    active_params: P of what a token is multiplied by; None where nobody knows
      it.
    mean_tokens: W of the rule.
    prefill_tokens: The tokens of the prefix, and of the questions of all of the
      arm's problems; taken where `spent` is given.
    spent: What the arm's pool took, as `sampling.Ledger` counts it, summed
      over its parts.
    usd_per_device_hour: The price of the device.
    **measured: Other attributes of `Cost`, e.g. `usd` of an API, if known.

  Two samples, 30 tokens in all, of a model of 5 parameters:

  >>> params = {'params': 5, 'active_params': 5}
  >>> made = cost([10, 20], [False, True], **params, mean_tokens=12)
  >>> made.rule_flops, made.decode_flops, made.truncated_flops
  (240.0, 300.0, 200.0)
  """
  tokens = np.asarray(num_tokens, np.float64)
  each = budget.flops_per_token(active_params) if active_params else None
  if spent and each is not None:
    share = tokens.sum() / spent['tokens']
    padding = spent['prefill_padding'] / spent['prefill_tokens']
    idle = spent['refill_idle'] + spent['tail_idle']
    measured = {
      'prefill_flops': each * prefill_tokens,
      'padding_flops': each * prefill_tokens * padding,
      'idle_flops': each * idle * share,
      'device_seconds': spent['device_seconds'] * share,
      **measured,
    }
  seconds = measured.get('device_seconds')
  if usd_per_device_hour is not None and seconds is not None:
    paid = measured.get('usd')
    by_hour = seconds / 3600 * usd_per_device_hour
    measured['usd'] = by_hour if paid is None else paid
  return Cost(
    samples=tokens.size,
    rule_flops=params
    and budget.sampling_flops(1, tokens.size, mean_tokens, params),
    decode_flops=each and float(each * tokens.sum()),
    truncated_flops=each
    and float(each * tokens[np.asarray(truncated, bool)].sum()),
    **measured,
  )


def add(costs: Sequence[Cost]) -> Cost:
  """Returns the cost of an arm that draws on several pools, or on none.

  What is not known of one is not known of the sum.

  >>> both = add([Cost(samples=1, usd=0.5), Cost(samples=2)])
  >>> both.samples, both.usd
  (3, None)
  """
  total = {}
  for name in Cost.__struct_fields__:
    values = [getattr(cost, name) for cost in costs]
    total[name] = None if None in values else sum(values)
  return Cost(**total)


def cost_per_true_sample(
  costs_P: npt.ArrayLike,
  correct_P: npt.ArrayLike,
  unsound_P: npt.ArrayLike,
  checked_P: npt.ArrayLike,
  **options: Any,
) -> intervals.Estimate:
  """Estimates the cost of a sample of right answer and right reasoning.

  `sum(costs) / (sum(correct) * (1 - FPR))`, with
  `FPR = sum(unsound) / sum(checked)`.

  Args:
    costs_P: The cost of all samples of a problem, in any unit.
    correct_P: How many of them have the right answer.
    unsound_P: As in `estimators.false_positive_counts`.
    checked_P: As in `estimators.false_positive_counts`.
    **options: Those of `intervals.function_bootstrap`.

  >>> cost_per_true_sample([3, 3], [2, 2], [1, 0], [2, 2], seed=0).value
  2.0
  """
  return intervals.function_bootstrap(
    lambda cost, *arm: estimators.divide(cost, _true(*arm)),
    [costs_P, correct_P, unsound_P, checked_P],
    extremes_ExC=_extremes(costs_P, correct_P, unsound_P, checked_P),
    **options,
  )


def cheaper(
  costs_P: npt.ArrayLike,
  others_P: npt.ArrayLike,
  correct_P: npt.ArrayLike,
  correct_of_other_P: npt.ArrayLike,
  **options: Any,
) -> intervals.Estimate:
  """Estimates how many more right answers one side gives for the same cost.

  `(sum(correct) / sum(costs)) / (the other's) - 1`.

  Args:
    costs_P: What each problem's samples cost.
    others_P: The same of the other side.
    correct_P: How many of them have the right answer.
    correct_of_other_P: The same of the other side.
    **options: Those of `intervals.function_bootstrap`.

  Right answers of one side cost half of what the other's do:

  >>> cheaper([1, 1], [2, 2], [1, 1], [1, 1], seed=0).value
  1.0
  """
  return intervals.function_bootstrap(
    lambda cost, other, right, of_other: (
      estimators.divide(right * other, cost * of_other) - 1
    ),
    [costs_P, others_P, correct_P, correct_of_other_P],
    extremes_ExC=[
      [*one[:1], *other[:1], one[1], other[1]]
      for one in _extremes(costs_P, correct_P, [0], [0])
      for other in _extremes(others_P, correct_of_other_P, [0], [0])
    ],
    **options,
  )


def break_even_fpr(
  wc: Mapping[str, npt.ArrayLike],
  se: Mapping[str, npt.ArrayLike],
  **options: Any,
) -> intervals.Estimate:
  """Estimates WC's false positive rate above which SE is the cheaper source.

  Where a truly correct sample costs the same from both:
  `1 - (1 - FPR_SE) * (correct_SE / cost_SE) / (correct_WC / cost_WC)`.
  Below 0, SE is cheaper whatever WC's rate is.

  Args:
    wc: 'costs' and 'correct' of each problem, shape (P,), as in
      `cost_per_true_sample`.
    se: The same, with 'unsound' and 'checked'.
    **options: Those of `intervals.function_bootstrap`.

  A right answer of WC costs half of what one of SE does:

  >>> wc = {'costs': [1, 1], 'correct': [1, 1]}
  >>> se = {'costs': [2, 2], 'correct': [1, 1], 'checked': [2, 2]}
  >>> break_even_fpr(wc, {**se, 'unsound': [0, 0]}, seed=0).value
  0.5
  """
  of_wc = (wc['costs'], wc['correct'])
  of_se = (se['costs'], se['correct'], se['unsound'], se['checked'])
  return intervals.function_bootstrap(
    lambda c_wc, r_wc, c_se, *r_se: (
      1 - estimators.divide(_true(*r_se) * c_wc, c_se * r_wc)
    ),
    [*of_wc, *of_se],
    extremes_ExC=[
      [*a[:2], *b]
      for a in _extremes(*of_wc, [0], [0])  # nothing of its soundness counts
      for b in _extremes(*of_se)
    ],
    **options,
  )


def _true(correct: Any, unsound: Any, checked: Any) -> Any:
  return correct * (1 - estimators.divide(unsound, checked))


def _extremes(
  costs_P: npt.ArrayLike,
  correct_P: npt.ArrayLike,
  unsound_P: npt.ArrayLike,
  checked_P: npt.ArrayLike,
) -> list[list[float]]:
  """Dear without a correct sample or a sound one; cheap and all sound."""
  most, checked = np.asarray(correct_P).max(), np.asarray(checked_P).max()
  dear, cheap = np.asarray(costs_P).max(), np.asarray(costs_P).min()
  return [
    [dear, 0.0, 0.0, 0.0],
    [dear, most, checked, checked],
    [cheap, most, 0.0, checked],
  ]
