"""The stage `finetune`: one student for each mix and seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import functools
import threading
from typing import TYPE_CHECKING

import tqdm

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.runtime import progress, replicas, threads
from wcse_jax.stages.complete import kept, need
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine
from wcse_jax.store import drafts

if TYPE_CHECKING:
  from wcse_jax.finetuning.batches import Batches


def make(run: Run, machine: Machine, students: Sequence[Student]) -> None:
  """Finetunes those students that are not there yet.

  Raises:
    FinetuneError: Finetuning cannot go on.
    StoreError: A mix is not there yet.
  """
  from wcse_jax.finetuning import processes

  for student in students:
    stage = run.finetune_stage(student)
    if processes.agreed(machine.leads and kept(stage)):
      continue
    made = drafts.begin(stage)
    if machine.leads:
      made.claim()
    _finetune(run, student, machine, made)
    if machine.leads:
      drafts.put(stage, made)


def left(run: Run, students: Iterable[Base | Student]) -> list[Student]:
  """Returns those of students that are not finetuned."""
  return [
    student
    for student in students
    if isinstance(student, Student)
    and not run.finetune_stage(student).is_complete()
  ]


def work(run: Run, students: Iterable[Student]) -> int:
  """Returns the steps that students take, at all rates that are tried."""
  steps = sum(run.config.steps(student.mix.budget) for student in students)
  return steps * len(run.config.finetune.learning_rates)


def join(run: Run, replica: replicas.Spec) -> None:
  """Joins the other replicas as the processes of one JAX; before all else.

  Raises:
    FinetuneError: They do not come together, or run other experiments.
  """
  from wcse_jax.finetuning import processes

  threads.limit(run.config.mesh.cpu_threads)  # JAX looks for devices next
  processes.join(
    None if replica.coordinator == 'auto' else replica.coordinator,
    replica.count,
    replica.index,
    about=store.fingerprint(config_lib.saved(run.config)),
    timeout_s=round(2 * replica.timeout_s),  # replicas see it first
  )
  tqdm.tqdm.set_lock(threading.RLock())  # its own outlives a kill


def laid_out(plan: Batches, spec: FinetuneSpec, asked: int) -> str:
  """Returns what a student is shown, beside what was asked for.

  Args:
    plan: The batches.
    spec: The settings.
    asked: Steps that they ask for.
  """
  each = plan.rows * plan.examples / len(plan.table['tokens'])
  text = (
    f'{plan.num_batches:,} steps of {each:.3g} examples on average, in'
    f' {plan.rows} row{"s" * (plan.rows > 1)} each, for {asked:,} of'
    f' {spec.batch_size}'
  )
  if plan.rows == 1 and each >= 1.5 * spec.batch_size:
    text += (
      '. One row holds more than config.finetune.batch_size: lower'
      ' config.finetune.row_tokens for more steps'
    )
  return text


def _finetune(
  run: Run, student: Student, machine: Machine, stage: store.Stage
) -> None:
  from wcse_jax.finetuning import batches, loop

  spec = run.config.finetune
  curated = run.curate_stage(student.mix)
  need(curated, 'curate')
  asked = run.steps(student.mix)
  plan = batches.make(
    batches.columns(curated.read_parts()),
    batch_size=spec.batch_size,
    steps=asked,
    seed=run.config.seed + student.seed,
  )
  if machine.leads:
    print(f'{stage.name}: {laid_out(plan, spec, asked)}')
  steps: list[int] = []
  for rate, folder in run.runs(stage):
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
