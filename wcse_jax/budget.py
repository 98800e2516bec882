"""Who samples how much: matched budgets, and what they cost in the end.

A decoder-only transformer with P parameters costs about 2P FLOPs per generated
token. With one mean solution length W for all models, n problems and S samples
per problem the paper's rule is `cost = n * S * W * 2P`, so a budget of S_SE
samples from the strong model pays for `S_WC = (P_SE / P_WC) * S_SE` samples
from the weak one (arXiv 2408.16737, section 3).
"""

from collections.abc import Mapping, Sequence
import dataclasses
import fractions
import itertools
import math
from typing import Any, Literal

from wcse_jax.config import ConfigError


@dataclasses.dataclass(frozen=True)
class Arm:
  """One side of the comparison.

  Attributes:
    generator: The pool it draws from; None for human-written solutions.
    matching: How its samples follow from SE's: 'anchor' is SE itself,
      'compute' costs the same, 'number' is as many (and not matched in cost).
    label: For people.
  """

  generator: Literal['wc', 'se'] | None
  matching: Literal['anchor', 'compute', 'number'] | None
  label: str


ARMS = {
  'se': Arm('se', 'anchor', 'SE'),
  'wc_compute_matched': Arm('wc', 'compute', 'WC compute-matched'),
  'wc_number_matched': Arm('wc', 'number', 'WC number-matched'),
  'reference': Arm(None, None, 'human-written'),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Allotment:
  """What one arm gets at one budget.

  Attributes:
    generator: The pool; None for human-written solutions.
    samples: Per problem: those with `sample_index < samples`.
    rounded: Whether a fraction of a sample was rounded away.
    cost_flops: By the paper's rule; None while W is not known.
  """

  generator: str | None
  samples: int
  rounded: bool
  cost_flops: float | None


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
  *,
  field: str = 'budget',
) -> int:
  """Samples per problem of an arm when SE gets `se_samples`, rounded down.

  Args:
    arm: A name of ARMS.
    se_samples: Samples per problem of SE.
    params: P of 'wc' and 'se'; only their ratio matters.
    field: The config field to blame.

  Returns:
    The number of samples; 0 for human-written solutions.

  Raises:
    ConfigError: Unknown arm, or a budget of less than one sample.
  """
  return math.floor(_exact_samples(arm, se_samples, params, field))


def plan(
  arms: Sequence[str],
  budgets: Mapping[str, int],
  params_nominal: Mapping[str, float],
  params_exact: Mapping[str, float],
  num_problems: int,
  mean_tokens: float | None = None,
) -> Plan:
  """Plans all arms at all budgets.

  Args:
    arms: Names of ARMS.
    budgets: SE's samples per problem by budget, ascending: each budget is
      nested in the next, e.g. `{'low': 1, 'high': 10}`.
    params_nominal: P by generator; decides the ratio.
    params_exact: P by generator; for the measured cost.
    num_problems: n.
    mean_tokens: An estimate of the mean solution length W, if there is one.

  Raises:
    ConfigError: Unknown, repeated or no arms; a budget of less than one sample;
      budgets out of order.
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
    for budget, se_samples in budgets.items():
      exact = _exact_samples(
        name, se_samples, params_nominal, f'budget.{budget}'
      )
      samples = math.floor(exact)
      generator = ARMS[name].generator
      allotments[name][budget] = Allotment(
        generator=generator,
        samples=samples,
        rounded=samples != exact,
        cost_flops=_cost(
          generator, samples, params_nominal, num_problems, mean_tokens
        ),
      )
      if generator:
        pools[generator] = max(samples, pools.get(generator, 0))
      if samples != exact:
        notes.append(
          f'{ARMS[name].label} at the {budget} budget: {float(exact):.4g}'
          f' samples per problem would match, rounded down to {samples}'
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


def _exact_samples(
  arm: str, se_samples: int, params: Mapping[str, float], field: str
) -> fractions.Fraction:
  """Samples per problem before rounding; exact, so that 3.0 is never 2.99."""
  if arm not in ARMS:
    raise ConfigError('arms', arm, f'Choose from {", ".join(ARMS)}.')
  if se_samples < 1:
    raise ConfigError(field, se_samples, 'Give SE at least 1 sample.')
  if ARMS[arm].generator is None:
    return fractions.Fraction(0)
  if ARMS[arm].matching != 'compute':
    return fractions.Fraction(se_samples)
  ratio = fractions.Fraction(params['se']) / fractions.Fraction(params['wc'])
  if ratio * se_samples < 1:
    raise ConfigError(
      field,
      se_samples,
      f'It pays for {float(ratio * se_samples):.3g} samples of {arm}: give at'
      f' least {math.ceil(1 / ratio)}, or make wc the cheaper model.',
    )
  return ratio * se_samples


def _cost(
  generator: str | None,
  samples: int,
  params: Mapping[str, float],
  num_problems: int,
  mean_tokens: float | None,
) -> float | None:
  if generator is None:
    return 0.0
  if mean_tokens is None:
    return None
  return sampling_flops(num_problems, samples, mean_tokens, params[generator])


def _ratio(params: Mapping[str, float]) -> float | None:
  return params['se'] / params['wc'] if {'se', 'wc'} <= set(params) else None
