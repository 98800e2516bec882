"""`finetune.keep=best`: what goes, and when; and what is refused then."""

import dataclasses
import os
import pathlib
import shutil
from unittest import mock

import pytest
import small_run

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.plan import Base, Mix, Student
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.stages import (
  check,
  evaluate,
  export,
  finetune,
  students,
  takeover,
)
from wcse_jax.stages.complete import KEPT
from wcse_jax.stages.forget import forget
from wcse_jax.stages.layout import Run

STUDENT = Student(Mix(config_lib.SE, 'low'))
NAME = 'nano_student-se-low'
RATES, STEPS = (2e-3, 1e-3), (5, 10)
CONFIG = config_lib.Config(
  arms=('se',),
  finetune=config_lib.FinetuneSpec(
    learning_rates=RATES, num_checkpoints=2, keep='best'
  ),
)


def keeping(run, keep):
  finetune = dataclasses.replace(run.config.finetune, keep=keep)
  return Run(dataclasses.replace(run.config, finetune=finetune), run.data)


@pytest.fixture
def run(tmp_path):
  """A run whose students are finetuned, and tested."""
  run = Run(CONFIG, store.Store(tmp_path / 'run'))
  for stage in (run.problems_stage(), *run.costly()):
    if stage.name.startswith('finetune/'):
      for _, folder in run.runs(stage):
        for step in STEPS:
          for item in ('params', 'metadata'):
            path = folder / 'checkpoints' / str(step) / item / 'array'
            path.parent.mkdir(parents=True)
            path.write_text(f'{folder.name} {step}')
        (folder / 'metrics.jsonl').write_text('{"step": 5}\n')
      stage.finish(checkpoints=STEPS)
    elif stage.name.endswith('/validation'):
      accuracy = zip(
        [(r, s) for r in sorted(RATES) for s in STEPS],
        [0.2, 0.4, 0.3, 0.4],  # of equals, the rate that is given first
        strict=True,
      )
      stage.finish(accuracy=[[*key, value] for key, value in accuracy])
    else:
      stage.finish()
  return run


def checkpoints(run):
  """Those of one student that are whole."""
  folder = run.finetune_stage(STUDENT).path
  return sorted(
    path.parents[1].relative_to(folder).as_posix()
    for path in folder.rglob('params/array')
    if (path.parents[1] / 'metadata' / 'array').exists()
  )


BEST = ['rate-0.002/checkpoints/10']


def test_the_best_stays_and_the_stage_is_what_it_says(run):
  stage = run.finetune_stage(STUDENT)
  evaluate.keep_best(keeping(run, 'all'), [Base(), STUDENT])
  assert len(checkpoints(run)) == 4
  assert KEPT not in stage.manifest()
  evaluate.keep_best(run, [Base(), STUDENT])
  assert checkpoints(run) == BEST
  assert stage.is_complete() and stage.manifest()[KEPT] == [2e-3, 10]
  store.check(stage.path / 'rate-0.002')  # nothing that it lists is missing
  store.check(stage.path / 'rate-0.001')
  assert [*stage.path.rglob('metrics.jsonl')]
  assert stage.fingerprint == keeping(run, 'all').finetune_stage(STUDENT)\
    .fingerprint  # fmt: skip


@pytest.mark.parametrize('missing', ['finetune', 'evaluate'])
def test_nothing_goes_before_validation_has_chosen(run, missing):
  folder = {
    'finetune': run.finetune_stage(STUDENT),
    'evaluate': run.evaluate_stage(STUDENT, 'validation'),
  }[missing].path
  (folder / '_MANIFEST.json').unlink()
  evaluate.keep_best(run, [STUDENT])
  assert len(checkpoints(run)) == 4


