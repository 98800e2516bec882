"""Who samples how much, by the sizes and prices of a config's models."""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import pathlib

from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment import prices
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import (
  ANCHOR,
  GENERATORS,
  BudgetSpec,
  Config,
  ConfigError,
)
from wcse_jax.models import presets


def plan(config: Config) -> plan_lib.Plan:
  """Returns who samples how much.

  Args:
    config: The experiment.

  Raises:
    ConfigError: A budget does not pay for one sample of some arm, WC being
      larger than SE perhaps, or a price is not known.
  """
  models = {
    role: presets.PRESETS[name]
    for role in config.roles
    if role in GENERATORS and (name := getattr(config, role)) in presets.PRESETS
  }
  sizes = {role: m.cost_params for role, m in models.items()}
  usd = dollars(config) if config.matched_by('price') else None
  _check_order(config, sizes, usd)
  return plan_lib.make(
    config.arms,
    config.budget.by_name,
    sizes,
    {role: float(m.config.num_params) for role, m in models.items()},
    prices=usd,
    copies=config.finetune.num_seeds if config.budget.pool_per_seed else 1,
  )


def _check_order(
  config: Config, sizes: Mapping[str, float], usd: Mapping[str, float] | None
) -> None:
  """Raises ConfigError if a budget pays for no sample of WC, the dearer one."""
  low, dearer = config.budget.low, {'compute': 'large', 'price': 'expensive'}
  for arm in config.arms:
    for draw in arm.draws:
      ratio = plan_lib.ratio_to_anchor(draw, sizes, usd)
      if ratio < 1 and ratio * low < len(arm.draws):
        role = draw.pool.generator
        raise ConfigError(
          role,
          getattr(config, role),
          f'it is {float(1 / ratio):.3g} times as {dearer[draw.matching]} as'
          f' config.{ANCHOR} = {getattr(config, ANCHOR)!r}, so budget.low ='
          f' {low} pays for no sample of it in {arm}: name the weaker, cheaper'
          f' model config.{role}, or match by number ({role}_number_matched)',
        )


def budget_for(config: Config, pool: Pool, num_samples: int) -> int:
  """Returns the largest budget at which a pool takes so few samples; or 0."""
  with contextlib.suppress(ConfigError):  # not one sample of some arm
    for budget in range(max(config.budget.by_name.values()), 0, -1):
      spec = BudgetSpec(low=budget, high=budget)
      pools = plan(dataclasses.replace(config, budget=spec)).pools
      if pools[pool] <= num_samples:
        return budget
  return 0


def dollars(config: Config) -> dict[str, float]:
  """Returns what a million sampled tokens cost, by generator.

  Raises:
    ConfigError: A price is not known.
  """
  return {
    generator: price(config, generator).usd_per_million_output_tokens
    for generator in GENERATORS
  }


def price(config: Config, role: str) -> prices.Price:
  """Returns what a role's tokens cost; ConfigError where that is not known."""
  try:
    return prices.find(price_table(config), getattr(config, role))
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e


def price_if_known(config: Config, role: str) -> prices.Price | None:
  """Returns what a role's tokens cost; None if nobody says."""
  with contextlib.suppress(prices.PriceError):
    return prices.find(price_table(config), getattr(config, role))
  return None


def price_table(config: Config) -> Sequence[prices.Price]:
  """Returns what tokens cost; ConfigError for a table that makes no sense."""
  if not config.prices:
    return prices.TABLE
  try:
    return prices.read(pathlib.Path(config.prices))
  except prices.PriceError as e:
    raise ConfigError('prices', config.prices, str(e)) from e
