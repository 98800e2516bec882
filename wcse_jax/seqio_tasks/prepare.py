"""`python -m wcse_jax.seqio_tasks.prepare request.json`: problems to Parquet.

The request: {task, data_dir, out_dir, splits}: a name that `tasks.find` knows;
the folder with the dataset's official files, or ''; where problems.parquet goes
(schema `store.PROBLEMS`; TFDS keeps its dataset in a folder tfds beside it);
and how many problems of which splits, e.g. {'train': 300, 'test': null}; null
is all. The first of a split are taken: levels cycle, so they are balanced.

The result: {rows: {split: number of problems}, no_gold: {split: ids of those
whose gold answer cannot be read, so that all answers are 'unknown'}, overlap:
what `overlap.report` says of train and test}.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
import functools
import importlib
import pathlib
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import store, tasks
from wcse_jax.analysis import overlap
from wcse_jax.runtime import children as child
from wcse_jax.verify import graders


def prepare(request: dict[str, Any]) -> dict[str, Any]:
  """Writes problems.parquet; see the module."""
  name, out_dir = request['task'], pathlib.Path(request['out_dir'])
  read = _own if name not in tasks.TASKS else _built
  splits = read(name, request['data_dir'], out_dir)
  chosen: dict[str, list[dict[str, Any]]] = {}
  for split, wanted in request['splits'].items():
    chosen[split] = []
    if wanted == 0:
      continue
    if split not in splits:
      raise child.TaskError(
        f'config.task.num_{split} = {wanted}: {name} has no {split} problems, '
        f'only {", ".join(splits)}; give 0'
      )
    found = list(splits[split]())
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


Splits = Mapping[str, Callable[[], Iterable[dict[str, Any]]]]


def _built(name: str, data_dir: str, out_dir: pathlib.Path) -> Splits:
  """The splits of one of TASKS, from the source of its seqio Task."""
  module = importlib.import_module(f'wcse_jax.tasks.{name}')
  task = module.task(str(out_dir / 'tfds'), data_dir)

  def rows(split: str) -> Iterator[dict[str, Any]]:
    # The source alone: the Task's own tokens are for seqio's users.
    dataset = task.source.get_dataset(split, shuffle=False)
    for example in dataset.as_numpy_iterator():
      yield {
        field: int(example[field])
        if field == 'level'
        else example[field].decode()
        for field in store.PROBLEMS.names
      }

  return {split: functools.partial(rows, split) for split in task.splits}


def _own(name: str, data_dir: str, out_dir: pathlib.Path) -> Splits:
  """The splits of an own task."""
  del out_dir
  try:
    splits = tasks.own(name, 'problems')(data_dir)
  except (ValueError, OSError) as e:
    raise child.TaskError(f'config.task.name = {name!r}: {e}') from e

  def rows(split: str) -> Iterator[dict[str, Any]]:
    try:
      yield from ({**vars(problem)} for problem in splits[split])
    except OSError as e:
      raise child.TaskError(f'config.task.name = {name!r}: {e}') from e

  return {split: functools.partial(rows, split) for split in splits}


def _has_gold(task: str, row: dict[str, Any]) -> bool:
  """Whether its gold can be read: if not, even no answer is 'unknown'."""
  try:
    grade = graders.find(task)(row['gold'], '', row['question'])
  except Exception:  # any fault of a grader is 'unknown'
    return False
  return grade.verdict != 'unknown'


if __name__ == '__main__':
  child.serve(prepare)
