"""On what an experiment was run, with which packages, and for how long."""

from collections.abc import Iterable

from wcse_jax.report import numbers, table
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results


def models(*several: Results) -> str:
  """': nano_se (SE) and nano_wc (WC)'; '' if none is named."""
  found = ' and '.join(_named(('se', 'wc'), several))
  return f': {found}' if found else ''


def title(results: Results) -> str:
  """'nano_arithmetic: nano_wc (WC) against nano_se (SE)', as far as known."""
  run, said = results.run, ' against '.join(_named(('wc', 'se'), [results]))
  return f'{run.task}{said and ": "}{said} - {run.name} ({run.scale})'


def _named(roles: Iterable[str], several: Iterable[Results]) -> list[str]:
  """The models of roles, each once: 'nano_wc (WC)'."""
  return list(
    dict.fromkeys(
      f'{results.models[role].name} ({role.upper()})'
      for role in roles
      for results in several
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
