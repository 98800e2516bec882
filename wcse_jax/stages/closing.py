"""How a run ends: what it took, and what is there if a limit has stopped it.

Then the report is that of the same experiment on fewer problems: the first, up
to one that some pool lacks a sample of. Which those are follows from when money
was spent, not from how they were solved.
"""

from collections.abc import Collection, Iterator
import contextlib
import dataclasses
import itertools

import msgspec

from wcse_jax import results
from wcse_jax.experiment import config as config_lib
from wcse_jax.report import outcomes
from wcse_jax.results.types import Partial
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling.purchases import LimitError
from wcse_jax.stages import (
  bills,
  committed,
  planned,
  report,
  rounds,
  verify,
)
from wcse_jax.stages.journal import Journal
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

_TOLD = 'what a limit has left is reported'


@contextlib.contextmanager
def told(
  run: Run,
  machine: Machine,
  team: Replicas,
  journal: Journal,
  wanted: Collection[str],
) -> Iterator[None]:
  """Tells in the end what the run took; and what is there, if it was stopped.

  The first replica verifies and reports what a limit has left, on which nobody
  is finetuned; the others wait for it.

  Args:
    run: The experiment.
    machine: What verifies.
    team: The replicas.
    journal: Knows the seconds that each stage takes.
    wanted: The names of the stages to run.

  Raises:
    LimitError: As it came.
  """
  leads = machine.leads and not team.spec.index
  stopped: LimitError | None = None
  try:
    yield
  except LimitError as e:
    stopped = e
    if leads:
      _report(run, machine, journal, wanted)
  if leads:
    print(bills.closing(run, journal.seconds))
  if stopped:
    if leads:
      team.announce(_TOLD)
    team.wait(_TOLD, [0])
    raise stopped


def _report(
  run: Run, machine: Machine, journal: Journal, wanted: Collection[str]
) -> None:
  if not {'verify', 'report'} <= {*wanted}:
    print(outcomes.goes_on(bills.enough(run)))
    return
  with journal.clock('verify'):
    verify.make(run, machine, judging=not run.config.server('judge'))
  needed = {pool: planned.of(run, pool) for pool in run.pools}
  lacking = {name for of in needed.values() for name, _ in of.left}
  whole = lambda problem: problem.problem_id not in lacking
  first = len([*itertools.takewhile(whole, run.train)])
  if run.enough:  # those alone that are soon right would tell too much
    first = max((end for end in rounds.ends(run) if end <= first), default=0)
  if not first:
    none = 'no report; no problem has all samples of every pool yet'
    print(f'{none}. {outcomes.goes_on(bills.enough(run))}')
    return
  with journal.clock('report'):
    part = Run(dataclasses.replace(run.config, student=''), run.data, first)
    about = {**journal.entries(), 'device': machine.device}
    found = results.make(committed.read(part, **about))
    bought = msgspec.structs.replace(
      found.run,
      config=config_lib.saved(run.config),
      partial=Partial(
        problems=len(run.train),
        samples={str(pool): of.there for pool, of in needed.items()},
        planned={
          # At least one more, if any is left: how many, nobody knows surely.
          str(pool): max(round(of.samples), of.there + bool(of.left))
          for pool, of in needed.items()
        },
        enough=bills.enough(run),
      ),
    )
    report.show(msgspec.structs.replace(found, run=bought), run.data.workdir)
