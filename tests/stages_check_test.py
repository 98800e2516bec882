"""What cannot go on is told before any work."""

import contextlib
import dataclasses
import json
import os
import runpy
import shutil
import time

import pytest
import small_run

from wcse_jax import store, tasks
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.experiment.config import ConfigError
from wcse_jax.models import checkpoint
from wcse_jax.stages import check, layout


def test_other_settings_stop_with_the_difference_and_the_remedy(copied):
  done = small_run.run(copied, **{'sampling.temperature': 0.9})
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  message = done.stderr.splitlines()[-3:]
  assert '--redo=sample' in '\n'.join(message)
  assert 'temperature: 0.7 -> 0.9' in done.stderr


def test_every_difference_is_shown_before_any_work(copied):
  """It used to show none where a manifest differed in more than a field."""
  before = (copied / 'config.json').read_bytes()
  done = small_run.run(
    copied, **{'finetune.learning_rates': '(0.1,)', 'finetune.steps_low': 5}
  )
  assert done.returncode == 1
  assert 'learning_rates: [0.0001] -> [0.1]' in done.stderr
  assert 'steps: 4 -> 5' in done.stderr
  remedy = done.stderr.splitlines()[-1]
  assert 'finetune/nano_student-se-low' in remedy
  assert 'finetune/nano_student-reference-high' in remedy
  assert (copied / 'config.json').read_bytes() == before


def test_a_mesh_without_devices_is_refused_before_any_work(tmp_path):
  done = small_run.run(tmp_path / 'run', **{'mesh.tensor': 3})
  assert done.returncode == 2
  assert 'needs 3 devices' in done.stderr
  assert not (tmp_path / 'run' / 'config.json').exists()


@pytest.mark.parametrize('stage', ['sample/wc', 'verify/se'])
def test_a_truncated_shard_is_named(copied, stage):
  part = copied / stage / 'part-00000.parquet'
  part.write_bytes(part.read_bytes()[:-20])
  done = small_run.run(copied)
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  assert str(part) in done.stderr and 'Delete that file' in done.stderr
  part.unlink()
  before = (copied / 'report' / 'results.json').read_bytes()
  done = small_run.run(copied)
  assert done.returncode == 0, done.stderr
  after = json.loads((copied / 'report' / 'results.json').read_text())
  assert after['students'] == json.loads(before)['students']


def test_a_workdir_in_use_is_refused(tmp_path):
  with store.Store(tmp_path).lock():
    done = small_run.run(tmp_path)
  assert done.returncode == 1
  assert f'pid {os.getpid()}' in done.stderr


def test_a_stage_before_its_inputs_names_them(tmp_path):
  done = small_run.run(tmp_path, '--stages=sample')
  assert done.returncode == 1
  assert 'run the stage prepare first' in done.stderr


@pytest.mark.parametrize(
  ('field', 'value', 'text'),
  [
    ('task.name', 'gsm9k', 'gsm8k'),
    ('se', 'nano_xl', 'nano_se'),
    ('se', 'gemma2_27b', 'comes without weights'),
    ('checkpoints.se', '/nowhere', 'params.safetensors'),
    ('tokenizers.se', '/nowhere', 'tokenizer.model'),
    ('tokenizers.student', 'gemma2_9b', 'without a tokenizer'),
  ],
)
def test_what_does_not_exist_is_named_before_any_work(
  tmp_path, field, value, text
):
  start = time.monotonic()
  done = small_run.run(tmp_path / 'run', **{field: value})
  assert done.returncode == 2
  assert len(done.stderr.strip().splitlines()) <= 3
  assert text in done.stderr
  assert not (tmp_path / 'run').exists()
  assert time.monotonic() - start < 30


@pytest.mark.parametrize(
  ('fields', 'field', 'said'),
  [
    ({'task.num_train': 8_001}, 'task.num_train', 'has 8,000 train problems'),
    ({'task.num_test': 20_001}, 'task.num_test', 'has 20,000 test problems'),
    (
      {'task.skip_test': 15_000, 'task.num_test': 5_001},
      'task.num_test',
      'has 5,000 test problems behind config.task.skip_test = 15,000',
    ),
    (
      {'task.skip_test': 20_000, 'task.num_test': None},
      'task.num_test',
      'has 0 test problems behind config.task.skip_test = 20,000',
    ),
    (
      {'task.name': 'humaneval', 'task.num_train': None},
      'task.num_train',
      'has no train problems',
    ),
    (
      {'task.name': 'humaneval'},
      'task.num_train',
      'has no train problems: students of another task can be tested on it',
    ),
    (
      {'evaluate.transfer': ('gsm8k', 'math'), 'evaluate.num_transfer': 501},
      'evaluate.num_transfer',
      'math has 500 test problems',
    ),
  ],
)
def test_more_problems_than_a_task_has_are_told_before_any_work(
  fields, field, said
):
  """They once were told after TensorFlow had started."""
  config = scales.replace(config_lib.Config(), fields)
  with pytest.raises(config_lib.ConfigError, match=said) as error:
    check.check(config)
  assert error.value.field == field


