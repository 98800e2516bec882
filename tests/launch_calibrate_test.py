"""Calibration: what it measures, and that it cannot look."""

import ast
import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import calibrate_nano
import numpy as np
import pytest

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment.config import REFERENCE, SE, WC, Config
from wcse_jax.experiment.plan import Mix, Student
from wcse_jax.stages import curate, evaluate, finetune, prepare

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {
  'task.num_train': 6,
  'task.num_validation': 2,
  'task.num_test': 3,
  'finetune.num_seeds': 2,
  'finetune.steps_high': 2,
  'finetune.num_checkpoints': 1,
  'finetune.batch_size': 2,
  'sampling.max_new_tokens': 16,
  'sampling.slots': 8,
}


def calibrate(*flags):
  script = ROOT / 'launch' / 'calibrate_nano.py'
  return subprocess.run(
    [sys.executable, script, '--config=configs/wc_distill.py:tiny', *flags],
    cwd=ROOT,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    check=False,
  )


# --- it is blind -------------------------------------------------------------


@pytest.mark.parametrize('arm', [SE, WC, WC.kept(1), SE.at(1.0)])
def test_an_arm_that_draws_samples_is_refused(arm):
  with pytest.raises(calibrate_nano.CalibrationError) as error:
    calibrate_nano.human_only(Config(arms=(REFERENCE, arm)))
  assert f"arm '{arm}' draws samples" in str(error.value)
  assert 'leave config.arms out' in error.value.remedy


def test_no_student_of_samples_can_be_made(tmp_path, monkeypatch):
  """Whatever the config: of its arms the human-written one alone is left."""
  run = calibrate_nano.make_run(Config(), store.Store(tmp_path))
  assert run.plan.mixes == [Mix(REFERENCE, 'high')]
  assert {student.mix.arm for student in run.students} == {REFERENCE}
  assert not run.pools
  stages = prepare, curate, finetune, evaluate
  for stage in stages:  # none is to begin
    monkeypatch.setattr(stage, 'make', lambda *_: pytest.fail('it began'))
  for arm in (SE, WC):
    vars(run)['plan'] = plan_lib.make(
      (REFERENCE, arm), {'high': 1}, {'se': 3.0, 'wc': 1.0}, {}
    )
    with pytest.raises(calibrate_nano.CalibrationError, match='draws samples'):
      calibrate_nano.finetune_students(run, None)


def test_nothing_that_samples_for_training_is_imported():
  tree = ast.parse(pathlib.Path(calibrate_nano.__file__).read_text())
  names = {
    alias.name
    for node in ast.walk(tree)
    if isinstance(node, ast.Import | ast.ImportFrom)
    for alias in node.names
  }
  assert names & {'curate', 'finetune'}
  assert not names & {'sample', 'verify', 'pipeline', 'selection', 'takeover'}


def test_the_command_refuses_an_arm():
  done = calibrate('--config.arms=("se",)')
  assert done.returncode == 2, done.stderr[-2000:]
  assert "arm 'se' draws samples" in done.stderr
  assert calibrate('--teachers=many').returncode == 2


# --- what it measures --------------------------------------------------------


def measured(seeds=2, problems=1000, discordant=0.2, gain=0.1):
  """Seeds that differ from the first one on as many problems, half each way."""
  level = np.tile(np.arange(1, 6), problems // 5)
  rng = np.random.default_rng(0)
  base = rng.random(problems) < 0.3
  after = np.tile(base | (rng.random(problems) < gain / 0.7), (seeds, 1))
  for row in after[1:]:
    for value in (True, False):
      at = np.flatnonzero(after[0] == value)
      row[at[: round(discordant * problems / 2)]] = not value
  return calibrate_nano.Measured(
    level_P=level,
    before_P=base,
    after_SxP=after,
    validation=[[(1, 0.35), (2, 0.4)]] * seeds,
  )


def test_a_pair_of_one_kind_of_data_gives_what_two_students_can_show():
  made = measured()
  assert made.discordant == pytest.approx(0.2)
  assert made.detectable() == pytest.approx(2.8 * math.sqrt(0.2 / 1000))
  assert made.sigma == pytest.approx(0, abs=1e-9)  # half each way
  noisy = dataclasses.replace(made, after_SxP=measured(2, 1000, 0).after_SxP)
  noisy.after_SxP[1, :100] = True
  assert noisy.sigma == pytest.approx(
    np.std(noisy.after_SxP.mean(axis=1), ddof=1)
  )
  assert noisy.detectable(3) == pytest.approx(
    2.8 * math.sqrt(noisy.discordant / 1000 + 2 * noisy.sigma**2 / 3)
  )
  assert noisy.detectable(1) > noisy.detectable(5) > noisy.detectable()


def test_criteria_say_which_do_not_hold():
  config = Config(
    scale='nano',
    task=config_lib.TaskSpec(num_validation=500),
    evaluate=config_lib.EvaluateSpec(num_sampled=100),
  )

  def failing(found=None, config=config, **changes):
    found = {**measured(problems=30_000).summary(), **(found or {}), **changes}
    holds = calibrate_nano.criteria(found, config)
    return [name for name, value in holds.items() if not value]

  assert failing() == []
  rates = (1e-3, 1e-4)
  spec = dataclasses.replace(config.finetune, learning_rates=rates)
  several = dataclasses.replace(config, finetune=spec)
  assert failing(config=several) == ['every arm has the same rate']
  small = dataclasses.replace(config, task=config_lib.TaskSpec())
  assert failing(config=small) == ['500 validation problems or more']
  full = dataclasses.replace(config, scale='nano_full')
  assert failing(config=full) == ['2,000 validation problems or more']
  assert failing(gain=(0.04, 0.01, 0.07)) == [
    'human-written data teach 5 points or more'
  ]
  assert failing(gain=(0.06, -0.01, 0.13)) == [
    'the interval of the gain is above 0'
  ]
  assert failing(measured(problems=1000).summary()) == [
    'two students are told apart at 1.5 points'
  ]
  collapsed = dataclasses.replace(
    measured(problems=30_000), validation=[[(1, 0.1), (2, 0.4)]] * 2
  )
  assert failing(collapsed.summary()) == [
    'no checkpoint is below half of the base'
  ]
  assert failing(teachers={'ratio': (1.24, 1.1, 1.4)}) == [
    'SE passes 1.16 to 1.21 times as often as WC'
  ]


@pytest.mark.slow
def test_a_small_calibration_from_problems_to_criteria(tmp_path):
  done = calibrate(
    f'--workdir={tmp_path}',
    '--teachers=3',
    *(f'--config.{name}={value}' for name, value in SMALL.items()),
  )
  assert done.returncode == 0, done.stderr[-2000:]
  found = json.loads((tmp_path / 'calibration.json').read_text())
  assert len(found['students']) == 2
  assert [len(of['validation']) for of in found['students']] == [1, 1]
  assert found['num_test'] == 3
  assert set(found['teachers']) == {'wc', 'se', 'problems', 'samples', 'ratio'}
  assert found['config']['arms'] == ['reference']
  folders = {path.name for path in tmp_path.iterdir()}
  assert not folders & {'sample', 'verify', 'plan'}
  students = [Student(Mix(REFERENCE, 'high'), seed) for seed in range(2)]
  assert {path.name for path in (tmp_path / 'finetune').iterdir()} == {
    f'nano_student-{student}' for student in students
  }
  assert 'human-written data teach' in done.stdout
