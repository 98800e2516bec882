"""The paper on one page: problems, plan, samples, verdicts, students, report.

Each stage reads what the stages before it committed to the workdir, calls a
core that knows nothing of files, and commits. A stage that is complete is
kept; one that was interrupted goes on.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import pathlib
from typing import Any

import wcse_jax
from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import hosts
from wcse_jax.experiment.config import Config
from wcse_jax.runtime import progress, replicas
from wcse_jax.runtime.children import Child
from wcse_jax.stages import (
  check,
  closing,
  curate,
  finetune,
  plan,
  prepare,
  preview,
  report,
  sample,
  students,
  takeover,
  verify,
)
from wcse_jax.stages.folders import named
from wcse_jax.stages.forget import forget, forget_of_all
from wcse_jax.stages.journal import Journal
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

_ALL_DONE = 'all is done'
_SHARED = 'sample', 'finetune', 'evaluate'  # stages that all replicas run


def run(
  config: Config,
  workdir: pathlib.Path,
  stages: Sequence[str] | None = None,
  redo: Sequence[str] = (),
  command: str = '',
  replica: replicas.Spec | None = None,
  reuse: Sequence[pathlib.Path] = (),
  stay: bool = False,
  preview: int = 0,
) -> None:
  """Runs an experiment, or what is left of it.

  Args:
    config: The experiment.
    workdir: Where everything goes.
    stages: Which of `config.STAGES` to run; None is all.
    redo: Stages ('finetune') or parts of them ('sample/wc') to forget first.
    command: As typed, for the report.
    replica: Which of several that share the workdir; all of them sample, and
      finetune and test students, and the first does all else. With a
      coordinator they finetune together, and that is the one stage to run.
    reuse: Other workdirs: what they have finished with the same settings is
      taken over, unless something is to be forgotten.
    stay: Whether other replicas wait until the first is done with all: they
      are to meet again in another run.
    preview: Instead of `stages`, how many samples to draw and show, if any.

  Raises:
    ConfigError: The config names what does not exist.
    Error: There is no such stage.
    LimitError: A limit of what servers may be paid is reached.
    StoreError: The workdir holds another experiment's results, or is in use.
    ReplicaError: A host is missing.
    FinetuneError: Hosts that are to finetune together do not come together.
  """
  workdir, replica = pathlib.Path(workdir), replica or replicas.Spec()
  check.check(config := named(config), stages, redo, workdir)
  stages = config_lib.stages_to_run(stages, preview)
  writer = (replica.index, replica.count)
  made = Run(config, store.Store(workdir, writer, () if redo else reuse))
  touched = set(map(config_lib.made_by, (*stages, *redo)))
  keep = not touched & {'prepare', 'sample', 'curate'}
  with (
    made.data.lock(),
    replicas.Replicas(workdir, replica, keep, hosts.shared(config)) as team,
    progress.remembering_ctrl_c(),
  ):
    if replica.coordinator:
      team.together(functools.partial(_finetune_together, made, redo, replica))
      return
    # What prepares starts before JAX does, unless problems may go or come.
    early = not redo and not reuse and not replica.index
    with prepare.start(made, early and 'prepare' in stages) as child:
      _run_stages(made, stages, redo, command, team, child, preview)
    if stay and replica.index:
      team.wait(_ALL_DONE, [0])
    team.announce(_ALL_DONE)


def _run_stages(
  run: Run,
  wanted: Sequence[str],
  redo: Sequence[str],
  command: str,
  team: replicas.Replicas,
  child: Child | None = None,
  few: int = 0,
) -> None:
  """Runs the stages that are wanted, once those to redo are forgotten."""
  workdir, machine = run.data.workdir, Machine(run.config)
  journal, leader = Journal(workdir, command), team.spec.index == 0
  version = wcse_jax.__version__
  print(f'wcse_jax {version} on {machine.device}, workdir {workdir}')
  mine = set(wanted) if leader else {*_SHARED} & set(wanted)
  check.check_shapes(run.config, mine)
  machine.check_meshes(mine)
  if leader and machine.leads:
    forget(run, *redo)
    takeover.take_over(run, wanted)
    check.check_settings(run, wanted)
    journal.write_config(run.config)
  before: dict[str, Callable[[], None]] = {
    'prepare': lambda: prepare.make(run, child),
    'plan': lambda: plan.make(run, machine, team.spec.count, wanted),
    'sample': lambda: sample.make(run, machine, team, 'verify' in wanted),
    'verify': lambda: verify.make(run, machine),
    'curate': lambda: curate.make(run),
  }
  if few:
    before['sample'] = lambda: preview.make(run, machine, team, few)
  machine.warm(mine)
  with closing.told(run, machine, team, journal, mine):
    for name, make in before.items():
      if name in mine and (run.config.student or name != 'curate'):
        with journal.clock(name, kept=leader and machine.leads):
          make()
    students.make(run, machine, team, journal, mine)
    if 'report' in mine:
      with journal.clock('report', kept=machine.leads):
        report.make(run, machine, journal)
  machine.forget_models()
  if not leader:
    print(f'replica {team.spec.index}: done; replica 0 does the rest')


def _finetune_together(
  run: Run, redo: Sequence[str], replica: replicas.Spec
) -> None:
  """Finetunes as one of the processes of one JAX, each of them a replica."""
  finetune.join(run, replica)
  # Of the processes the first of JAX leads, whichever replica it is.
  alone = replicas.Replicas(run.data.workdir, replicas.Spec())
  one = Run(run.config, dataclasses.replace(run.data, writer=(0, 1)))
  _run_stages(one, ['finetune'], redo, '', alone)


def run_all(
  experiments: Mapping[str, Config],
  workdir: pathlib.Path,
  stages: Sequence[str] | None = None,
  redo: Sequence[str] = (),
  reuse: Sequence[pathlib.Path] = (),
  replica: replicas.Spec | None = None,
  **kwargs: Any,
) -> None:
  """Runs experiments one after another, and writes one page for all of them.

  What two of them share (a pool, a student) is computed once.

  Args:
    experiments: By name: that of their folder in the workdir.
    workdir: Where everything goes.
    stages: As in `run`.
    redo: Also; of the experiments that have it.
    reuse: Also, beside each other's.
    replica: Also; the replicas are in one experiment at a time.
    **kwargs: The others of `run`.

  Raises:
    ConfigError: A config names what does not exist; others as in `run`.
  """
  workdir = pathlib.Path(workdir)
  folders = {name: workdir / name for name in experiments}
  experiments = {name: named(one) for name, one in experiments.items()}
  check.check_all(experiments, stages, redo, folders)
  leads = not replica or replica.index == 0
  if leads:
    runs = (Run(experiments[n], store.Store(f)) for n, f in folders.items())
    forget_of_all([*runs], *redo)
  for number, (name, config) in enumerate(experiments.items(), start=1):
    print(f'\n{name} ({number} of {len(experiments)})')
    known = [*(() if redo else reuse), *folders.values()]  # its own is no other
    kwargs |= {'reuse': known, 'replica': replica, 'stay': True}
    run(config, folders[name], stages, **kwargs)
  if leads and (stages is None or 'report' in stages):
    report.make_all(folders, pathlib.Path(workdir, 'report'))