@pytest.mark.parametrize('at', range(40))
def test_a_kill_at_any_moment_leaves_a_run_that_goes_on(run, monkeypatch, at):
  """The best one is whole, the stage complete, and the next call does it."""

  class Killed(BaseException):
    pass

  calls = 0

  def dying(function):
    def call(*args, **kwargs):
      nonlocal calls
      calls += 1
      if calls > at:
        raise Killed
      return function(*args, **kwargs)

    return call

  with monkeypatch.context() as patched:
    for name in ('replace', 'unlink', 'rmdir', 'fsync'):
      patched.setattr(os, name, dying(getattr(os, name)))
    # What deletes holds no folder open, and so comes by `unlink`.
    patched.setattr(shutil.rmtree, 'avoids_symlink_attacks', False)
    patched.setattr(shutil, '_use_fd_functions', False)
    try:
      evaluate.keep_best(run, [STUDENT])
    except Killed:
      assert calls == at + 1
    else:
      assert checkpoints(run) == BEST and at >= 15, 'all steps were tried'
  stage = run.finetune_stage(STUDENT)
  assert stage.is_complete() and BEST[0] in checkpoints(run)
  if KEPT not in stage.manifest():
    assert len(checkpoints(run)) == 4, 'what is deleted is not listed'
  store.check(stage.path / BEST[0])
  evaluate.keep_best(run, [STUDENT])
  assert checkpoints(run) == BEST
  assert not [path for path in stage.path.rglob('*/5')]


def test_what_needs_the_deleted_ones_is_refused_and_clears_nothing(run):
  evaluate.keep_best(run, run.students)
  later = keeping(run, 'all')
  check.check_settings(later, config_lib.STAGES)  # which needs none of them
  before = {*run.data.workdir.rglob('*')}
  for redo in ('evaluate', f'evaluate/{NAME}', f'evaluate/{NAME}/validation'):
    with pytest.raises(store.StoreError) as refused:
      forget(later, redo)
    assert 'only the best checkpoint' in str(refused.value)
    assert f'finetune/{NAME}' in str(refused.value)
    assert {*run.data.workdir.rglob('*')} == before
  forget(later, f'evaluate/{NAME}/nano_arithmetic')
  assert run.evaluate_stage(STUDENT, 'validation').is_complete()
  forget(later, 'evaluate', 'finetune')  # in whatever order
  assert not run.finetune_stage(STUDENT).path.exists()


def test_other_validation_problems_need_the_student_finetuned_again(run):
  evaluate.keep_best(run, [STUDENT])
  task = dataclasses.replace(run.config.task, num_validation=7)
  other = Run(dataclasses.replace(run.config, task=task), run.data)
  with pytest.raises(store.StoreError) as refused:
    check.check_settings(other, ['evaluate'])
  assert 'num_validation' in str(refused.value)
  assert 'only the best checkpoint was kept' in str(refused.value)
  redo = str(refused.value).split('--redo=')[1].split(' ')[0].split(',')
  high = 'evaluate/nano_student-se-high/validation'  # which kept all
  assert redo == [f'finetune/{NAME}', high] or redo == [
    high, f'finetune/{NAME}'
  ]  # fmt: skip
  forget(other, *redo)
  check.check_settings(other, ['evaluate'])


class _Exam:
  """As `evaluate._Exam`; the first checkpoint that it opens is gone."""

  def __init__(self, run, then=lambda: None):
    self.run, self.then = run, then
    self.machine = self

  def model(self, role):
    del role

  def answers(self, *_):
    self.then()
    raise CheckpointError('no such checkpoint')


def test_validation_that_was_lost_is_named(run):
  evaluate.keep_best(run, [STUDENT])
  (run.evaluate_stage(STUDENT, 'validation').path / '_MANIFEST.json').unlink()
  with pytest.raises(store.StoreError, match=f'--redo=finetune/{NAME} to'):
    evaluate._validate(STUDENT, _Exam(run))


