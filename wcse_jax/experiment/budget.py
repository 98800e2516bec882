"""Who samples how much: matched budgets, and what they cost in the end.

A decoder-only transformer with P parameters costs about 2P FLOPs per generated
token. With one mean solution length W for all models, n problems and S samples
per problem the paper's rule is `cost = n * S * W * 2P`, so a budget of S_SE
samples from the strong model pays for `S_WC = (P_SE / P_WC) * S_SE` samples
from the weak one (arXiv 2408.16737, section 3). Models behind an API are
matched by price instead: `S_WC = (usd_SE / usd_WC) * S_SE`.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import fractions
import itertools
import math
from typing import Any

from wcse_jax.experiment import arms as arms_lib
from wcse_jax.experiment.arms import role
from wcse_jax.experiment.config import ConfigError
from wcse_jax.experiment.prices import ratio as price_ratio


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allotment:
  """What one arm gets at one budget.

  Attributes:
    samples: Per problem, by pool: those with `sample_index < samples[pool]`;
      none of any for human-written solutions.
    rounded: Whether a fraction of a sample was rounded away.
    cost_flops: By the paper's rule; None while W is not known.
  """

  samples: dict[str, int]
  rounded: bool
  cost_flops: float | None

  @property
  def total(self) -> int:
    """Samples per problem, of all pools."""
    return sum(self.samples.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
  """The samples of all arms and budgets.

  Attributes:
    arms: `arms[arm][budget]` is an Allotment.
    pools: Samples per problem that each generator must deliver.
    ratio: P_SE / P_WC by the nominal sizes, which decide; None for one model.
    ratio_exact: The same by the exact parameter counts.
    rounded: Whether any arm was rounded down.
    notes: Sentences for people on what was rounded down.
    num_problems: n.
    mean_tokens: The estimate of W used for `cost_flops`, if any.
    params_nominal: P by generator, as models are named (9e9, 27e9).
    params_exact: P by generator, as counted.
  """

  arms: dict[str, dict[str, Allotment]]
  pools: dict[str, int]
  ratio: float | None
  ratio_exact: float | None
  rounded: bool
  notes: tuple[str, ...]
  num_problems: int
  mean_tokens: float | None
  params_nominal: dict[str, float]
  params_exact: dict[str, float]

  def to_dict(self) -> dict[str, Any]:
    """All attributes, JSON-able."""
    return dataclasses.asdict(self)


def flops_per_token(params: float) -> float:
  """2P: the FLOPs of one generated token."""
  return 2.0 * params


def sampling_flops(
  num_problems: int, samples: float, mean_tokens: float, params: float
) -> float:
  """The paper's rule, `n * S * W * 2P`, in FLOPs."""
  return num_problems * samples * mean_tokens * flops_per_token(params)


def samples_per_problem(
  arm: str,
  se_samples: int,
  params: Mapping[str, float],
  prices: Mapping[str, float] | None = None,
) -> int:
  """Samples per problem of an arm when SE gets `se_samples`, rounded down.

  Args:
    arm: As `wcse_jax.experiment.arms` reads it.
    se_samples: Samples per problem of SE.
    params: P of 'wc' and 'se'; only their ratio matters.
    prices: Dollars per output token of both, in any unit, if these match.

  Raises:
    ConfigError: Unknown arm, no prices, or a budget of less than one sample.
  """
  made = plan([arm], {'budget': se_samples}, params, params, 0, prices=prices)
  return made.arms[arm]['budget'].total


def plan(
  arms: Sequence[str],
  budgets: Mapping[str, int],
  params_nominal: Mapping[str, float],
  params_exact: Mapping[str, float],
  num_problems: int,
  mean_tokens: float | None = None,
  prices: Mapping[str, float] | None = None,
) -> Plan:
  """Plans all arms at all budgets.

  Args:
    arms: As `wcse_jax.experiment.arms` reads them.
    budgets: SE's samples per problem by budget, ascending: each budget is
      nested in the next, e.g. `{'low': 1, 'high': 10}`.
    params_nominal: P by generator; decides the ratio.
    params_exact: P by generator; for the measured cost.
    num_problems: n.
    mean_tokens: An estimate of the mean solution length W, if there is one.
    prices: Dollars per output token by generator, in any unit, for the arm that
      is matched by them.

  Raises:
    ConfigError: Unknown, repeated or no arms; no prices; a budget of less than
      one sample; budgets out of order.
  """
  if not arms or len(set(arms)) < len(arms):
    raise ConfigError('arms', tuple(arms), 'Name at least one arm, each once.')
  for (smaller, low), (larger, high) in itertools.pairwise(budgets.items()):
    if low > high:
      raise ConfigError(
        f'budget.{smaller}',
        low,
        f'It is nested in budget.{larger} = {high}, so at most {high}.',
      )
  allotments: dict[str, dict[str, Allotment]] = {arm: {} for arm in arms}
  pools: dict[str, int] = {}
  notes = []
  for name in arms:
    try:
      arm = arms_lib.parse(name)
    except ValueError as e:
      raise ConfigError('arms', name, str(e)) from e
    for budget, se_samples in budgets.items():
      if se_samples < 1:
        raise ConfigError(
          f'budget.{budget}', se_samples, 'Give SE at least 1 sample.'
        )
      exact = {
        part.pool: _ratio_to_se(part, params_nominal, prices)
        * se_samples
        / len(arm.parts)
        for part in arm.parts
      }
      if arm.first:
        exact = {pool: min(n, arm.first) for pool, n in exact.items()}
      samples = {pool: math.floor(number) for pool, number in exact.items()}
      for pool, number in exact.items():
        if number < 1:
          raise ConfigError(
            f'budget.{budget}',
            se_samples,
            f'It pays for {float(number):.3g} samples of {pool} in {name}: give'
            f' at least {math.ceil(se_samples / number)}.',
          )
        if number != samples[pool]:
          notes.append(
            f'{arm.label} at the {budget} budget: {float(number):.4g} samples'
            f' per problem of {pool} would match, rounded down to'
            f' {samples[pool]}'
          )
        pools[pool] = max(samples[pool], pools.get(pool, 0))
      cost = None
      if mean_tokens is not None or not samples:
        cost = sum(
          sampling_flops(
            num_problems, n, mean_tokens or 0, params_nominal[role(pool)]
          )
          for pool, n in samples.items()
        )
      allotments[name][budget] = Allotment(
        samples=samples, rounded=samples != exact, cost_flops=cost
      )
  return Plan(
    arms=allotments,
    pools=pools,
    ratio=_ratio(params_nominal),
    ratio_exact=_ratio(params_exact),
    rounded=bool(notes),
    notes=tuple(notes),
    num_problems=num_problems,
    mean_tokens=mean_tokens,
    params_nominal=dict(params_nominal),
    params_exact=dict(params_exact),
  )


def _ratio_to_se(
  part: arms_lib.Part,
  params: Mapping[str, float],
  prices: Mapping[str, float] | None,
) -> fractions.Fraction:
  """Samples for one of SE's; exact, so that 3.0 is never 2.99."""
  if part.matching == 'compute':
    return fractions.Fraction(params['se']) / fractions.Fraction(params['wc'])
  if part.matching == 'price':
    if not prices or not {'se', 'wc'} <= set(prices):
      raise ConfigError('prices', '', 'Matching by price needs both prices.')
    return price_ratio(prices['se'], prices['wc'])
  return fractions.Fraction(1)


def _ratio(params: Mapping[str, float]) -> float | None:
  return params['se'] / params['wc'] if {'se', 'wc'} <= set(params) else None
