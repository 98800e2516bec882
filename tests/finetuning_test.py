"""Finetuning: what the loss sees, a golden step, and going on after a kill."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wcse_jax import testing
from wcse_jax.config import FinetuneSpec
from wcse_jax.finetuning import batches, loop
from wcse_jax.models import gemma

SPEC = FinetuneSpec(
  batch_size=4, learning_rate=1e-2, num_checkpoints=4, row_tokens=24
)


def _table(rows=9, tokens=24, seed=0):
  """Rows of two segments; of each, the last half is completion."""
  rng = np.random.default_rng(seed)
  targets = rng.integers(4, 260, (rows, tokens)).astype(np.int32)
  half = tokens // 2 - 1  # the last two places of a row are empty
  segment = np.array([1] * half + [2] * half + [0, 0], np.int32)
  position = np.array([*range(half), *range(half), 0, 0], np.int32)
  inputs = np.roll(targets, 1, axis=1)
  inputs[:, [0, half]] = 2  # BOS
  weight = np.array([i >= half // 2 for i in position], np.float32)
  fill = lambda a: np.broadcast_to(a * (segment > 0), targets.shape).copy()
  return {
    'tokens': fill(inputs),
    'targets': fill(targets),
    'loss_weights': fill(weight).astype(np.float32),
    'positions': fill(position),
    'segment_ids': fill(segment),
  }


def _step(config=testing.TINY):
  return loop.TrainStep(gemma.Gemma(config), clip_norm=1.0, weight_decay=0.0)


def test_loss_is_that_of_each_completion_alone():
  """Packing, padding and prompts leave no trace in the loss."""
  model, table = testing.tiny_model(), _table()
  losses, count = 0.0, 0
  for row in range(9):
    for segment in (1, 2):
      at = table['segment_ids'][row] == segment
      hidden, _ = gemma.Gemma(model.config).apply(
        {'params': model.params}, table['tokens'][row : row + 1, at]
      )
      logits = gemma.Gemma(model.config).apply(
        {'params': model.params}, hidden, method='logits'
      )
      each = optax.softmax_cross_entropy_with_integer_labels(
        logits[0], jnp.asarray(table['targets'][row, at])
      )
      weights = table['loss_weights'][row, at]
      losses += float(jnp.sum(each * weights))
      count += weights.sum()
  got = float(_step().loss(model.params, table))
  assert got == pytest.approx(losses / count, rel=1e-5)


def test_segments_and_prompt_targets_get_no_gradient():
  model, table = testing.tiny_model(), _table(rows=1)
  other = dict(table, targets=table['targets'].copy())
  other['targets'][table['loss_weights'] == 0] = 5  # what no loss sees
  step = _step()
  assert step.loss(model.params, table) == step.loss(model.params, other)
  # Only the second segment is trained on: the first one's tokens are free.
  second = dict(table)
  second['loss_weights'] = table['loss_weights'] * (table['segment_ids'] == 2)
  changed = dict(second, tokens=second['tokens'].copy())
  changed['tokens'][table['segment_ids'] == 1] = 77
  assert step.loss(model.params, second) == step.loss(model.params, changed)


def test_golden_train_step():
  """If a change is meant to alter training, put the new numbers here."""
  model = testing.tiny_model()
  step = _step()
  state = loop.TrainState(
    jax.tree.map(jnp.array, model.params), step.optimizer.init(model.params)
  )
  for _ in range(3):
    state, metrics = step(state, _table(), 1e-2)
  got = [float(metrics['loss']), float(metrics['grad_norm'])]
  np.testing.assert_allclose(got, GOLDEN, rtol=1e-3)


GOLDEN = [3.82784, 1.262435]


def test_loss_falls_as_with_plain_optax():
  """Against optax.adamw and a loop of its own."""
  model, table = testing.tiny_model(), _table()
  step = _step()
  reference = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adamw(1e-2, b2=0.95, weight_decay=0.0)
  )
  params = jax.tree.map(jnp.array, model.params)
  opt_state = reference.init(params)
  state = loop.TrainState(
    jax.tree.map(jnp.array, model.params), step.optimizer.init(params)
  )
  losses = []
  for _ in range(20):
    loss, grads = jax.value_and_grad(step.loss)(params, table)
    updates, opt_state = reference.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    state, metrics = step(state, table, 1e-2)
    assert float(metrics['loss']) == pytest.approx(float(loss), rel=1e-4)
    losses.append(float(loss))
  assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(('batches_in_all', 'wanted'), [(4, 10), (1, 10)])
def test_few_batches_give_few_checkpoints(batches_in_all, wanted):
  steps = loop.checkpoint_steps(batches_in_all, wanted)
  assert steps == list(range(1, batches_in_all + 1))


def test_batches_count_examples_and_cover_every_row():
  plan = batches.make(_table(), batch_size=4, steps=9, seed=3)
  assert plan.examples == 18
  assert plan.rows == 2  # of two examples each
  assert plan.num_batches == 9  # 36 examples: two epochs
  rows = np.concatenate([plan[t]['targets'] for t in range(9)])
  epochs = rows[:9].tolist(), rows[9:].tolist()
  assert (
    sorted(epochs[0])
    == sorted(epochs[1])
    == sorted(_table()['targets'].tolist())
  )
  assert epochs[0] != epochs[1], 'each epoch has its own order'
  again = batches.make(_table(), batch_size=4, steps=9, seed=3)
  assert (again[7]['tokens'] == plan[7]['tokens']).all()
  other = batches.make(_table(), batch_size=4, steps=9, seed=4)
  assert not (other[0]['tokens'] == plan[0]['tokens']).all()


def test_killed_and_resumed_ends_bit_for_bit_the_same(tmp_path):
  model = testing.tiny_model()
  plan = batches.make(_table(), batch_size=4, steps=9, seed=3)
  steps = loop.finetune(model, plan, SPEC, tmp_path / 'whole')
  assert steps == [2, 4, 7, 9]  # of 9 batches, four equally spaced

  class Killed(BaseException):
    pass

  def kill(done):
    if done == 7:
      raise Killed

  with pytest.raises(Killed):
    loop.finetune(model, plan, SPEC, tmp_path / 'killed', progress=kill)
  loop.finetune(model, plan, SPEC, tmp_path / 'killed')
  like = jax.tree.map(jnp.array, model.params)
  for step in steps:
    one, other = (
      loop.Checkpoints(tmp_path / name / 'checkpoints').restore(step, like)
      for name in ('whole', 'killed')
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)
  logs = [
    (tmp_path / name / 'metrics.jsonl').read_text()
    for name in ('whole', 'killed')
  ]
  assert logs[0] == logs[1]
  assert json.loads(logs[0].splitlines()[-1])['step'] == 9


_ON_A_MESH = """
import sys, pathlib, jax, numpy as np
sys.path.insert(0, 'tests')
import finetuning_test as t
from wcse_jax import testing
from wcse_jax.finetuning import batches, loop
from wcse_jax.models import sharding
from wcse_jax.sampling import engine