def test_a_replica_whose_checkpoints_another_deleted_takes_its_choice(run):
  """Both validate a student, as the one was taken for lost."""
  stage = run.evaluate_stage(STUDENT, 'validation')
  aside = stage.path.with_name('.other')
  os.rename(stage.path, aside)
  two = Run(run.config, dataclasses.replace(run.data, writer=(1, 2)))
  with pytest.raises(CheckpointError):
    evaluate._validate(STUDENT, _Exam(two))
  evaluate._validate(STUDENT, _Exam(two, lambda: os.rename(aside, stage.path)))
  assert evaluate._best(two, STUDENT)[1:] == (2e-3, 10)
  assert not [*stage.path.parent.glob('.*')], 'its draft'


@pytest.mark.parametrize('same_validation', [True, False])
def test_a_student_is_taken_over_with_its_choice_or_not_at_all(
  run, tmp_path, same_validation
):
  evaluate.keep_best(run, run.students)
  task = dataclasses.replace(
    run.config.task, num_validation=None if same_validation else 7
  )
  task = run.config.task if same_validation else task
  taker = Run(
    dataclasses.replace(run.config, task=task),
    store.Store(tmp_path / 'taker', others=[run.data.workdir]),
  )
  takeover.take_over(taker, [*config_lib.STAGES][:-2])  # killed, or no test yet
  takeover.take_over(taker, config_lib.STAGES)
  there = [
    stage.is_complete()
    for stage in (
      taker.finetune_stage(STUDENT),
      taker.evaluate_stage(STUDENT, 'validation'),
      taker.evaluate_stage(STUDENT, 'test'),
    )
  ]
  assert there == [same_validation] * 3


@pytest.mark.parametrize('keep', ['best', 'all'])
def test_few_checkpoints_are_there_at_a_time(run, monkeypatch, keep):
  """Of one student after another; the others, once it is tested, go."""
  done = []
  for module in (finetune, evaluate):
    name = module.__name__.split('.')[-1]
    monkeypatch.setattr(
      module,
      'make',
      lambda run, machine, students, name=name: done.append(
        (name, *map(str, students))
      ),
    )
  machine = mock.Mock(leads=True)
  team = mock.Mock(spec=['spec'], **{'spec.index': 0, 'spec.count': 1})
  with mock.patch('builtins.print'):
    students.make(
      keeping(run, keep),
      machine,
      team,
      mock.MagicMock(),
      ['finetune', 'evaluate'],
    )
  if keep == 'all':
    assert done == [
      ('finetune', 'se-low', 'se-high'),
      ('evaluate', 'base', 'se-low', 'se-high'),
    ]
    assert len(checkpoints(run)) == 4
  else:
    assert done == [
      ('finetune',),
      ('evaluate', 'base'),
      ('finetune', 'se-low'),
      ('evaluate', 'se-low'),
      ('finetune', 'se-high'),
      ('evaluate', 'se-high'),
    ]
    assert checkpoints(run) == BEST


@pytest.mark.slow
def test_a_run_that_keeps_the_best_finds_what_the_other_found(copied):
  """Also of one student after another; its best is exported, and asked more."""
  before = small_run.results(copied)
  shutil.rmtree(copied / 'finetune' / NAME)
  shutil.rmtree(copied / 'evaluate' / NAME)
  best = {'finetune.keep': 'best'}
  done = small_run.run(copied, **best)
  assert done.returncode == 0, done.stderr
  after = small_run.results(copied)
  assert after['run']['config']['finetune'].pop('keep') == 'best'
  assert after == before
  folders = [*copied.glob('finetune/*/checkpoints/*')]
  assert len(folders) == len([*copied.glob('finetune/*')]) == 7
  config = config_lib.restore(store.read_config(copied))
  run = Run(config, store.Store(copied))
  for student in run.students:
    assert (export.best(run, str(student)) / 'params').is_dir()
  done = small_run.run(copied, f'--redo=evaluate/{NAME}/nano_arithmetic')
  assert done.returncode == 0, done.stderr
  assert small_run.results(copied) == before
  done = small_run.run(copied, '--redo=evaluate')
  assert done.returncode == 1 and '--redo=finetune/' in done.stderr
  assert pathlib.Path(copied, 'evaluate', NAME).exists()
