"""Taking over what other workdirs have finished with the same settings."""

from collections.abc import Collection, Sequence
import contextlib
import pathlib

from wcse_jax import store
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.records import Sample
from wcse_jax.stages.complete import KEPT
from wcse_jax.stages.layout import Run


def take_over(run: Run, wanted: Collection[str]) -> None:
  """Takes what is to be made, and finished elsewhere, from there.

  What follows from samples comes from workdirs whose samples are these, as
  the same settings may draw others on another device; and a student's answers
  from where the student came from.

  Args:
    run: What is to be made; `data.others` are the workdirs to look at.
    wanted: The names of the stages to run.
  """

  def take(stage: store.Stage, others: Sequence[pathlib.Path]) -> bool:
    workdir = run.data.take_over(stage, others)
    if workdir:
      print(f'{stage.name}: taken from {workdir}')
    return bool(workdir)

  others = run.data.others
  tasks = ('', *run.config.evaluate.transfer) if 'prepare' in wanted else ()
  problems = map(run.problems_stage, tasks)
  for stage in (*problems, *run.costly({'sample'} & set(wanted))):
    take(stage, others)
  later = [*run.costly(set(wanted) - {'sample', 'evaluate'})]
  alike = [o for o in others if later and _same_samples(run, o)]
  taught = run.students if {'finetune', 'evaluate'} & set(wanted) else []
  chosen = {
    run.finetune_stage(student).name: run.evaluate_stage(student, 'validation')
    for student in taught
  }
  for stage in later:
    validation = chosen.get(stage.name)
    take(stage, [o for o in alike if _can_choose(stage, validation, o)])
  tested = run.config.student and 'evaluate' in wanted
  students = (Base(), *run.students) if tested else ()
  for student in students:
    whence = others
    if isinstance(student, Student):
      trained = run.finetune_stage(student)
      whence = [other for other in others if _is_copy(trained, other)]
      if not take(chosen[trained.name], whence):
        continue  # by other problems, perhaps
    for test in run.tests:
      take(run.evaluate_stage(student, test), whence)


def _can_choose(
  trained: store.Stage, chosen: store.Stage | None, workdir: pathlib.Path
) -> bool:
  """Whether a workdir has what a student is chosen from, or the choice itself.

  Args:
    trained: A stage, e.g. the student's finetuning.
    chosen: The student's validation; None if the stage is no finetuning.
    workdir: The other workdir.
  """
  with contextlib.suppress(store.StoreError):  # damaged, or of other settings
    manifest = trained.at(workdir / trained.name).manifest() or {}
    if chosen is None or KEPT not in manifest:
      return True
    return chosen.at(workdir / chosen.name).is_complete()
  return False


def _is_copy(stage: store.Stage, workdir: pathlib.Path) -> bool:
  """Whether a finished stage is the very one that another workdir has."""
  with contextlib.suppress(store.StoreError):  # damaged
    mine = stage.manifest()
    theirs = stage.at(workdir / stage.name).manifest()
    if mine and theirs:
      return all(mine[key] == theirs[key] for key in ('fingerprint', 'time'))
  return False


def _same_samples(run: Run, workdir: pathlib.Path) -> bool:
  """Whether what a workdir has of the pools is what is here."""
  for pool in run.pools:
    mine = run.pool_stage(pool)
    theirs = mine.at(workdir / mine.name)
    files = [
      {path.stat().st_ino for path in stage.path.glob('part-*.parquet')}
      for stage in (mine, theirs)
    ]
    if files[0] <= files[1] or files[1] <= files[0]:
      continue  # linked, or none
    try:
      texts = [
        {
          sample.key: sample.text
          for sample in store.from_table(stage.read_parts(), Sample)
        }
        for stage in (mine, theirs)
      ]
    except store.StoreError:
      return False
    if any(texts[1].get(key, text) != text for key, text in texts[0].items()):
      return False
  return True
