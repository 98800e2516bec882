"""Meshes and models, laid out for their use."""

import json
import os
import subprocess
import sys

import pytest
import small_run

from wcse_jax import pipeline, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages.machine import Machine

ROOT = small_run.ROOT


_LOADED_ON_EIGHT = """
import json
import jax
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages.machine import Machine
from wcse_jax.finetuning import step

config = config_lib.Config(
  mesh=config_lib.MeshSpec(data=4, tensor=2),
  finetune=config_lib.FinetuneSpec(
    layout=config_lib.LayoutSpec(fsdp=4, tensor=2)
  ),
)
made = Machine(config)

def shares(model):
  matrices = [a for a in jax.tree.leaves(model.params) if a.ndim > 1]
  return sorted({
    (a.nbytes // shard.data.nbytes, len(a.addressable_shards))
    for a in matrices for shard in a.addressable_shards
  })

student = made.model_to_finetune()
state, _ = step.TrainStep(
  student.config, config.finetune, made.train_mesh()
).init(student.params, 0, donate=True)
taken = jax.tree.map(lambda a, b: a is b, state.params, student.params)
print(json.dumps({
  'finetuned': shares(student),
  'sampled': shares(made.load('wc')),
  'evaluated': shares(made.model('student')),
  'copied': sum(not same for same in jax.tree.leaves(taken)),
}))
"""


def test_a_mesh_is_checked_for_who_needs_it(tmp_path):
  """A report once needed the devices of the finetuning before it."""
  wide = config_lib.Config(
    finetune=config_lib.FinetuneSpec(layout=config_lib.LayoutSpec(fsdp=64))
  )
  with pytest.raises(
    config_lib.ConfigError,
    match=r"(?s)layout = '1 x 64 x 1'.*there are.*--coordinator",
  ):
    pipeline.run(wide, tmp_path)
  with pytest.raises(store.StoreError, match='run the stage prepare first'):
    pipeline.run(wide, tmp_path, stages=['report'])
  wide = config_lib.Config(mesh=config_lib.MeshSpec(data=64))
  made = Machine(wide)
  made.check_meshes(['finetune'])
  made.model_to_finetune()  # it once laid out the devices that sample, too


def test_a_mesh_that_leaves_a_host_out_is_told(tmp_path, monkeypatch):
  import jax

  made = Machine(config_lib.Config())
  made.check_meshes(['finetune'])
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  with pytest.raises(
    config_lib.ConfigError, match=r'layout.fsdp.*\n.*1 of 2 h'
  ):
    made.check_meshes(['finetune'])


def test_models_are_read_into_the_layout_of_their_use():
  """Each of 8 devices gets its share of a tensor, and no copy is made."""
  done = subprocess.run(
    [sys.executable, '-c', _LOADED_ON_EIGHT],
    capture_output=True,
    text=True,
    env=os.environ
    | {
      'PYTHONPATH': str(ROOT),
      'XLA_FLAGS': '--xla_force_host_platform_device_count=8',
    },
    check=False,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  assert json.loads(done.stdout.splitlines()[-1]) == {
    'finetuned': [[8, 8]],
    'sampled': [[2, 8]],
    'evaluated': [[2, 8]],
    'copied': 0,
  }
