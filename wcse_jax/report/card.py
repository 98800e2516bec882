"""The card of an arm's data: what they are, what they cost, what is wrong."""

from collections.abc import Mapping
from typing import Any

import msgspec

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import KEEP
from wcse_jax.experiment.plan import Mix
from wcse_jax.models import presets
from wcse_jax.report import numbers, templates, wording
from wcse_jax.results.types import Results
from wcse_jax.results.types.estimate import Estimate
from wcse_jax.tasks import datasets

_PEOPLE = {'steps': 'the step checker', 'judge': 'a language model'}


def render(
  results: Results,
  mix: Mix,
  *,
  form: str,
  examples: int,
  solved: int,
  keep: str,
  reported: Mapping[str, Any],
) -> str:
  """Returns the card, in Markdown.

  Args:
    results: What a run of this arm alone found.
    mix: The arm and the budget.
    form: The format of its rows.
    examples: How many there are.
    solved: Of how many problems.
    keep: Which samples became examples: one of `arms.KEEP`.
    reported: False positive rates by source, as the run's report has them.
  """
  cell = results.arms[str(mix.arm)][mix.budget]
  rates = cell.fpr_by | msgspec.convert(dict(reported), dict[str, Estimate])
  dataset = datasets.DATASETS.get(results.run.task)
  config = config_lib.restore(results.run.config)
  roles = {pool.generator for pool in mix.arm.pools}
  served = {role for role in roles if config.server(role)}
  return templates.render(
    'card.md',
    results=results,
    mix=mix,
    cell=cell,
    form=form,
    examples=examples,
    solved=solved,
    keep=KEEP[keep],
    generators=[_generator(results, pool.generator) for pool in mix.arm.pools],
    temperatures=_temperatures(config, mix),
    drawn=not any(map(config.external_file, roles - served)),
    seeded=not served,  # which is told the settings, but no seed
    costs=list(_costs(cell)) if mix.arm.pools else [],
    rates={
      _PEOPLE.get(by, by): numbers.interval(rate, unit='%')
      for by, rate in rates.items()
    },
    dataset=dataset,
    overlap=results.overlap.get('test'),
    number=wording.drawn(cell),
    count=numbers.count,
    share=numbers.share,
    interval=numbers.interval,
    decimal=numbers.decimal,
  )


def _generator(results: Results, role: str) -> dict[str, str]:
  """A model that sampled: its name, its size, and its licence."""
  model = results.models[role]
  preset = presets.PRESETS.get(model.name)
  size = numbers.si(model.exact_params) if model.exact_params else ''
  return {
    'name': model.name,
    'size': size,
    'licence': preset.licence if preset else 'as its provider says',
  }


def _temperatures(config: config_lib.Config, mix: Mix) -> str:
  own = (
    (pool.temperature, config.teacher(pool.generator).temperature)
    for pool in mix.arm.pools
  )
  default = config.sampling.temperature
  said = (next((t for t in of if t is not None), default) for of in own)
  return ', '.join(f'{t:g}' for t in dict.fromkeys(said))


def _costs(cell: Any) -> Any:
  """Yields what sampling cost, where it is known: a name, and a number."""
  cost = cell.cost
  seconds = lambda value: f'{numbers.count(value)} s'
  for name, value in {
    "by the paper's rule": numbers.si(cost.rule_flops, 'FLOP'),
    'as measured, with prompts and idle slots': numbers.si(
      cost.sampling_flops, 'FLOP'
    ),
    'of a device that sampled': seconds(cost.device_seconds),
    'of processes that verified': seconds(cost.verify_seconds),
    'in dollars': numbers.dollars(cost.usd) if cost.usd else '',
  }.items():
    if value and not value.startswith(numbers.NONE):
      yield name, value
