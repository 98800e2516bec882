"""The stage `finetune`: one student for each mix and seed."""

import functools
import threading

import tqdm

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.plan import Student
from wcse_jax.runtime import progress, replicas
from wcse_jax.stages.layout import Run, kept, need
from wcse_jax.stages.machine import Machine


def make(run: Run, machine: Machine) -> None:
  """Finetunes every student that is not there yet.

  Raises:
    FinetuneError: Finetuning cannot go on.
    StoreError: A mix is not there yet.
  """
  from wcse_jax.finetuning import processes

  for student in run.students:
    stage = run.finetune_stage(student)
    if processes.agreed(machine.leads and kept(stage)):
      continue
    if machine.leads:
      stage.claim()
    _finetune(run, student, machine)


def join(run: Run, replica: replicas.Spec) -> None:
  """Joins the other replicas as the processes of one JAX; before all else.

  Raises:
    FinetuneError: They do not come together, or run other experiments.
  """
  from wcse_jax.finetuning import processes

  processes.join(
    None if replica.coordinator == 'auto' else replica.coordinator,
    replica.count,
    replica.index,
    about=store.fingerprint(config_lib.saved(run.config)),
    timeout_s=round(2 * replica.timeout_s),  # replicas see it first
  )
  tqdm.tqdm.set_lock(threading.RLock())  # its own outlives a kill


def _finetune(run: Run, student: Student, machine: Machine) -> None:
  from wcse_jax.finetuning import batches, loop

  spec, stage = run.config.finetune, run.finetune_stage(student)
  curated = run.curate_stage(student.mix)
  need(curated, 'curate')
  plan = batches.make(
    batches.columns(curated.read_parts()),
    batch_size=spec.batch_size,
    steps=run.config.steps(student.mix.budget),
    seed=run.config.seed + student.seed,
  )
  steps: list[int] = []
  for rate, folder in run.runs(student):
    name = stage.name if folder == stage.path else f'{stage.name} at {rate:g}'
    with progress.bar(name, plan.num_batches, 'batches') as bar:
      steps = loop.finetune(
        machine.model_to_finetune(),
        plan,
        spec,
        folder,
        learning_rate=rate,
        donate=True,
        progress=functools.partial(progress.advance, bar),
      )
  if machine.leads:
    stage.finish(
      checkpoints=steps,
      batches=plan.num_batches,
      rows_per_batch=plan.rows,
      examples=plan.examples,
    )
