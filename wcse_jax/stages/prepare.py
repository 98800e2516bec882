"""The stage `prepare`: problems of all splits, from the seqio Tasks."""

import contextlib
from typing import Any

from wcse_jax import store, tasks
from wcse_jax.experiment.config import ConfigError
from wcse_jax.runtime.children import Child
from wcse_jax.stages import sources
from wcse_jax.stages.complete import kept
from wcse_jax.stages.layout import Run


def start(
  run: Run, wanted: bool = True
) -> contextlib.AbstractContextManager[Child | None]:
  """Starts the process that `make` needs, if that has anything to do.

  TensorFlow starts there while JAX starts here: call it before anything that
  takes time. The process ends with the context.

  Args:
    run: The experiment.
    wanted: Whether to; if not, nothing is started.
  """
  requests = _requests(run) if wanted else []
  todo = [of['task'] for stage, of in requests if not _complete(stage)]
  return _child(todo) if todo else contextlib.nullcontext()


def _child(todo: list[str]) -> Child:
  return Child('wcse_jax.seqio_tasks.prepare', *todo)


def make(run: Run, child: Child | None = None) -> None:
  """Commits the problems of the task, and of those that are tests only.

  Args:
    run: The experiment.
    child: What `start` gave; None starts a process if one is needed.

  Raises:
    ConfigError: More test problems are to have samples than there are.
    TaskError: A task's data cannot be had.
  """
  with contextlib.ExitStack() as stack:
    for stage, request in _requests(run):
      if _complete(stage) and kept(stage):
        continue
      if not child:
        names = [of['task'] for _, of in _requests(run)]
        child = stack.enter_context(_child(names))
      _prepare(stage, request, child)
  _check_number(run)


def _check_number(run: Run) -> None:
  """Raises ConfigError if more problems are to have samples than there are."""
  sampled = run.config.evaluate.num_sampled
  if sampled and sampled > (tested := len(run.problems['test'])):
    raise ConfigError(
      'evaluate.num_sampled',
      sampled,
      f'there are {tested} test problems: give at most that, or None for all',
    )


def _complete(stage: store.Stage) -> bool:
  with contextlib.suppress(store.StoreError):  # of other numbers: cheap
    return stage.is_complete()
  return False


def _requests(run: Run) -> list[tuple[store.Stage, dict[str, Any]]]:
  """Each stage of problems, and what to ask of the child for it."""
  return [
    (run.problems_stage(of), sources.request(run.config, run.task, of))
    for of in ('', *run.config.evaluate.transfer)
  ]


def _prepare(stage: store.Stage, request: dict[str, Any], child: Child) -> None:
  import pyarrow.parquet as pq

  stage.clear()
  slow = ' (TensorFlow starts, this takes a while)'
  built_in = request['task'] in tasks.TASKS
  print(f'{stage.name}: preparing{slow if built_in else ""}')
  splits = {split: n for split, n in request['splits'].items() if n != 0}
  request = {**request, 'out_dir': str(stage.path), 'splits': splits}
  result = child.request(request)
  made = stage.path / 'problems.parquet'
  stage.write_part(pq.read_table(made), store.PROBLEMS)
  made.unlink()
  stage.finish(**result)
  print(f'{stage.name}: {result["rows"]}')
