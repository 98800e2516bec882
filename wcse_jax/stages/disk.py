"""How much disk a run will take, told before it does what costs.

A checkpoint is the student's parameters in float32, or its adapters. While one
is saved, the optimizer's moments are there twice. All else is text: how long
people's solutions are says how much.
"""

from collections.abc import Collection, Iterator
import math
import shutil
import statistics
from typing import NamedTuple

from wcse_jax.errors import Error
from wcse_jax.experiment.plan import Base
from wcse_jax.models.presets import PRESETS
from wcse_jax.stages import evaluate, finetune
from wcse_jax.stages.layout import Run

_GB = 1e9
_ON_DISK = 0.94  # of the bytes of a checkpoint: what compression leaves
_ROW, _TEXT = 150, 0.4  # bytes of a sample with its verdict, beside its text's
_LOGGED = 40  # bytes of a step in logs, as one of ten is written there
_MANY = 200  # problems that say how long solutions are
_COST = {'sample', 'finetune', 'evaluate'}  # stages


class DiskError(Error):
  """A run that will not fit the disk; names the folder and the remedy."""


class Need(NamedTuple):
  """The bytes that a run is still to write, at most at a time."""

  checkpoints: float
  samples: float
  logs: float


def foretold(
  run: Run, processes: int, wanted: Collection[str]
) -> Iterator[str]:
  """Tells how much disk there is to be for what is left of a run.

  Args:
    run: The experiment; its problems are there.
    processes: How many finetune students, on this disk.
    wanted: The names of the stages to run. A run that is only planned is told
      whole, and is no error.

  Raises:
    DiskError: The stages will not fit the disk.
  """
  planned = not _COST & {*wanted}
  stages = _COST if planned else wanted
  by = {keep: _need(run, keep, processes, stages) for keep in ('all', 'best')}
  need, free = by[run.config.finetune.keep], _free(run)
  if sum(need):
    yield (
      f'about {_gb(sum(need))} of disk, of {_gb(free)} that are free:'
      f' checkpoints {_gb(need.checkpoints)} ('
      + ', '.join(
        f'config.finetune.keep={keep}: {_gb(of.checkpoints)}'
        for keep, of in by.items()
      )
      + f'), samples {_gb(need.samples)}, logs {_gb(need.logs)}'
    )
  if planned and sum(need) > free:
    yield f'warning: {_too_much(run, by, free)}'
  elif not planned:
    check(run, processes, wanted)


def check(run: Run, processes: int, wanted: Collection[str]) -> None:
  """Makes sure that what is left of stages fits the disk; see `foretold`.

  Raises:
    DiskError: It does not.
  """
  by = {keep: _need(run, keep, processes, wanted) for keep in ('all', 'best')}
  free = _free(run)
  if sum(by[run.config.finetune.keep]) > free:
    raise DiskError(_too_much(run, by, free))


def _too_much(run: Run, by: dict[str, Need], free: float) -> str:
  keep = run.config.finetune.keep
  told = (
    f'{run.data.workdir} has {_gb(free)} of disk free, and the run will take'
    f' about {_gb(sum(by[keep]))} more, of which checkpoints are'
    f' {_gb(by[keep].checkpoints)} (config.finetune.keep = {keep}).\nMake room,'
    ' choose a --workdir on another disk'
  )
  if sum(by['best']) < sum(by[keep]):
    told += (
      ', or give --config.finetune.keep=best, which takes about'
      f' {_gb(sum(by["best"]))}'
    )
  return f'{told}. Fewer config.finetune.num_checkpoints take less, too.'


def _need(
  run: Run, keep: str, processes: int, wanted: Collection[str]
) -> Need:
  checkpoints = samples = logs = 0.0
  rows = _rows(run) if 'sample' in wanted else 0
  if run.config.student and 'evaluate' in wanted:
    done = lambda student: run.evaluate_stage(student, 'test').is_complete()
    left = [student for student in (Base(), *run.taught) if not done(student)]
    rows += evaluate.work(run, left)[1]
  if rows:
    samples = rows * (_ROW + _TEXT * _length(run))
  if run.config.student and 'finetune' in wanted:
    spec = run.config.finetune
    left = [s for s in run.taught if not run.finetune_stage(s).is_complete()]
    number, at_a_time = len(left), min(processes, len(left))
    each = spec.num_checkpoints * len(spec.learning_rates)
    stay = number * each
    if keep == 'best' and 'evaluate' in wanted:
      stay = number + at_a_time * (each - 1)
    if number:
      params, moments = _sizes(run)
      checkpoints = _ON_DISK * (stay * params + at_a_time * 2 * moments)
    logs = finetune.work(run, left) * _LOGGED
  return Need(checkpoints, samples, logs)


def _rows(run: Run) -> int:
  """The samples that pools lack."""
  rows = 0
  for pool, number in run.pools.items():
    drawn = run.pool_stage(pool).read_parts()
    left = number * len(run.train) - (drawn.num_rows if drawn else 0)
    rows += max(left, 0)
  return rows


def _length(run: Run) -> float:
  """The mean bytes of people's solutions, or what tokens at most may be."""
  solved = [p.solution for p in run.train[:_MANY] if p.solution]
  most = 4 * run.config.sampling.max_new_tokens
  return statistics.fmean([len(s.encode()) for s in solved] or [most / 2])


def _sizes(run: Run) -> tuple[int, int]:
  """The bytes of what is trained of a student, and of the moments of that."""
  import jax  # takes a while

  from wcse_jax.finetuning.step import TrainStep
  from wcse_jax.models import sharding

  student, spec = PRESETS[run.config.student], run.config.finetune
  shapes = TrainStep(
    student.config, spec, sharding.train_mesh(1, 1, 1)
  ).state_shapes()
  params, moments = (
    sum(math.prod(a.shape) * a.dtype.itemsize for a in jax.tree.leaves(of))
    for of in (shapes.params, shapes.moments)
  )
  return params, moments


def _free(run: Run) -> int:
  """The bytes that are free where the workdir is, or will be."""
  path = run.data.workdir.absolute()
  there = next(p for p in (path, *path.parents) if p.exists())
  return shutil.disk_usage(there).free


def _gb(size: float) -> str:
  return f'{size / _GB:.2g} GB' if size < 99 * _GB else f'{size / _GB:,.0f} GB'
