"""The stage `report`: results.json, the page, its figures, and a summary."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import TYPE_CHECKING

from wcse_jax.stages import committed, plan, planned
from wcse_jax.stages.journal import Journal
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

if TYPE_CHECKING:
  from wcse_jax.results.types import Results


def make(run: Run, machine: Machine, journal: Journal) -> None:
  """Writes the report, and prints the summary; plan.json gets what it cost.

  Raises:
    StoreError: Something is not there yet; names the stage to run.
  """
  from wcse_jax.results import costs

  about = {**journal.entries(), 'device': machine.device}
  found = committed.results(run, **about)
  if found.ledger:
    mean_tokens = costs.mean_tokens(found.ledger.values())
    drawn = planned.expected_by_mix(run)  # all is known
    plan.write(run, mean_tokens, sampled=True, drawn=drawn)
  show(found, run.data.workdir)


def show(found: Results, workdir: pathlib.Path) -> None:
  """Writes the page of results into a workdir, and prints their summary."""
  from wcse_jax import report
  from wcse_jax.report import terminal

  index = report.write(found, workdir / 'report')
  print(terminal.render(found))
  print(f'report: {index}')


def make_all(
  workdirs: Mapping[str, pathlib.Path], folder: pathlib.Path
) -> None:
  """Writes one page of several experiments, from the report of each.

  Args:
    workdirs: By experiment, in the order of the page.
    folder: Where the page goes.
  """
  from wcse_jax import report
  from wcse_jax.results import types

  results = {}
  for name, workdir in workdirs.items():
    path = workdir / 'report' / 'results.json'
    (results[name],) = types.read(path).values()
  print(f'\nreport: {report.write_all(results, folder)}')
