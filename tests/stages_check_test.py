"""What cannot go on is told before any work."""

import json
import os
import time

import pytest
import small_run

from wcse_jax import store


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
