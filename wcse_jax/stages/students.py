"""Finetuning and testing students, which replicas share."""

from collections.abc import Collection
import functools

from wcse_jax import store
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.runtime import progress, shares
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.stages import disk, evaluate, finetune, judge
from wcse_jax.stages.journal import Journal
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine
from wcse_jax.store import drafts


def make(
  run: Run,
  machine: Machine,
  team: Replicas,
  journal: Journal,
  wanted: Collection[str],
) -> None:
  """Runs the stages `finetune` and `evaluate`, whichever are wanted.

  A student is finetuned and tested by one replica. The first returns when all
  are done; the others, too, as one of them may be lost.

  Args:
    run: The experiment.
    machine: What this replica computes with.
    team: The replicas; the others wait for the first to have curated.
    journal: Gets the seconds that the first spends.
    wanted: The names of the stages to run.

  Raises:
    ReplicaError: The first is missing, or another has other settings.
    FinetuneError: Finetuning cannot go on.
    DiskError: What the stages write will not fit the disk.
    StoreError: A mix, or a student, is not there yet.
  """
  if not run.config.student or not {'finetune', 'evaluate'} & set(wanted):
    return
  leader = team.spec.index == 0
  if team.spec.count > 1:
    mixes = [run.curate_stage(mix).fingerprint for mix in run.plan.mixes]
    curated = f'curate {store.fingerprint({}, mixes)}'
    if leader:
      team.announce(curated)
    else:
      team.wait(curated, [0])
  everyone = _everyone(run, wanted)
  dealt = sorted(everyone, key=functools.partial(_steps, run), reverse=True)
  is_done = functools.partial(_is_done, run, wanted)
  if leader and machine.leads:
    disk.check(run, team.spec.count, wanted)
    _expect(run, wanted, [s for s in everyone if not is_done(s)])
  keeps_best = run.config.finetune.keep == 'best'
  clock = functools.partial(journal.clock, kept=leader and machine.leads)
  for part in shares.of(team, dealt, is_done):
    mine = [student for student in everyone if student in part]
    # Of one after another, few checkpoints are there at a time.
    for tested in [[s] for s in mine] if keeps_best else [mine]:
      if 'finetune' in wanted:
        with clock('finetune'):
          taught = [s for s in tested if isinstance(s, Student)]
          finetune.make(run, machine, taught)
      if 'evaluate' in wanted:
        with clock('evaluate'):
          evaluate.make(run, machine, tested)
          if run.judges_students:
            judge.of_students(run, machine, tested, team)
        evaluate.keep_best(run, tested)
      if keeps_best:
        machine.forget_models()  # the next is finetuned beside none
  if leader and machine.leads:
    if 'evaluate' in wanted:
      evaluate.keep_best(run, everyone)
    for student in everyone:
      for stage in _stages(run, wanted, student):
        drafts.drop(stage)  # of who was lost


def _expect(
  run: Run, wanted: Collection[str], left: Collection[Base | Student]
) -> None:
  """Tells what there is to do of both stages."""
  if 'finetune' in wanted:
    steps = finetune.work(run, finetune.left(run, left))
    progress.expect('finetune', steps, 'batches')
  if 'evaluate' in wanted:
    _, solutions = evaluate.work(run, left)
    progress.expect('evaluate', solutions, 'samples')


def _everyone(run: Run, wanted: Collection[str]) -> list[Base | Student]:
  return [*([Base()] if 'evaluate' in wanted else []), *run.taught]


def _steps(run: Run, student: Base | Student) -> int:
  """Returns what a student takes: its steps, as all are tested alike."""
  if isinstance(student, Base):
    return 0
  return run.config.steps(student.mix.budget)


def _stages(
  run: Run, wanted: Collection[str], student: Base | Student
) -> list[store.Stage]:
  stages = []
  trained = isinstance(student, Student)
  if 'finetune' in wanted and trained:
    stages.append(run.finetune_stage(student))
  if 'evaluate' in wanted:
    splits = ('validation', *run.tests) if trained else run.tests
    stages += [run.evaluate_stage(student, split) for split in splits]
    stages += [run.judge_stage(student)] if run.judges_students else []
  return stages


def _is_done(
  run: Run, wanted: Collection[str], student: Base | Student
) -> bool:
  return all(stage.is_complete() for stage in _stages(run, wanted, student))