@pytest.mark.parametrize(
  'fields',
  [
    {'task.num_train': 8_000, 'task.num_test': 20_000},
    {'task.skip_test': 15_000, 'task.num_test': 5_000},
    {'task.skip_test': 15_000, 'task.num_test': None},
    {'evaluate.transfer': ('functional_math',), 'evaluate.num_transfer': 9999},
  ],
)
def test_as_many_problems_as_a_task_has_are_not_too_many(fields):
  check.check(scales.replace(config_lib.Config(), fields))


@pytest.mark.parametrize(
  ('stages', 'role'),
  [
    (['prepare'], None),
    (['prepare', 'plan'], None),
    (['sample'], 'wc'),
    (['verify'], 'wc'),
    (['evaluate'], 'wc'),
    (['report'], 'wc'),
    (None, 'wc'),
  ],
)
def test_weights_are_asked_for_by_stages_that_need_them(stages, role):
  """Preparing the problems of MBPP wanted the weights of 27B parameters."""
  config = config_lib.freeze(
    runpy.run_path('configs/code_mbpp.py')['get_config']()
  )
  refused = pytest.raises(ConfigError) if role else contextlib.nullcontext()
  with refused as error:
    check.check(config, stages)
  assert not error or error.value.field == f'checkpoints.{role}'


@pytest.mark.parametrize(
  ('stage', 'keep', 'roles'),
  [
    ('plan', 'correct', []),
    ('sample', 'judge', ['wc', 'se']),
    ('verify', 'correct', ['wc', 'se', 'judge']),
    ('curate', 'correct', ['wc', 'se', 'student']),
    ('curate', 'judge', ['wc', 'se', 'student', 'judge']),
    ('evaluate', 'correct', ['wc', 'se', 'student']),
    ('report', 'correct', ['wc', 'se', 'student', 'judge']),
  ],
)
def test_what_each_stage_is_made_of(stage, keep, roles):
  config = config_lib.Config(
    judge='nano_se', curate=config_lib.CurateSpec(keep=keep)
  )
  assert check.needed(config, [stage]) == roles
  alone = config_lib.Config(arms=('wc_number_matched',), student='')
  assert check.needed(alone, config_lib.STAGES) == ['wc']


def test_samples_from_a_file_are_asked_for_when_they_are_taken():
  config = config_lib.Config(external=config_lib.ExternalSpec(wc='no.jsonl'))
  check.check(config, ['prepare', 'plan'])
  with pytest.raises(ConfigError, match=r'external\.wc'):
    check.check(config, ['sample'])


def test_preparing_needs_no_model(tmp_path):
  done = small_run.run(
    tmp_path, '--stages=prepare,plan', '--reuse=.', wc='gemma2_2b',
    se='gemma2_27b',
  )  # fmt: skip
  assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('role', ['wc', 'se', 'student', 'judge'])
def test_another_architecture_is_refused_by_its_header(tmp_path, role):
  """A student's was, after all samples had been drawn."""
  models = {'wc': 'nano_wc', 'se': 'nano_se', 'student': 'nano_student'}
  config = config_lib.Config(judge='nano_wc')
  for other in {*models.values()}:
    folder = tmp_path / other
    folder.mkdir()
    shutil.copy(checkpoint.NANO / 'tokenizer.model', folder)
    shutil.copy(
      checkpoint.NANO / f'{other}.safetensors', folder / 'params.safetensors'
    )
  own = getattr(config, role)
  given = lambda name: dataclasses.replace(
    config,
    checkpoints=config_lib.CheckpointSpec(**{role: str(tmp_path / name)}),
  )
  check.check_shapes(given(own), config_lib.STAGES)
  wrong = 'nano_se' if own != 'nano_se' else 'nano_wc'
  check.check_shapes(given(wrong), ['prepare', 'plan'])
  with pytest.raises(ConfigError, match='another architecture') as error:
    check.check_shapes(given(wrong), config_lib.STAGES)
  assert error.value.field == f'checkpoints.{role}'


@pytest.mark.parametrize('role', ['wc', 'se', 'student'])
def test_a_tokenizer_that_the_config_names_is_taken(tmp_path, role):
  """A folder without one was refused, though `config.tokenizers` had it."""
  name = f'nano_{role}'
  shutil.copy(
    checkpoint.NANO / f'{name}.safetensors', tmp_path / 'params.safetensors'
  )
  config = config_lib.Config(
    checkpoints=config_lib.CheckpointSpec(**{role: str(tmp_path)})
  )
  with pytest.raises(ConfigError, match='config.tokenizers'):
    check.check_shapes(config, config_lib.STAGES)
  own = dataclasses.replace(config.tokenizers, **{role: 'nano_wc'})
  named = dataclasses.replace(config, tokenizers=own)
  check.check_shapes(named, config_lib.STAGES)


