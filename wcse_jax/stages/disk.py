"""How much disk a run will take, told before it does what costs.

A checkpoint is the student's parameters in float32, or its adapters. While one
is saved, the optimizer's moments are there twice. All else is text: how long
people's solutions are says how much.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
import contextlib
import math
import shutil
import statistics
from typing import NamedTuple

from wcse_jax.errors import Error
from wcse_jax.experiment.config import STAGES
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.models.presets import PRESETS
from wcse_jax.stages import evaluate, finetune, planned
from wcse_jax.stages.layout import Run
from wcse_jax.store import manifests

_GB = 1e9
_ON_DISK = 0.94  # of the bytes of a checkpoint: what compression leaves
_ROW, _TEXT = 150, 0.4  # bytes of a sample with its verdict, beside its text's
_LOGGED = 40  # bytes of a step in logs, as one of ten is written there
_MANY = 200  # problems that say how long solutions are
_KEEPS = 'all', 'best'


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
  planned = {*wanted} <= {'prepare', 'plan'}
  stages = STAGES if planned else wanted
  needs = _needs(run, processes, stages)
  by = {**needs}
  need = by.pop(run.config.finetune.keep)
  if total := sum(need):
    parts = ', '.join(f'{n} {_gb(size)}' for n, size in need._asdict().items())
    others = (
      f'; config.finetune.keep={other} takes {_gb(sum(of))}'
      for other, of in by.items()
      if sum(of) != total
    )
    yield f'about {_gb(total)} of disk: {parts}{"".join(others)}'
  try:
    _check(run, needs)
  except DiskError as e:
    if not planned:
      raise
    yield f'warning: {e}'


def check(run: Run, processes: int, wanted: Collection[str]) -> None:
  """Makes sure that what is left of stages fits the disk; see `foretold`.

  Raises:
    DiskError: It does not.
  """
  _check(run, _needs(run, processes, wanted))


def _check(run: Run, needs: Mapping[str, Need]) -> None:
  by = {keep: sum(need) for keep, need in needs.items()}
  need, free = by[run.config.finetune.keep], _free(run)
  if need <= free:
    return
  remedy = 'Make room, or choose a --workdir on another disk'
  if by['best'] < need:
    remedy = (
      'Make room, choose a --workdir on another disk, or give'
      f' --config.finetune.keep=best, which takes about {_gb(by["best"])}'
    )
  raise DiskError(
    f'{run.data.workdir} has {_gb(free)} of disk free, and what is left of the'
    f' run takes about {_gb(need)}, checkpoints most of all.\n{remedy}.'
  )


def _needs(
  run: Run, processes: int, wanted: Collection[str]
) -> dict[str, Need]:
  """What stages are still to write, by which checkpoints are kept."""
  rows = _unsampled(run) if 'sample' in wanted else 0
  tests = bool(run.config.student) and 'evaluate' in wanted
  if tests:
    rows += evaluate.work(run, _untested(run))[1]
  samples = rows * (_ROW + _TEXT * _length(run)) if rows else 0.0
  left = _untaught(run) if 'finetune' in wanted else []
  if not left:
    return {keep: Need(0.0, samples, 0.0) for keep in _KEEPS}
  spec = run.config.finetune
  at_a_time = min(processes, len(left))
  each = spec.num_checkpoints * len(spec.learning_rates)
  stay = dict.fromkeys(_KEEPS, len(left) * each)
  if tests:
    stay['best'] = len(left) + at_a_time * (each - 1)
  (params, moments), begun = _sizes(run), _begun(run)
  logs = _LOGGED * finetune.work(run, left)
  whole = {
    keep: _ON_DISK * (number * params + at_a_time * 2 * moments)
    for keep, number in stay.items()
  }
  return {
    keep: Need(max(0.0, size - begun), samples, logs)
    for keep, size in whole.items()
  }


def _unsampled(run: Run) -> float:
  """The samples that pools lack."""
  rows = 0.0
  for pool, number in run.pools.items():
    try:
      rows += planned.of(run, pool).likely_left
    except Error:  # its model's files are not there
      rows += number * len(run.train)
  return rows


def _untaught(run: Run) -> Sequence[Student]:
  with contextlib.suppress(Error):
    return finetune.left(run, run.taught)
  return run.students


def _untested(run: Run) -> Sequence[Base | Student]:
  done = lambda student: run.evaluate_stage(student, 'test').is_complete()
  with contextlib.suppress(Error):
    return [student for student in (Base(), *run.taught) if not done(student)]
  return [Base(), *run.students]


def _begun(run: Run) -> int:
  """The bytes that are there of students that are not finetuned, or drafts."""
  return sum(
    path.stat().st_size
    for folder in (run.data.workdir / 'finetune').glob('*')
    if not manifests.named(folder / manifests.MANIFEST).exists()
    for path in folder.rglob('*')
    if path.is_file()
  )


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
  """A size as people say it.

  >>> _gb(27_000), _gb(8.8e7), _gb(6.87e12)
  ('under 1 MB', '88 MB', '6,870 GB')
  """
  if size < 1e6:
    return 'under 1 MB' if size else 'none'
  if size < 1e9:
    return f'{size / 1e6:.0f} MB'
  return f'{size / _GB:.2g} GB' if size < 99 * _GB else f'{size / _GB:,.0f} GB'
