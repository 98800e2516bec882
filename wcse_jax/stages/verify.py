"""The stage `verify`: a verdict on every sample, and the judge's on some."""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import contextlib
import hashlib
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Sample, Verdict
from wcse_jax.stages import answers, shards
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine, worker_seconds


def make(run: Run, machine: Machine) -> None:
  """Commits a verdict on every sample that has none yet."""
  for pool in run.pools:
    stage = run.verify_stage(pool)
    samples = _of_train(run, pool)
    missing = shards.missing(stage, samples)
    if not missing:
      print(f'{stage.name}: kept, all {len(samples):,} verdicts are there')
      if samples and not stage.is_complete():  # killed just before
        stage.finish(rows=len(samples))
      continue
    with machine.graders() as graders:
      shards.commit(
        stage,
        _graded(run, missing, graders),
        len(missing),
        run.config.sampling.shard_rows,
        worker_seconds(graders),
      )
    stage.finish(rows=len(samples))
  machine.forget_models()  # the generators'
  if run.config.judge:
    _judge(run, machine)


@contextlib.contextmanager
def streaming(
  run: Run, pool: Pool, machine: Machine, wanted: bool, wait: bool
) -> Iterator[Callable[[Sequence[Sample]], Any]]:
  """Yields what verifies committed samples while others are drawn.

  What it does not come to, or fails at, is left to the stage.

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
    info = worker_seconds(graders)
    rows = store.to_table(_graded(run, samples, graders), store.VERDICTS)
    stage.write_part(rows, store.VERDICTS, info())

  with machine.graders() as graders, futures.ThreadPoolExecutor(1) as thread:
    begun: list[futures.Future] = []
    finished = False
    try:
      yield lambda samples: begun.append(thread.submit(verify, list(samples)))
      finished = True
    finally:
      thread.shutdown(cancel_futures=not (finished and wait))
  for future in begun:
    if not future.cancelled() and (error := future.exception()):
      print(f'{stage.name}: {error}; the stage verify tries again')


def _graded(
  run: Run, samples: Sequence[Sample], graders: Any
) -> Iterator[Verdict]:
  return answers.verdicts(
    answers.grade(run.task.name, samples, run.train_by_id, graders)
  )


def _of_train(run: Run, pool: Pool) -> list[Sample]:
  """A pool's samples of these problems: another run may have had more."""
  problems = run.train_by_id
  return [s for s in run.samples(pool) if s.problem_id in problems]


def _judge(run: Run, machine: Machine) -> None:
  """The judge's verdict on samples whose answer is right, or on all."""
  from wcse_jax.sampling import judge

  for pool, n in run.pools.items():
    stage = run.judge_stage(pool)
    missing = shards.missing(stage, _to_judge(run, pool, n))
    if not missing:
      print(f'{stage.name}: kept, all judgements are there')
      continue
    judged = judge.judge(machine.judge(), missing, run.train_by_id)
    rows_each = run.config.sampling.shard_rows
    shards.commit(stage, answers.verdicts(judged), len(missing), rows_each)
    stage.finish()
  machine.forget_models()


def _to_judge(run: Run, pool: Pool, n: int) -> list[Sample]:
  """Samples to judge: all, if that decides; else a seeded few, nested."""
  samples = [s for s in _of_train(run, pool) if s.sample_index < n]
  if any(run.keep(mix) == 'judge' for mix in run.mixes):
    return samples
  right = {v.key for v in run.verdicts(pool) if v.verdict == 'correct'}

  def rank(sample: Sample) -> bytes:
    name = f'{run.config.seed}/{sample.problem_id}/{sample.sample_index}'
    return hashlib.sha256(name.encode()).digest()

  samples = [s for s in samples if s.key in right]
  return sorted(samples, key=rank)[: run.config.verify.num_judged]
