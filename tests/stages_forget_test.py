"""What is forgotten, and what follows from it."""

import dataclasses

import pytest
import small_run

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Base, Mix, Student
from wcse_jax.stages import check
from wcse_jax.stages.forget import forget
from wcse_jax.stages.layout import Run

CONFIG = config_lib.Config(
  judge='nano_se',
  arms=('se', 'wc_compute_matched', 'reference'),
  budget=config_lib.BudgetSpec(low=2),
)


def filled(workdir, **changes):
  """A workdir in which every stage of an experiment is finished."""
  run = Run(dataclasses.replace(CONFIG, **changes), store.Store(workdir))
  for stage in (run.problems_stage(), *run.costly()):
    stage.finish()
  return run


def stages(workdir):
  return {
    path.parent.relative_to(workdir).as_posix()
    for path in workdir.rglob('_MANIFEST.json')
  }


def test_redo_forgets_what_follows(copied):
  small_run.run(copied, '--redo=sample/se', '--stages=plan')
  gone = ['sample/se', 'verify/se', 'curate/se-low', 'curate/se-high']
  gone += ['finetune/nano_student-se-low', 'evaluate/nano_student-se-high']
  kept = ['sample/wc', 'verify/wc', 'curate/wc_compute_matched-low']
  kept += ['finetune/nano_student-reference-high', 'evaluate/nano_student-base']
  assert not [name for name in gone if (copied / name).exists()]
  assert all((copied / name).exists() for name in kept)
  done = small_run.run(copied, '--redo=sample/../../elsewhere')
  assert done.returncode == 1 and 'no such stage' in done.stderr


def test_redo_forgets_one_stage(copied):
  before = small_run.results(copied)
  done = small_run.run(copied, '--redo=finetune/nano_student-se-low')
  assert done.returncode == 0, done.stderr
  assert small_run.results(copied) == before
  assert 'finetune/nano_student-se-low: forgotten' in done.stdout


@pytest.mark.parametrize('later', [{}, {'arms': ('se',), 'student': 'nano_wc'}])
def test_a_pool_takes_all_that_was_made_from_it_along(tmp_path, later):
  """Old judgements joined new samples; an arm or a student that had left the
  config kept what it was made from the pool that was cleared."""
  filled(tmp_path, arms=('wc_number_matched', 'se+wc_compute_matched'))
  filled(tmp_path, student='nano_se')
  before = filled(tmp_path)
  run = Run(dataclasses.replace(CONFIG, **later), before.data)
  forget(run, 'sample/wc')
  assert {name for name in stages(tmp_path) if 'wc' in name} == set()
  left = {stage.name for stage in before.costly() if 'wc' not in stage.name}
  assert stages(tmp_path) >= left  # SE's, and the human-written solutions'
  assert not (
    tmp_path / 'evaluate/nano_se-wc_compute_matched-low'
  ).exists()  # empty


def test_a_part_that_was_begun_follows_too(tmp_path):
  """It has no manifest yet: a shard, or what claims the folder, tells."""
  run = filled(tmp_path, judge='')
  run = Run(CONFIG, run.data)
  mix, pool = run.plan.mixes[-1], Pool('se')
  rows = store.to_table([], store.VERDICTS)
  run.judge_stage(pool).write_part(rows, store.VERDICTS)
  trained = run.finetune_stage(Student(Mix(config_lib.SE, 'low'), seed=3))
  trained.claim()
  forget(run, 'sample/se')
  assert not run.judge_stage(pool).path.exists()
  assert not trained.path.exists()
  assert run.curate_stage(mix).is_complete()


def test_of_stages_that_are_alike_only_its_own_follow(tmp_path):
  """One model by two names has two pools; a mix may be that of two budgets."""
  run = filled(tmp_path, wc='nano_se', budget=config_lib.BudgetSpec(high=2))
  before = stages(tmp_path)
  pools = map(run.pool_stage, (Pool('se'), Pool('wc')))
  assert len({pool.fingerprint for pool in pools}) == 1
  forget(run, 'sample/se')
  gone = before - stages(tmp_path)
  assert gone == {name for name in before if 'wc' not in name} - {
    name
    for name in before
    if 'reference' in name or 'base' in name or 'problems' in name
  }
  forget(run, 'curate/reference-high')
  assert {n for n in before - stages(tmp_path) - gone} == {
    'curate/reference-high',
    'finetune/nano_student-reference-high',
    'evaluate/nano_student-reference-high/validation',
    'evaluate/nano_student-reference-high/nano_arithmetic',
  }


