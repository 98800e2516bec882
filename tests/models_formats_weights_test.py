"""Checkpoints of all kinds, read straight into the layout of 8 devices."""

import os
import pathlib
import subprocess
import sys

_ON_DEVICES = """
import dataclasses, pathlib, shutil, sys
import jax, numpy as np
import huggingface_folders as t
from wcse_jax import models
from wcse_jax.models import checkpoint, presets, sharding, tokenizer
from wcse_jax.models.formats import gm, weights

folder = pathlib.Path(sys.argv[1])
words = tokenizer.Tokenizer(t.VOCABULARY)
reads = []
read = weights.Files.tensor
def recorded(self, name, index):
  array = read(self, name, index)
  reads.append(array.size)
  return array
weights.Files.tensor = recorded

for kind in ('gemma', 'gemma3_text'):
  config = t.CONFIGS[kind]
  presets.PRESETS[kind] = presets.Preset(config=config)
  params = t.random_params(config)
  t.export(folder / kind / 'hf', params, config)
  gm.write(folder / kind / 'gm', params, config, words)
  own = folder / kind / 'own'
  own.mkdir()
  shutil.copy(t.VOCABULARY, own)
  checkpoint.write(own / 'params.safetensors', params)
  for mesh, rules in [
    (sharding.make_mesh(4, 2), sharding.DECODE),
    (sharding.train_mesh(2, 2, 2), sharding.TRAIN),
  ]:
    want = sharding.laid_out(params, mesh, rules, config)
    for source in ('hf', 'gm', 'own'):
      reads.clear()
      model = models.load(folder / kind / source, mesh, rules=rules)
      jax.tree.map(np.testing.assert_array_equal, params, model.params)
      assert all(jax.tree.leaves(jax.tree.map(
        lambda a, s: a.sharding.is_equivalent_to(s.sharding, a.ndim),
        model.params, want)))
      if source != 'gm':
        # Each number once, though several devices hold it.
        assert sum(reads) == config.num_params, (sum(reads), kind, source)
        table = config.num_embed * config.embed_dim
        assert max(reads) == table // (4 if rules is sharding.TRAIN else 2)
want = t.logits(checkpoint.Model(kind, config, params, words))
assert t.difference(t.logits(model), want) <= 1e-5  # of the last one
"""


def test_on_eight_devices_each_slice_is_read_once(tmp_path):
  done = subprocess.run(
    [sys.executable, '-c', _ON_DEVICES, str(tmp_path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parent,
    env=os.environ
    | {
      'XLA_FLAGS': '--xla_force_host_platform_device_count=8',
      'PYTHONPATH': str(pathlib.Path(__file__).parents[1]),
    },
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
