"""What the judge says of solutions: of pools', and of students' own.

A pool's are judged in the stage `verify`; a student's in `evaluate`, where the
task's check of steps is not exact.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
import functools
import hashlib
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.records import Problem, Sample
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.stages import answers, buy, committed, planned, shards
from wcse_jax.stages.complete import kept
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine
from wcse_jax.store import drafts


def of_pools(run: Run, machine: Machine) -> None:
  """Commits what it says of samples whose answer is right, or of all."""
  sampler = functools.cache(machine.judge)
  for pool in run.pools:
    stage = run.judge_stage(pool)
    missing = shards.missing(stage, _of_pool(run, pool))
    if not missing:
      print(f'{stage.name}: kept, all judgements are there')
      if not stage.is_complete():  # killed just before
        stage.finish()
      continue
    _commit(run, stage, sampler, missing, run.train)
    stage.finish()
  machine.forget_models()


def of_students(
  run: Run,
  machine: Machine,
  students: Iterable[Base | Student],
  team: Replicas | None = None,
) -> None:
  """Commits what it says of students' right greedy test solutions.

  Args:
    run: The experiment.
    machine: What the judge computes on.
    students: Those whose answers are there.
    team: The hosts that have others judged meanwhile.
  """
  sampler = functools.cache(machine.judge)
  for student in students:
    stage = run.judge_stage(student)
    if kept(stage):
      continue
    # What was paid is in the place itself: a draft may be given up.
    made = stage if run.config.server('judge') else drafts.begin(stage)
    found = committed.trained(run, student)
    few = _few(run, committed.solved(run, student, found))
    missing = shards.missing(made, few)
    if missing:
      _commit(run, made, sampler, missing, run.problems['test'], team)
    made.finish()
    drafts.put(stage, made)


def _commit(
  run: Run,
  stage: store.Stage,
  sampler: Callable[[], Any],
  samples: Sequence[Sample],
  problems: Iterable[Problem],
  team: Replicas | None = None,
) -> None:
  from wcse_jax.sampling import judge

  served = run.config.server('judge')
  asked = buy.judge(run, stage, team) if served else sampler()
  by_id = {problem.problem_id: problem for problem in problems}
  judged = answers.verdicts(judge.judge(asked, samples, by_id))
  shards.commit(stage, judged, len(samples), run.config.sampling.shard_rows)


def of_train(run: Run, pool: Pool) -> list[Sample]:
  """A pool's samples of these problems: another run may have had more."""
  problems = run.train_by_id
  return [s for s in run.samples(pool) if s.problem_id in problems]


def _of_pool(run: Run, pool: Pool) -> list[Sample]:
  """Samples to judge: all, if that decides; else a seeded few, nested."""
  wanted = planned.keys(run, pool)
  samples = [s for s in run.samples(pool) if s.key in wanted]
  if any(run.keep(mix) == 'judge' for mix in run.plan.mixes):
    return samples
  right = {v.key for v in run.verdicts(pool) if v.verdict == 'correct'}
  return _few(run, [s for s in samples if s.key in right])


def _few(run: Run, samples: Collection[Sample]) -> list[Sample]:
  """The first of samples in a seeded order, so that fewer are among more."""

  def rank(sample: Sample) -> bytes:
    name = f'{run.config.seed}/{sample.problem_id}/{sample.sample_index}'
    return hashlib.sha256(name.encode()).digest()

  return sorted(samples, key=rank)[: run.config.verify.num_judged]
