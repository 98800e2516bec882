"""The stage `prepare`: problems of all splits, from the seqio Tasks."""

import contextlib

from wcse_jax import store
from wcse_jax.stages.layout import SPLITS, Run, kept


def make(run: Run) -> None:
  """Commits the problems of the task, and of those that are tests only.

  Raises:
    TaskError: A task's data cannot be had.
  """
  spec = run.config.task
  numbers = {split: getattr(spec, f'num_{split}') for split in SPLITS}
  _prepare(run.problems_stage(), spec.name, spec.data_dir, numbers)
  for task in run.config.evaluate.transfer:
    numbers = {'test': run.config.evaluate.num_transfer}
    _prepare(run.problems_stage(task), task, '', numbers)


def _prepare(
  stage: store.Stage,
  task: str,
  data_dir: str,
  numbers: dict[str, int | None],
) -> None:
  with contextlib.suppress(store.StoreError):  # of other numbers: cheap
    if kept(stage):
      return
  stage.clear()
  import pyarrow.parquet as pq

  from wcse_jax.runtime import children

  print(f'{stage.name}: preparing (TensorFlow starts, this takes a while)')
  result = children.run_child(
    'wcse_jax.seqio_tasks.prepare',
    {
      'task': task,
      'data_dir': data_dir,
      'out_dir': str(stage.path),
      'splits': {split: n for split, n in numbers.items() if n != 0},
    },
  )
  made = stage.path / 'problems.parquet'
  stage.write_part(pq.read_table(made), store.PROBLEMS)
  made.unlink()
  stage.finish(**result)
  print(f'{stage.name}: {result["rows"]}')
