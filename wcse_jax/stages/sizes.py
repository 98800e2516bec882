"""Who samples how much, by the sizes and prices of a config's models."""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import pathlib

from wcse_jax.experiment import counts, prices
from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import (
  BudgetSpec,
  Config,
  ConfigError,
)
from wcse_jax.experiment.sections import PARAMS
from wcse_jax.models import presets


def plan(config: Config) -> plan_lib.Plan:
  """Returns who samples how much.

  Args:
    config: The experiment.

  Raises:
    ConfigError: A budget does not pay for one sample of some arm, WC being
      larger than SE perhaps, or a cost is not known.
  """
  roles = [role for role in config.roles if role in config.names]
  known = {role: size for role in roles if (size := params(config, role))}
  active = {r: params(config, r, 'active') or size for r, size in known.items()}
  costs = _costs(config, known)
  _check_order(config, costs)
  return plan_lib.make(
    config.arms,
    config.budget.by_name,
    known,
    active,
    costs=costs,
    copies=config.finetune.num_seeds if config.budget.pool_per_seed else 1,
    anchor=config.budget.anchor,
  )


def params(config: Config, role: str, count: str = '') -> float | None:
  """Returns the number of parameters of a model; None if nobody says.

  Args:
    config: The experiment.
    role: The name of what samples, 'student' or 'judge'.
    count: What it counts, one of `sections.PARAMS`, or READ; '' is the config's
      `budget.params`, as what a config gives does.
  """
  rule = config.budget.params
  given = config.teacher(role).params
  if given and (count or rule) == rule:
    return given
  preset = presets.PRESETS.get(config.model(role)[0])
  if not preset:
    return None
  if count != counts.READ:
    return preset.params[count or rule]
  of = preset.config
  idle = of.num_params - of.looked_up - of.active
  return counts.read_params(of.active, idle, of.routed, config.sampling.slots)


def by_count(config: Config) -> dict[str, dict[str, float]]:
  """Returns P of what samples, by what it counts, and by name, if known."""
  roles = [role for role in config.roles if role in config.names]
  return {
    count: {
      role: size for role in roles if (size := params(config, role, count))
    }
    for count in (*PARAMS, counts.READ)
  }


def counted(config: Config) -> list[counts.Counted]:
  """Returns what arms matched by compute get, by what P counts."""
  made = plan(config)
  return counts.rows(
    config.arms,
    config.budget.by_name,
    by_count(config),
    made.costs,
    config.budget.anchor,
  )


def _costs(
  config: Config, sizes: Mapping[str, float]
) -> dict[str, Mapping[str, float]]:
  """Returns what a sample costs, in each way that arms are matched."""
  roles = {*config.generators, config.budget.anchor}
  said = {role: config.teacher(role) for role in roles}
  tokens = {role: of.tokens for role, of in said.items() if of.tokens}
  costs: dict[str, Mapping[str, float]] = {
    'compute': sizes,
    'measured': {r: n * sizes[r] for r, n in tokens.items() if r in sizes},
    'wall_clock': {r: of.seconds for r, of in said.items() if of.seconds},
  }
  if config.matched_by('price'):
    costs['price'] = dollars(config)
  return costs


def _check_order(config: Config, costs: plan_lib.Costs) -> None:
  """Raises ConfigError if a budget pays for no sample of WC, the dearer one."""
  low, anchor = config.budget.low, config.budget.anchor
  dearer = {'compute': 'large', 'wall_clock': 'slow'}
  for arm in config.arms:
    parts = arm.parts
    for draw in arm.draws:
      ratio = plan_lib.ratio_to_anchor(draw, costs, anchor)
      role = draw.pool.generator
      if ratio < 1 and ratio * low * parts[draw.pool] < 1:
        field, strong = (config.field_of(of, 'model') for of in (role, anchor))
        raise ConfigError(
          field,
          config.model(role)[0],
          f'it is {float(1 / ratio):.3g} times as'
          f' {dearer.get(draw.matching, "expensive")} as config.{strong} ='
          f' {config.model(anchor)[0]!r}, so budget.low = {low} pays for no'
          f' sample of it in {arm}: name the weaker, cheaper model'
          f' config.{field}, or match by number ({role}_number_matched)',
        )


def budget_for(config: Config, pool: Pool, num_samples: int) -> int:
  """Returns the largest budget at which a pool takes so few samples; or 0."""
  with contextlib.suppress(ConfigError):  # not one sample of some arm
    for budget in range(max(config.budget.by_name.values()), 0, -1):
      spec = BudgetSpec(low=budget, high=budget, anchor=config.budget.anchor)
      pools = plan(dataclasses.replace(config, budget=spec)).pools
      if pools[pool] <= num_samples:
        return budget
  return 0


def dollars(config: Config) -> dict[str, float]:
  """Returns what a million sampled tokens cost, by generator.

  Raises:
    ConfigError: A price is not known.
  """
  used = {config.budget.anchor, *config.generators}
  return {
    generator: price(config, generator).usd_per_million_output_tokens
    for generator in config.names
    if generator in used
  }


def price(config: Config, role: str) -> prices.Price:
  """Returns what a role's tokens cost; ConfigError where that is not known."""
  try:
    return prices.find(price_table(config), config.model(role)[0])
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e


def price_if_known(config: Config, role: str) -> prices.Price | None:
  """Returns what a role's tokens cost; None if nobody says."""
  with contextlib.suppress(prices.PriceError):
    return prices.find(price_table(config), config.model(role)[0])
  return None


def price_table(config: Config) -> Sequence[prices.Price]:
  """Returns what tokens cost; ConfigError for a table that makes no sense."""
  if not config.prices:
    return prices.TABLE
  try:
    return prices.read(pathlib.Path(config.prices))
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e
