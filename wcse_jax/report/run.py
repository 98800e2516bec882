"""On what an experiment was run, with which packages, and for how long."""

from collections.abc import Callable, Iterable

from wcse_jax.experiment.arms import called
from wcse_jax.report import numbers, table
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results


def models(*several: Results) -> str:
  """': nano_se (SE) and nano_wc (WC)'; '' if none is named."""
  *others, last = ['', *_named(lambda of: [of.anchor, *of.others], several)]
  found = ' and '.join(filter(None, [', '.join(filter(None, others)), last]))
  return f': {found}' if found else ''


def title(results: Results) -> str:
  """'nano_arithmetic: nano_wc (WC) against nano_se (SE)', as far as known."""
  sides = _named(lambda of: of.others, [results]), _named(_anchor, [results])
  said = ' against '.join(filter(None, map(', '.join, sides)))
  run = results.run
  return f'{run.task}{said and ": "}{said} - {run.name} ({run.scale})'


def _anchor(results: Results) -> list[str]:
  return [results.anchor]


def _named(
  roles: Callable[[Results], Iterable[str]], several: Iterable[Results]
) -> list[str]:
  """The models of roles, each once: 'nano_wc (WC)'."""
  return list(
    dict.fromkeys(
      f'{results.models[role].name} ({called(role)})'
      for results in several
      for role in roles(results)
      if role in results.models
    )
  )


def facts(results: Results) -> str:
  """'300 train, 300 test problems · TPU v5 lite · 2026-10-01'."""
  problems = ', '.join(
    f'{count} {split}' for split, count in results.problems.items() if count
  )
  run = results.run
  parts = f'{problems} problems', run.device, run.started
  return ' · '.join(filter(None, parts))


def versions(results: Results) -> Table:
  """Of the packages that decide results."""
  return Table(
    ('package', 'version'), [*results.run.versions.items()], text=(1,)
  )


def seconds(results: Results) -> Table:
  """What each stage took."""
  return table.listed(
    ['stage'],
    [((stage,), seconds) for stage, seconds in results.run.seconds.items()],
    {'seconds': lambda value: numbers.decimal(value, places=1)},
  )