out = pathlib.Path(sys.argv[1])
model = testing.tiny_model()
plan = batches.make(t._table(), batch_size=4, steps=9, seed=3)
mesh = sharding.make_mesh(2, 2)
class Killed(BaseException): pass
def kill(done):
  if done == 7: raise Killed
try: loop.finetune(model, plan, t.SPEC, out / 'mesh', mesh=mesh, progress=kill)
except Killed: pass
loop.finetune(model, plan, t.SPEC, out / 'mesh', mesh=mesh)
loop.finetune(model, plan, t.SPEC, out / 'one')
texts = []
for m in (mesh, None):
  sampler = engine.Sampler(model, prefix='abc', stop_strings=['x'],
    max_new_tokens=9, max_prompt_tokens=8, top_k=9, slots=4, mesh=m)
  texts.append(sorted((s.sample_index, s.text) for s in sampler.stream([
    engine.Request(problem_id='p', sample_index=i, prompt='Q', temperature=1.0)
    for i in range(6)])))
assert texts[0] == texts[1]
"""


def test_on_four_devices_as_on_one(tmp_path):
  """A 2x2 mesh, killed and resumed, gives the losses of one device."""
  done = subprocess.run(
    [sys.executable, '-c', _ON_A_MESH, str(tmp_path)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[1],
    env=os.environ | {'XLA_FLAGS': '--xla_force_host_platform_device_count=4'},
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  losses = [
    [
      json.loads(line)['loss']
      for line in (tmp_path / name / 'metrics.jsonl').read_text().splitlines()
    ]
    for name in ('one', 'mesh')
  ]
  np.testing.assert_allclose(*losses, rtol=1e-5)


def test_a_loss_that_is_not_finite_stops_with_the_last_good_checkpoint(
  tmp_path,
):
  model = testing.tiny_model()
  bad = dataclasses.replace(
    model, params=jax.tree.map(lambda a: a * jnp.nan, model.params)
  )
  plan = batches.make(_table(), batch_size=4, steps=9, seed=3)
  with pytest.raises(loop.FinetuneError, match='learning_rate'):
    loop.finetune(bad, plan, SPEC, tmp_path)
