"""The loss falls as it does with gm.nn and optax, step by step."""

from finetuning_step_test import (
  quick_compile,  # noqa: F401
  table,
  train_step,
)
import gm_nn
import jax
import jax.numpy as jnp
import optax
import pytest

from wcse_jax import testing


def test_loss_falls_as_with_gm_and_optax():
  """20 steps on a fixed set of packed rows."""
  model, packed = testing.tiny_model(), table()
  reference = gm_nn.model(model.config)
  optimizer = optax.chain(
    optax.clip_by_global_norm(1.0), optax.adamw(1e-2, b2=0.95, weight_decay=0.1)
  )
  segment, position = packed['segment_ids'], packed['positions']
  mask = (segment[:, :, None] == segment[:, None, :]) & (
    position[:, :, None] >= position[:, None, :]
  )

  def loss_of(params):
    logits = reference.apply(
      {'params': params},
      packed['tokens'],
      positions=position,
      attention_mask=mask,
    ).logits
    chosen = jnp.take_along_axis(
      jax.nn.log_softmax(logits), packed['targets'][..., None], axis=-1
    )[..., 0]
    weights = packed['loss_weights']
    return -jnp.sum(chosen * weights) / jnp.sum(weights)

  @jax.jit
  def update(params, moments):
    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, moments = optimizer.update(grads, moments, params)
    return optax.apply_updates(params, updates), moments, loss

  params = jax.tree.map(jnp.array, model.params)
  moments = optimizer.init(params)
  made = train_step(clip_norm=1.0, weight_decay=0.1)
  state, _ = made.init(model.params, 0)
  losses = []
  for step in range(20):
    params, moments, loss = update(params, moments)
    state, metrics = made(state, packed, 1e-2)
    got = float(metrics['loss'])
    assert got == pytest.approx(float(loss), rel=1e-4), f'at step {step}'
    losses.append(got)
  assert losses[-1] < 0.7 * losses[0]
