"""Several devices and several processes give the losses of one device."""

import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
from unittest import mock

from finetuning_loop_test import SPEC, Stopped, lines, plan, stop
from finetuning_step_test import quick_compile  # noqa: F401
import jax
import numpy as np
import pytest

from wcse_jax import testing
from wcse_jax.finetuning import loop, step
from wcse_jax.models import sharding

ROOT = pathlib.Path(__file__).parents[1]
MESHES = [(1, 8, 1), (2, 2, 2), (1, 2, 4)]
REMAT = dataclasses.replace(
  SPEC,
  num_checkpoints=2,  # after batches 4 and 9
  layout=dataclasses.replace(SPEC.layout, remat='dots'),
)
HEARTBEAT_S = 10


def model():
  return testing.tiny_model(num_embed=264, attention_types=('global',))


def run(directory, shape, **kwargs):
  """Finetunes on a mesh (data, fsdp, tensor); logs every batch."""
  mesh = sharding.train_mesh(*shape)
  with mock.patch.object(loop, '_LOG_EVERY', 1):
    loop.finetune(model(), plan(), REMAT, directory, mesh=mesh, **kwargs)


def on_eight_devices(out):
  """On three meshes; on a fourth, what another left halfway."""
  for shape in MESHES:
    run(out / str(shape), shape)
  try:
    run(out / 'moved', MESHES[0], progress=stop(5))
  except Stopped:
    run(out / 'moved', MESHES[1])
  made = step.TrainStep(model().config, REMAT, sharding.train_mesh(*MESHES[0]))
  compiled = made.lower(8).compile()
  (out / 'hlo.txt').write_text(compiled.as_text())
  (out / 'bytes.json').write_text(
    json.dumps(compiled.memory_analysis().argument_size_in_bytes)
  )


def as_one_of_two(out, index, port):
  """Finetunes; then once more, and is killed if it is the second."""
  from wcse_jax.finetuning import processes

  index = int(index)
  processes.join(f'127.0.0.1:{port}', 2, index, timeout_s=HEARTBEAT_S)
  run(out / 'together', (2, 2, 2))

  def die(done):
    if done == 6 and index == 1:
      while not (out / 'alone' / 'checkpoints' / '4').exists():
        time.sleep(0.01)  # it is still being written
      os.kill(os.getpid(), signal.SIGKILL)

  run(out / 'alone', (2, 2, 2), progress=die)


def start(devices, *args):
  script = (
    "import pathlib, sys; sys.path.insert(0, 'tests');"
    'import finetuning_mesh_test as t;'
    "t.jax.config.update('jax_disable_most_optimizations', True);"
    'getattr(t, sys.argv[1])(pathlib.Path(sys.argv[2]), *sys.argv[3:])'
  )
  flags = f'--xla_force_host_platform_device_count={devices}'
  return subprocess.Popen(
    [sys.executable, '-c', script, *map(str, args)],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT), 'XLA_FLAGS': flags},
  )


@pytest.fixture(scope='module')
def one(tmp_path_factory):
  """The losses of one device."""
  directory = tmp_path_factory.mktemp('one')
  run(directory, (1, 1, 1))
  return losses(directory)


@pytest.fixture(scope='module')
def eight(tmp_path_factory):
  directory = tmp_path_factory.mktemp('eight')
  process = start(8, 'on_eight_devices', directory)
  output, _ = process.communicate(timeout=600)
  assert process.returncode == 0, output[-3000:]
  return directory


def losses(directory):
  assert [line['step'] for line in lines(directory)] == [*range(1, 10)]
  return [line['loss'] for line in lines(directory)]


@pytest.mark.parametrize('name', [*map(str, MESHES), 'moved'])
def test_on_a_mesh_as_on_one_device(name, one, eight):
  np.testing.assert_allclose(losses(eight / name), one, rtol=1e-5)


def test_weights_are_gathered_layer_by_layer_and_not_activations(eight):
  """By the compiled program of 8 devices that share the parameters."""
  made = step.TrainStep(model().config, REMAT, sharding.train_mesh(1, 1, 1))
  shapes = made.state_shapes()
  weights = {
    tuple(sorted(leaf.shape))
    for leaf in jax.tree.leaves(shapes.params['layer_0'])
    if leaf.ndim > 1
  }
  gathered = [
    tuple(sorted(map(int, dims.split(','))))
    for dims in re.findall(
      r'= \w+\[([\d,]+)\]\S* all-gather\(', (eight / 'hlo.txt').read_text()
    )
  ]
  assert weights <= set(gathered)
  rows, places, width = 8, 24, model().config.embed_dim
  # What the rows of logits need, and the places of the embedding's gradient.
  others = [
    g for g in gathered if g not in weights and np.prod(g) > rows * places
  ]
  assert set(others) <= {tuple(sorted((rows, places, width)))}
  assert len(others) <= 2
  held = json.loads((eight / 'bytes.json').read_text())
  whole = sum(leaf.size * 4 for leaf in jax.tree.leaves(shapes))
  assert held < whole / 6, 'parameters and moments are in eight parts'


@pytest.mark.slow
def test_two_processes_as_one_and_a_lost_one_is_named(one, tmp_path):
  with socket.create_server(('127.0.0.1', 0)) as free:
    port = free.getsockname()[1]
  first, second = (
    start(4, 'as_one_of_two', tmp_path, index, port) for index in (0, 1)
  )
  second.communicate(timeout=600)
  died = time.monotonic()
  output, _ = first.communicate(timeout=600)
  assert time.monotonic() - died < 3 * HEARTBEAT_S
  assert second.returncode == -signal.SIGKILL
  assert first.returncode not in (0, None)
  np.testing.assert_allclose(losses(tmp_path / 'together'), one, rtol=1e-5)
  assert f'task 1: pid {second.pid} on {socket.gethostname()}' in output
  assert re.search(r'unhealthy \(stopped sending heartbeats\):\s+1\s', output)
  # The checkpoint before stays whole: one process alone goes on from it.
  assert [line['step'] for line in lines(tmp_path / 'alone')][-1] in (5, 6)
  assert (tmp_path / 'alone' / 'checkpoints' / '4' / 'moments').is_dir()
  run(tmp_path / 'alone', (1, 1, 1))
  np.testing.assert_allclose(losses(tmp_path / 'alone'), one, rtol=1e-5)