def test_a_student_is_what_its_validation_chose(tmp_path):
  run = filled(tmp_path)
  student = Student(Mix(config_lib.SE, 'low'))
  forget(run, f'evaluate/nano_student-{student}/validation')
  assert not run.evaluate_stage(student, 'test').path.exists()
  assert run.finetune_stage(student).is_complete()
  assert run.evaluate_stage(Base(), 'test').is_complete()


def test_what_was_made_last_goes_first(tmp_path, monkeypatch):
  """The judge of a student comes after it, that of a pool before; a dash in a
  name once told them apart."""
  run = filled(tmp_path, task=config_lib.TaskSpec(name='gsm8k'))
  gone = []
  clear = store.Stage.clear
  monkeypatch.setattr(
    store.Stage, 'clear', lambda stage: (gone.append(stage.name), clear(stage))
  )
  forget(run, 'sample')
  student = Student(Mix(config_lib.SE, 'low'))
  order = (
    run.judge_stage(student),
    run.evaluate_stage(student, 'test'),
    run.finetune_stage(student),
    run.curate_stage(student.mix),
    run.judge_stage(Pool('se')),
    run.verify_stage(Pool('se')),
    run.pool_stage(Pool('se')),
  )
  places = [gone.index(stage.name) for stage in order]
  assert places == sorted(places)


def test_several_are_forgotten_whatever_their_order(tmp_path):
  """The second was refused, as the first had taken it along."""
  run = filled(tmp_path)
  forget(run, 'sample/se', 'curate/se-low', 'verify/se')
  assert not {name for name in stages(tmp_path) if '/se' in name}
  before = stages(tmp_path)
  with pytest.raises(store.StoreError, match='sample/no: .*no such stage'):
    forget(run, 'sample/wc', 'sample/no')
  assert stages(tmp_path) == before


def test_a_damaged_stage_is_forgotten(tmp_path):
  run = filled(tmp_path)
  (tmp_path / 'judge/se/_MANIFEST.json').write_text('{')
  (tmp_path / 'judge/wc/_MANIFEST.json').write_text('[]')
  forget(run, 'judge')
  assert not {name for name in stages(tmp_path) if 'judge' in name}
  assert run.verify_stage(Pool('se')).is_complete()


def test_what_differs_is_named_once_judges_and_claims_too(tmp_path):
  """Judge stages were never looked at; nor was what is not complete."""
  run = filled(tmp_path)
  other = Run(dataclasses.replace(CONFIG, judge='nano_wc'), run.data)
  with pytest.raises(store.StoreError, match='--redo=judge/se,judge/wc to'):
    check.check_settings(other, ['verify'])
  sampling = dataclasses.replace(CONFIG.sampling, temperature=0.9)
  other = Run(dataclasses.replace(CONFIG, sampling=sampling), run.data)
  with pytest.raises(store.StoreError) as refused:
    check.check_settings(other, config_lib.STAGES)
  told = str(refused.value)
  assert '--redo=sample/se,sample/wc,evaluate/nano_student-base/' in told
  redo = told.split('--redo=')[1].split(' ')[0]
  forget(other, *redo.split(','))
  check.check_settings(other, config_lib.STAGES)

  student = Student(Mix(config_lib.SE, 'high'), seed=1)
  run.finetune_stage(student).claim()
  finetune = dataclasses.replace(CONFIG.finetune, clip_norm=2.0, num_seeds=2)
  other = Run(dataclasses.replace(CONFIG, finetune=finetune), run.data)
  with pytest.raises(store.StoreError, match='high-seed1 to make'):
    check.check_settings(other, ['finetune'])