def test_a_student_that_is_se_has_its_folder_and_tokenizer():
  config = config_lib.Config(
    student='nano_se',
    checkpoints=config_lib.CheckpointSpec(se='folder'),
    tokenizers=dataclasses.replace(config_lib.Config().tokenizers, se='words'),
  )
  assert config.model('student') == config.model('se')


def test_another_student_is_refused_before_anything_is_sampled(tmp_path):
  for source, name in (
    ('tokenizer.model', 'tokenizer.model'),
    ('nano_se.safetensors', 'params.safetensors'),
  ):
    shutil.copy(checkpoint.NANO / source, tmp_path / name)
  workdir = tmp_path / 'run'
  done = small_run.run(workdir, **{'checkpoints.student': tmp_path})
  assert done.returncode == 2 and 'config.checkpoints.student' in done.stderr
  assert not (workdir / 'sample').exists()


@pytest.mark.parametrize('arm', ['wc_compute_matched', 'wc_price_matched'])
def test_a_wc_that_is_larger_than_se_is_named_so(arm):
  """It said "give at least 1126"."""
  swapped = config_lib.Config(wc='nano_se', se='nano_wc', arms=(arm,))
  with pytest.raises(ConfigError) as error:
    check.check(swapped)
  assert str(error.value).startswith("config.wc = 'nano_se'\nit is ")
  assert "config.se = 'nano_wc'" in str(error.value)
  assert 'at least' not in str(error.value)
  budget = config_lib.BudgetSpec(low=99, high=99)
  check.check(dataclasses.replace(swapped, budget=budget))  # it pays for one


def config(**sections):
  return config_lib.Config(arms=('se', 'wc_compute_matched'), **sections)


def test_more_samples_than_a_run_can_list_are_refused_at_once():
  """A budget of 1e8 ran for 40 s without a word, then out of memory."""
  for budget, field in (
    ({'high': 100_000}, 'budget.high'),
    ({'more': (99_999,)}, 'budget.more'),
  ):
    with pytest.raises(config_lib.ConfigError, match='100,000,000') as caught:
      check.check(
        config(
          budget=config_lib.BudgetSpec(**budget),
          task=config_lib.TaskSpec(num_train=8000),
        )
      )
    assert caught.value.field == field
  check.check(config(budget=config_lib.BudgetSpec(high=10_000)))


def test_right_solutions_that_no_budget_pays_for_are_refused():
  """It drew all, as if nothing had been said."""
  budget = config_lib.BudgetSpec(low=1, high=4, right=12)  # of WC, which has 12
  check.check(config(budget=budget))
  with pytest.raises(config_lib.ConfigError, match='at most 12') as caught:
    check.check(config(budget=dataclasses.replace(budget, right=13)))
  assert caught.value.field == 'budget.right'


def test_problems_are_read_only_where_they_are_needed(tmp_path, monkeypatch):
  """Of a long file it took seconds, at every command."""
  path = tmp_path / 'problems.jsonl'
  path.write_text('{"question": "1+1?", "answer": "2"}\n')
  spec = {'num_train': 1, 'num_validation': 0, 'num_test': 0}
  task = config_lib.TaskSpec(file=str(path), grader='numeric', **spec)
  of = dataclasses.replace(config(), task=task, student='')
  stage = layout.Run(of, store.Store(tmp_path / 'run')).problems_stage()
  path.write_text('no JSON')
  refused = pytest.raises(config_lib.ConfigError, match=r'task\.file')
  with refused:
    check.check(of, workdir=tmp_path / 'run')
  check.check(of, ['verify', 'report'])
  path.write_text('{"question": "1+1?", "answer": "2"}\n')
  stage.finish()
  load = tasks.load
  read = lambda name, what: load(name, what) if what != 'problems' else 1 / 0
  monkeypatch.setattr(tasks, 'load', read)
  check.check(of, workdir=tmp_path / 'run')
  with pytest.raises(ZeroDivisionError):
    check.check(of, redo=['prepare'], workdir=tmp_path / 'run')


@pytest.mark.parametrize('name', ['../x', '..', '.x', 'a/b', 'no_such_task'])
def test_a_name_of_no_task_is_refused(name):
  for task, transfer in ((name, ()), ('gsm8k', (name,))):
    with pytest.raises(config_lib.ConfigError, match='gsm8k') as caught:
      check.check(
        config(
          task=config_lib.TaskSpec(name=task),
          evaluate=config_lib.EvaluateSpec(transfer=transfer),
        )
      )
    assert caught.value.value == name
