"""The stage `verify`: a verdict on every sample, and the judge's on some."""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import contextlib
import functools
import pathlib
from typing import Any

from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Grade, Sample, Verdict
from wcse_jax.stages import answers, judge, shards
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine, worker_seconds
from wcse_jax.verify import given

_Grade = Callable[[Sequence[Sample]], Iterator[Verdict]]
_Spent = Callable[[], dict[str, float]]


def make(run: Run, machine: Machine, *, judging: bool = True) -> None:
  """Commits a verdict on every sample that has none yet.

  Args:
    run: The experiment.
    machine: What grades, and judges.
    judging: Whether the judge, if there is one, is asked, too.
  """
  check(run)
  for pool in run.pools:
    stage = run.verify_stage(pool)
    samples = judge.of_train(run, pool)
    missing = shards.missing(stage, samples)
    catch_up(run, machine, pool, missing)
    if not missing:
      kept = stage.is_complete()  # else streamed, or killed just before
      how = 'kept' if kept else 'complete'
      print(f'{stage.name}: {how}, all {len(samples):,} verdicts are there')
      if kept:
        continue
    stage.finish(rows=len(samples))
  machine.forget_models()  # the generators'
  if run.config.judge and judging:
    judge.of_pools(run, machine)


def catch_up(
  run: Run, machine: Machine, pool: Pool, missing: Sequence[Sample]
) -> None:
  """Commits a verdict on each of a pool's samples that has none yet.

  Args:
    run: The experiment.
    machine: What grades.
    pool: The pool.
    missing: Those samples.
  """
  if missing:
    with _grading(run, machine) as (grade, spent):
      rows, each = grade(missing), run.config.sampling.shard_rows
      shards.commit(run.verify_stage(pool), rows, len(missing), each, spent)


def drop_lost(run: Run, pool: Pool, leader: bool) -> None:
  """Drops what was said of samples that are there no more: others may come.

  Args:
    run: The experiment.
    pool: Whose samples.
    leader: Whether to; the other hosts write to the same folders meanwhile.

  Raises:
    StoreError: There is something to drop, and another host is to do that.
  """
  for kind in ('verify', 'judge'):
    stage = run.data.stage(f'{kind}/{pool}', {})  # whosever it is
    lost = shards.lost(stage, run.pool_stage(pool))
    if lost and not leader:
      raise store.StoreError(
        f'{stage.path} says something of {len(lost):,} samples that are lost:'
        ' start --replica=0 again, which drops that, then this one'
      )
    if lost:
      shards.drop(stage, lost)
      print(f'{stage.name}: {len(lost):,} rows dropped, their samples are lost')


@contextlib.contextmanager
def streaming(
  run: Run, pool: Pool, machine: Machine, wanted: bool, wait: bool
) -> Iterator[Callable[[Sequence[Sample]], Any]]:
  """Yields what verifies committed samples while others are drawn.

  What it does not come to, or fails at, is left to the stage; a bug is raised
  once the samples are drawn.

  Args:
    run: The experiment.
    pool: Whose samples.
    machine: What grades.
    wanted: Whether the stage is to run; if not, nothing is verified.
    wait: Whether to wait in the end for what was begun.
  """
  if not wanted:
    yield lambda samples: None
    return
  stage = run.verify_stage(pool)

  def verify(samples: Sequence[Sample]) -> None:
    rows = store.to_table(grade(samples), store.VERDICTS)
    stage.write_part(rows, store.VERDICTS, spent())

  with (
    _grading(run, machine) as (grade, spent),
    futures.ThreadPoolExecutor(1) as thread,
  ):
    begun: list[futures.Future] = []
    finished = False
    try:
      yield lambda samples: begun.append(thread.submit(verify, samples))
      finished = True
    finally:
      thread.shutdown(cancel_futures=not (finished and wait))
  errors = [f.exception() for f in begun if not f.cancelled()]
  for error in filter(None, errors):
    if not isinstance(error, Error | OSError):
      raise error  # a bug
  for text in dict.fromkeys(f'{type(e).__name__}: {e}' for e in errors if e):
    print(f'{stage.name}: {text}; the stage verify tries again')


@contextlib.contextmanager
def _grading(run: Run, machine: Machine) -> Iterator[tuple[_Grade, _Spent]]:
  """Yields what gives verdicts, and what tells what they took since."""
  if run.config.verify.file:
    yield lambda samples: answers.verdicts(_given(run, samples)), dict
    return
  task, problems = run.task.name, run.train_by_id
  with machine.graders() as graders:
    yield (
      lambda samples: answers.verdicts(
        answers.grade(task, samples, problems, graders)
      ),
      worker_seconds(graders),
    )


def _given(
  run: Run, samples: Sequence[Sample]
) -> Iterator[tuple[Sample, Grade]]:
  """Yields samples with what a file says of them."""
  keys = [(s.generator, *s.key) for s in samples]
  found = _of_file(run)
  given.require(pathlib.Path(run.config.verify.file), found, keys)
  yield from zip(samples, (found[key] for key in keys), strict=True)


def check(run: Run) -> None:
  """Makes sure that a file of verdicts, if one is named, has all it must.

  Args:
    run: The experiment, whose problems are there.

  Raises:
    GivenError: A row is no verdict, or a sample that is planned has none.
  """
  if path := run.config.verify.file:
    planned = (
      (str(pool), problem.problem_id, index)
      for pool, n in run.pools.items()
      for problem in run.train
      for index in range(n)
    )
    given.require(pathlib.Path(path), _of_file(run), planned)


@functools.cache
def _of_file(run: Run) -> dict[given.Key, Grade]:
  pools, path = [str(pool) for pool in run.pools], run.config.verify.file
  return given.read(pathlib.Path(path), pools, run.train_by_id)
