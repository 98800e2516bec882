"""`python -m wcse_jax.tasks.prepare request.json`: problems to Parquet.

The request: {task, data_dir, out_dir, splits}: a name of `tasks.TASKS`; the
folder with the dataset's official files, or ''; where problems.parquet goes
(schema `store.PROBLEMS`; TFDS keeps its dataset in a folder tfds beside it);
and how many problems of which splits, e.g. {'train': 300, 'test': null}; null
is all. The first of a split are taken: levels cycle, so they are balanced.

The result: {rows: {split: number of problems}, no_gold: {split: ids of those
whose gold answer cannot be read, so that all answers are 'unknown'}, overlap:
what `overlap.report` says of train and test}.
"""

import importlib
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import store, tasks
from wcse_jax.tasks import child, overlap
from wcse_jax.verify import graders


def prepare(request: dict[str, Any]) -> dict[str, Any]:
  """Writes problems.parquet; see the module."""
  name, out_dir = request['task'], pathlib.Path(request['out_dir'])
  if name not in tasks.TASKS:
    raise child.TaskError(
      f'config.task.name = {name!r}: there are {sorted(tasks.TASKS)}'
    )
  module = importlib.import_module(f'wcse_jax.tasks.{name}')
  task = module.task(str(out_dir / 'tfds'), request['data_dir'])
  chosen: dict[str, list[dict[str, Any]]] = {}
  for split, wanted in request['splits'].items():
    chosen[split] = []
    if wanted == 0:
      continue
    if split not in task.splits:
      raise child.TaskError(
        f'config.task.num_{split} = {wanted}: {name} has no {split} problems, '
        f'only {", ".join(task.splits)}; give 0'
      )
    # The source alone: the Task's own tokens are for seqio's users.
    dataset = task.source.get_dataset(split, shuffle=False)
    found = [_problem(example) for example in dataset.as_numpy_iterator()]
    if (wanted or 0) > len(found):
      raise child.TaskError(
        f'config.task.num_{split} = {wanted}: {name} has {len(found)} there; '
        f'ask for at most that, or None for all'
      )
    chosen[split] = sorted(found, key=lambda row: row['problem_id'])[:wanted]
  rows = [row for found in chosen.values() for row in found]
  sink = pa.BufferOutputStream()
  pq.write_table(pa.Table.from_pylist(rows, schema=store.PROBLEMS), sink)
  store.commit(out_dir / 'problems.parquet', sink.getvalue().to_pybytes())
  train, test = (
    {row['problem_id']: row['question'] for row in chosen.get(split, ())}
    for split in ('train', 'test')
  )
  return {
    'rows': {split: len(found) for split, found in chosen.items()},
    'no_gold': {
      split: [row['problem_id'] for row in found if not _has_gold(name, row)]
      for split, found in chosen.items()
    },
    'overlap': overlap.report(train, test),
  }


def _has_gold(task: str, row: dict[str, Any]) -> bool:
  """Whether its gold can be read: if not, even no answer is 'unknown'."""
  grade = graders.GRADERS[task](row['gold'], '', row['question'])
  return grade.verdict != 'unknown'


def _problem(example: dict[str, Any]) -> dict[str, Any]:
  """A row of a dataset as a row of the table."""
  return {
    name: int(example[name]) if name == 'level' else example[name].decode()
    for name in store.PROBLEMS.names
  }


if __name__ == '__main__':
  child.serve(prepare)
