"""Taking over what other workdirs have finished with the same settings."""

from collections.abc import Collection, Sequence
import pathlib

from wcse_jax import store
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.records import Sample
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
  origin: dict[str, pathlib.Path] = {}

  def take(stage: store.Stage, others: Sequence[pathlib.Path]) -> None:
    if workdir := run.data.take_over(stage, others):
      origin[stage.name] = workdir
      print(f'{stage.name}: taken from {workdir}')

  others = run.data.others
  tasks = ('', *run.config.evaluate.transfer) if 'prepare' in wanted else ()
  problems = map(run.problems_stage, tasks)
  for stage in (*problems, *run.costly({'sample'} & set(wanted))):
    take(stage, others)
  later = [*run.costly(set(wanted) - {'sample', 'evaluate'})]
  alike = [o for o in others if later and _same_samples(run, o)]
  for stage in later:
    take(stage, alike)
  tested = run.config.student and 'evaluate' in wanted
  students = (Base(), *run.students) if tested else ()
  for student in students:
    whence = others
    if isinstance(student, Student):
      trained = origin.get(run.finetune_stage(student).name)
      whence = [trained] if trained else []
      chosen = run.evaluate_stage(student, 'validation')
      take(chosen, whence)
      if chosen.name not in origin:
        continue  # by other problems, perhaps
    for test in run.tests:
      take(run.evaluate_stage(student, test), whence)


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
