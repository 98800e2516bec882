import dataclasses
import json
import os
import subprocess
import sys

import pytest

from wcse_jax.experiment.config import FinetuneSpec, LayoutSpec
from wcse_jax.models import presets
from wcse_jax.tpu import depth, topology, training
from wcse_jax.tpu.program import Program


def recipe(model='gemma2_9b', rows=8, **layout) -> training.Recipe:
  return training.Recipe(
    config=presets.PRESETS[model].config,
    spec=FinetuneSpec(row_tokens=1024, layout=LayoutSpec(**layout)),
    rows=rows,
  )


@pytest.mark.parametrize(
  ('rows', 'devices', 'fsdp', 'tensor'),
  [
    (8, 8, 8, 1),
    (8, 16, 8, 2),  # more groups would compute empty rows
    (11, 16, 16, 1),  # a few empty ones are cheaper than exchanging layers
    (2, 16, 2, 8),
    (8, 64, 8, 8),
    (1, 4, 1, 4),
  ],
)
def test_few_devices_share_a_layer(rows, devices, fsdp, tensor):
  laid = training.lay_out(recipe(rows=rows), devices)
  assert laid and laid.rows == rows
  assert laid.spec.layout == LayoutSpec(fsdp=fsdp, tensor=tensor)


def test_what_cannot_be_laid_out_is_not():
  assert not training.lay_out(recipe(rows=1), 64)  # it has 16 heads
  assert not training.lay_out(recipe(rows=300), 256)  # 256128 does not divide


def test_a_given_layout_stays():
  given = recipe(fsdp=2, tensor=4)
  assert training.lay_out(given, 16) == given


# Four virtual devices stand for the chips of a slice: prints what is planned.
PROBE = """
import dataclasses, json
import jax
from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.models import presets
from wcse_jax.tpu import depth, topology, training

config = dataclasses.replace(
  presets.PRESETS['nano_student'].config, attention_types=('global',) * 2
)
made = training.Recipe(config=config, spec=FinetuneSpec(row_tokens=64), rows=5)
slice_ = topology.Topology(name='v5e:2x2', devices=jax.devices())
plan = training.fit(made, slice_)
state = training._state_bytes(made.laid_out(fsdp=4).step(slice_))


def remat_with(hbm_bytes):
  topology.CHIPS['v5e'] = dataclasses.replace(
    slice_.chip, hbm_bytes=hbm_bytes / (1 - topology.RESERVE)
  )
  found = training.fit(made, slice_)
  return found and found.layout.remat


needed = plan.program.hbm_bytes
print(json.dumps({
  'plan': dataclasses.asdict(plan),
  'params': [config.num_params, config.non_embedding_params],
  'state': state,
  'remats': [remat_with(n) for n in (needed + 1, needed - 1, state - 1)],
}))
"""


def test_a_step_over_four_devices(tmp_path):
  env = os.environ | {
    'XLA_FLAGS': '--xla_force_host_platform_device_count=4',
    'JAX_PLATFORMS': 'cpu',
    'WCSE_CACHE_DIR': str(tmp_path),
  }
  done = subprocess.run(
    [sys.executable, '-c', PROBE],
    capture_output=True,
    text=True,
    env=env,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  made = json.loads(done.stdout)
  plan, (params, in_layers) = made['plan'], made['params']
  assert plan['topology'] == 'v5e:2x2'
  assert plan['layout'] == dataclasses.asdict(LayoutSpec(fsdp=2, tensor=2))
  assert plan['rows'] == 6  # 5, and an empty one
  step = plan['program']
  # Parameters and two moments, in four parts each; the batch is small.
  assert 12 * params / 4 < step['argument_bytes'] < 1.1 * 12 * params / 4
  assert made['state'] == pytest.approx(16 * params / 4, rel=0.02)
  flops = 6 * 6 * 64 * params / 4
  assert flops < step['flops'] < 1.5 * flops
  assert step['moved_bytes'] > step['argument_bytes']
  # Two devices have half of a half of each layer, and gather the other; a CPU's
  # compiler gathers the gates in two layouts, and activations.
  gathered = step['received_bytes']['all-gather']
  layers = 4 * in_layers / 4
  assert layers < gathered < 2 * layers
  assert step['received_bytes']['all-reduce'] > 0
  assert step['seconds']['links'] == pytest.approx(
    sum(step['received_bytes'].values()) / 100e9
  )
  assert made['remats'] == ['none', 'full', None]


def test_layers_are_extrapolated_from_two_periods_of_them(monkeypatch):
  compiled = []

  def program(depth):
    numbers = dict.fromkeys(
      (
        'argument_bytes',
        'result_bytes',
        'temporary_bytes',
        'flops',
        'moved_bytes',
        'compile_s',
      ),
      1000.0 + 7 * depth,
    )
    return Program(
      **numbers,
      used_bytes={},
      received_bytes={},
      seconds={'hbm': 3.0 + 2 * depth},
    )

  def compile_(recipe, slice_):
    compiled.append(recipe.config.num_layers)
    return program(recipe.config.num_layers)

  monkeypatch.setattr(training, '_compile', compile_)
  for model, layers, depths in (
    ('gemma_7b', 28, [2, 4]),  # all alike
    ('gemma2_9b', 42, [2, 4]),
    ('gemma3_12b', 48, [6, 12]),
    ('gemma3_4b', 34, [10, 16]),  # 4 more than 5 periods
    ('gemma3_270m', 18, [6, 12]),
    ('gemma3_1b', 26, [8, 14]),
    ('gemma4_e2b', 35, [10, 15, 15]),  # 15 with keys and values, 20 without
    ('gemma4_e4b', 42, [12, 18, 18]),
  ):
    compiled.clear()
    made = training._extrapolate(recipe(model), None)
    assert compiled == depths
    assert made == dataclasses.replace(
      program(layers), compile_s=made.compile_s
    )


@pytest.mark.parametrize('model', presets.PRESETS)
def test_shallow_models_have_all_kinds_in_their_shares(model):
  """Parameters and keys and values are linear in layers: they must be exact."""
  whole = presets.PRESETS[model].config
  depths = depth.depths(whole)
  models = [depth.shallow(whole, of) for of in depths]
  total = lambda count: sum(
    of.times * count(m) for of, m in zip(depths, models, strict=True)
  )
  width = lambda c: sum(k.num_kv_heads * k.head_dim for k in c.kv_layers)
  assert total(lambda c: c.num_params) == whole.num_params
  assert total(width) == width(whole)
  assert total(lambda c: c.attention_types.count('local')) == (
    whole.attention_types.count('local')
  )


def test_slices_are_tried_from_small_to_large(monkeypatch):
  tried = []

  def fit(recipe, slice_, whole):
    tried.append(slice_)
    return slice_ == 'v5p:2x2x2'

  monkeypatch.setattr(topology, 'describe', lambda name: name)
  monkeypatch.setattr(training, 'fit', fit)
  assert training.smallest(recipe(), 'v5p')
  assert tried == ['v5p:1x1x1', 'v5p:2x2x1', 'v5p:2x2x2']
  monkeypatch.setattr(training, 'fit', lambda *args: None)
  assert training.smallest(recipe(), 'v5p') is None
