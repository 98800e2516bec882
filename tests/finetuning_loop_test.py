"""The loop: resuming after a kill, checkpoints, metrics, and what stops it."""

import dataclasses
import errno
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

from finetuning_step_test import (
  quick_compile,  # noqa: F401
  table,
)
import jax
import numpy as np
import pytest

from wcse_jax import store, testing
from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.finetuning import FinetuneError, batches, checkpoints, loop
from wcse_jax.models import checkpoint
from wcse_jax.models.formats import gm as weights

ROOT = pathlib.Path(__file__).parents[1]
SPEC = FinetuneSpec(
  batch_size=4, learning_rates=(1e-2,), num_checkpoints=4, row_tokens=24
)
STEPS = [2, 4, 7, 9]  # of 9 batches, four equally spaced


def model():
  return testing.tiny_model(attention_types=('local',))


def plan():
  return batches.make(table(), batch_size=4, steps=9, seed=3)


def lines(directory):
  text = (directory / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def student(directory, step, spec=SPEC):
  return loop.student(model(), spec, directory, step)


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
  directory = tmp_path_factory.mktemp('undisturbed')
  assert loop.finetune(model(), plan(), SPEC, directory) == STEPS
  return directory


@pytest.mark.parametrize(('batches_in_all', 'wanted'), [(4, 10), (1, 10)])
def test_few_batches_give_few_checkpoints(batches_in_all, wanted):
  steps = loop.checkpoint_steps(batches_in_all, wanted)
  assert steps == list(range(1, batches_in_all + 1))


def test_what_a_run_leaves(undisturbed):
  assert [line['step'] for line in lines(undisturbed)] == STEPS
  assert sorted(lines(undisturbed)[0]) == [
    'grad_norm', 'learning_rate', 'loss', 'step'
  ]  # fmt: skip
  folders = undisturbed / 'checkpoints'
  for step in STEPS:
    assert (folders / str(step) / 'params').is_dir()
    assert not (folders / str(step) / 'moments').exists(), 'it has ended'
  # TensorBoard has the same; read with its own reader, without TensorFlow.
  from tensorboard.compat.proto import event_pb2
  from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

  (file,) = undisturbed.glob('events.out.tfevents.*')
  reader = pywrap_tensorflow.PyRecordReader_New(str(file))
  shown = {}
  while True:
    try:
      reader.GetNext()
    except Exception:
      break
    event = event_pb2.Event.FromString(reader.record())
    for value in event.summary.value:
      shown[event.step, value.tag] = value.simple_value
  assert shown == {
    (line['step'], name): np.float32(value)
    for line in lines(undisturbed)
    for name, value in line.items()
    if name != 'step'
  }


def test_a_finished_run_is_left_alone(undisturbed):
  before = (undisturbed / 'metrics.jsonl').read_text()
  # A model that would fail, were it used.
  unusable = dataclasses.replace(model(), params=None)
  assert loop.finetune(unusable, plan(), SPEC, undisturbed) == STEPS
  assert (undisturbed / 'metrics.jsonl').read_text() == before


class Stopped(BaseException):
  """As a signal that cannot be caught."""


def stop(at):
  def progress(done):
    if done == at:
      raise Stopped

  return progress


_RUN = """
import os, pathlib, resource, signal, sys, time
sys.path.insert(0, 'tests')
import finetuning_loop_test as t
t.jax.config.update('jax_disable_most_optimizations', True)
from wcse_jax.finetuning import FinetuneError, checkpoints, loop

out = pathlib.Path(sys.argv[1])
run = lambda f: loop.finetune(t.model(), t.plan(), t.SPEC, out,
                              progress=f)
"""
_FULL = """
limit = resource.RLIMIT_FSIZE
before = resource.getrlimit(limit)
def fill(done):
  if done == 4:  # files may no longer grow, once the first checkpoint is there
    while not (out / 'checkpoints' / '2').exists(): time.sleep(0.01)
    resource.setrlimit(limit, (4096, before[1]))
try: run(fill)
except FinetuneError as e: print(e)
"""
_KILLED = """
save = checkpoints.Checkpoints.save
def save_and_die(self, step, *what):
  save(self, step, *what)
  if step == 7: os.kill(os.getpid(), signal.SIGKILL)
checkpoints.Checkpoints.save = save_and_die
run(lambda done: None)
"""


def _disturbed(script, folder):
  return subprocess.run(
    [sys.executable, '-c', _RUN + script, str(folder)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    check=False,
  )


def test_a_full_disk_and_kills_change_nothing(undisturbed, tmp_path):
  """Stopped when the disk is full, while it saves, and between two saves.

  Each run is a process of its own, as 'run the same command again' says: what
  Orbax still writes of a save that failed once met the next run's cleaning up.
  """
  full = _disturbed(_FULL, tmp_path)
  said = full.stdout
  assert 'ERROR:absl' not in full.stderr, 'its tracebacks would hide it'
  assert re.search(
    r'could not be saved.*File too large.*The last good one is step 2\.', said
  ), said
  died = _disturbed(_KILLED, tmp_path)
  assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
  with pytest.raises(Stopped):
    loop.finetune(model(), plan(), SPEC, tmp_path, progress=stop(9))
  loop.finetune(model(), plan(), SPEC, tmp_path)
  for step in STEPS:
    jax.tree.map(
      np.testing.assert_array_equal,
      student(tmp_path, step),
      student(undisturbed, step),
    )
  assert lines(tmp_path) == lines(undisturbed)


@pytest.mark.parametrize(
  ('full', 'said'),
  [
    (OSError(errno.ENOSPC, 'No space left'), 'No space left'),
    (ValueError("File too large [os_error_code='27']"), 'File too large'),
    (ValueError("Is a directory [os_error_code='21']"), 'not empty'),
  ],
)
def test_a_full_disk_is_told_though_cleaning_up_fails_too(
  tmp_path, monkeypatch, full, said
):
  """Orbax sometimes said 'Directory not empty' of a disk that was full."""

  def save(self, *args, **kwargs):
    try:
      raise full
    except Exception:
      try:  # a cause, and what that one came from
        raise OSError(errno.ENOTEMPTY, 'Directory not empty')
      except OSError as e:
        raise RuntimeError('not empty') from e

  monkeypatch.setattr(checkpoints.ocp.CheckpointManager, 'save', save)
  with (
    checkpoints.Checkpoints(tmp_path) as kept,
    pytest.raises(FinetuneError, match=f'could not be saved .*{said}'),
  ):
    kept.save(1, checkpoints.TrainState({}, {}))


def test_saving_does_not_wait_for_the_disk(undisturbed, tmp_path, monkeypatch):
  """With a disk that does not answer, batches go on until the next save."""
  answer, reached = threading.Event(), []
  finish = checkpoints.ocp.CheckpointManager._finalize_checkpoint

  def slow(self, *args, **kwargs):
    answer.wait(60)
    return finish(self, *args, **kwargs)

  monkeypatch.setattr(
    checkpoints.ocp.CheckpointManager, '_finalize_checkpoint', slow
  )

  def progress(done):
    reached.append(done)
    if done == 4:  # the save at 2 has not ended, and this one waits for it
      answer.set()

  loop.finetune(model(), plan(), SPEC, tmp_path, progress=progress)
  assert reached == STEPS
  # What was saved is what was there then, though its memory was given away.
  jax.tree.map(
    np.testing.assert_array_equal, student(tmp_path, 2), student(undisturbed, 2)
  )


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(tmp_path):
  run = functools.partial(loop.finetune, model(), plan(), SPEC, tmp_path)
  with pytest.raises(Stopped):
    run(progress=stop(4))
  with pytest.raises(FinetuneError, match=r'batch 4; lower.*is step 2'):
    run(learning_rate=1000.0)
  student(tmp_path, 2)


def test_a_checkpoint_cut_short_is_named(tmp_path):
  with pytest.raises(Stopped):
    loop.finetune(model(), plan(), SPEC, tmp_path, progress=stop(7))
  for file in (tmp_path / 'checkpoints' / '4').rglob('*'):
    if file.is_file() and file.stat().st_size > 1000:
      os.truncate(file, file.stat().st_size // 2)
  with pytest.raises(
    checkpoint.CheckpointError, match=r'(?s)/4 cannot be read.*as well: 2\.'
  ):
    loop.finetune(model(), plan(), SPEC, tmp_path)
  student(tmp_path, 2)


def test_a_bit_that_flipped_in_a_checkpoint_is_found(undisturbed, tmp_path):
  """It once was loaded in silence; the remedy forgets this student alone."""
  stage = store.Store(tmp_path).stage('finetune/student-se-low', {})
  shutil.copytree(undisturbed, stage.path)
  stage.claim()
  stage.finish()
  folders = stage.path / 'checkpoints'
  step = weights.Weights(folders / '4' / 'params')
  (largest,) = sorted(
    (path for path in (folders / '4' / 'params').rglob('*') if path.is_file()),
    key=lambda path: path.stat().st_size,
  )[-1:]
  data = bytearray(largest.read_bytes())
  data[len(data) // 2] ^= 1
  largest.write_bytes(data)
  student(stage.path, 2)
  with pytest.raises(checkpoint.CheckpointError) as error:
    student(stage.path, 4)
  assert re.search(
    r'(?s)/4 cannot be read: .*damaged.* as well: 2, 7, 9\.'
    r'.*--redo=finetune/student-se-low:',
    str(error.value),
  )
  targets = {
    path: jax.ShapeDtypeStruct(shape, np.float32)
    for path, shape in step.shapes.items()
  }
  with pytest.raises(checkpoint.CheckpointError, match='is damaged'):
    step.read(model().config, targets)
