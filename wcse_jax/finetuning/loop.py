"""The finetuning loop: an optax step, ten checkpoints, and resuming."""

from collections.abc import Callable, Mapping
import contextlib
import dataclasses
import functools
import json
import pathlib
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax
import orbax.checkpoint as ocp

from wcse_jax.config import FinetuneSpec
from wcse_jax.finetuning import batches as batches_lib
from wcse_jax.models import checkpoint, gemma, sharding

_LOG_EVERY = 10  # batches between two looks at the loss


class FinetuneError(RuntimeError):
  """Finetuning that cannot go on; names the reason and what is left."""


class TrainState(flax.struct.PyTreeNode):
  """Parameters, and the optimizer's moments of them."""

  params: Any
  moments: optax.OptState


@dataclasses.dataclass(frozen=True)
class TrainStep:
  """One update. Equal settings share the compiled program.

  The learning rate is an argument, so that schedules of any length do.
  """

  model: gemma.Gemma
  clip_norm: float
  weight_decay: float

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """AdamW without its learning rate."""
    return optax.chain(
      optax.clip_by_global_norm(self.clip_norm),
      optax.scale_by_adam(b1=0.9, b2=0.95),
      optax.add_decayed_weights(self.weight_decay),
    )

  def loss(self, params, batch: Mapping[str, jax.Array]) -> jax.Array:
    """Mean cross-entropy over the targets that count, in nats."""
    hidden, _ = gemma.forward(
      self.model,
      params,
      batch['tokens'],
      # Empty places of a row are seen by nothing.
      jnp.where(batch['segment_ids'] > 0, batch['positions'], -1),
      segments_BxT=batch['segment_ids'],
    )
    logits = gemma.logits(self.model, params, hidden)
    losses = optax.softmax_cross_entropy_with_integer_labels(
      logits, batch['targets']
    )
    weights = batch['loss_weights']
    return jnp.sum(losses * weights) / jnp.maximum(jnp.sum(weights), 1)

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
  def __call__(
    self, state: TrainState, batch: Mapping[str, jax.Array], learning_rate
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after the update, and loss and gradient norm."""
    loss, grads = jax.value_and_grad(self.loss)(state.params, batch)
    updates, moments = self.optimizer.update(grads, state.moments, state.params)
    params = jax.tree.map(
      lambda p, u: p - learning_rate * u, state.params, updates
    )
    metrics = {'loss': loss, 'grad_norm': optax.tree.norm(grads)}
    return TrainState(params, moments), metrics


def checkpoint_steps(num_batches: int, num_checkpoints: int) -> list[int]:
  """Returns after how many batches to save: equally spaced, the last one in."""
  marks = np.linspace(0, num_batches, num_checkpoints + 1)[1:]
  return sorted({max(1, round(mark)) for mark in marks.tolist()})


class Checkpoints:
  """Where a student's parameters are kept: one folder per step."""

  def __init__(self, directory: pathlib.Path):
    self._manager = ocp.CheckpointManager(directory.absolute())

  def steps(self) -> list[int]:
    return sorted(self._manager.all_steps())

  def save(self, step: int, tree: Any) -> None:
    """Starts saving; `wait` waits until all of it is on disk."""
    with self._saving():
      self._manager.save(step, args=ocp.args.StandardSave(tree))

  def restore(self, step: int, like: Any) -> Any:
    """Reads a step's tree, laid out as `like`.

    Raises:
      CheckpointError: It is damaged.
    """
    try:
      return self._manager.restore(step, args=ocp.args.StandardRestore(like))
    except Exception as e:  # orbax and tensorstore raise all kinds
      raise checkpoint.CheckpointError(
        f'{self._manager.directory / str(step)} cannot be read:'
        f' {str(e).splitlines()[0]}; run again with --redo=finetune'
      ) from e

  def delete_before(self, step: int) -> None:
    for old in self.steps():
      if old < step:
        self._manager.delete(old)

  def wait(self) -> None:
    with self._saving():
      self._manager.wait_until_finished()

  @contextlib.contextmanager
  def _saving(self):
    try:
      yield
    except Exception as e:  # orbax and tensorstore raise all kinds
      raise FinetuneError(
        f'{self._manager.directory}: a checkpoint could not be saved'
        f' ({str(e).splitlines()[0]}). Earlier ones stay. Make room and run'
        ' the same command again.'
      ) from e

  def close(self) -> None:
    self._manager.close()


def finetune(
  model: checkpoint.Model,
  batches: batches_lib.Batches,
  spec: FinetuneSpec,
  directory: pathlib.Path,
  *,
  mesh: Mesh | None = None,
  progress: Callable[[int], Any] = lambda step: None,
) -> list[int]:
  """Finetunes a model on batches; goes on from the last saved state.

  Args:
    model: What to start from; its arrays stay as they are.
    batches: What to train on.
    spec: Learning rate and the rest; batches count, not `steps_*`.
    directory: Gets `checkpoints/<step>/` (parameters), `state/<step>/` (the
      last full training state) and `metrics.jsonl`.
    mesh: Devices as (data, tensor); default: one.
    progress: Called with the number of batches done.

  Returns:
    The steps of the checkpoints.

  Raises:
    FinetuneError: The loss is not finite.
  """
  mesh = mesh or sharding.make_mesh(1, 1)
  step_fn = TrainStep(
    gemma.Gemma(model.config, jnp.dtype(spec.dtype)),
    spec.clip_norm,
    spec.weight_decay,
  )
  total = batches.num_batches
  # Longer by one, for the rate of the last batch not to be 0.
  schedule = optax.warmup_cosine_decay_schedule(
    0.0,
    spec.learning_rate,
    min(total, max(1, round(spec.warmup_fraction * total))),
    total + 1,
  )
  learning_rates = np.asarray(jax.vmap(schedule)(jnp.arange(1, total + 1)))
  marks = checkpoint_steps(total, spec.num_checkpoints)
  directory.mkdir(parents=True, exist_ok=True)
  kept = Checkpoints(directory / 'checkpoints')
  states = Checkpoints(directory / 'state')
  params = jax.tree.map(lambda a: np.array(a, np.float32), model.params)
  params = jax.device_put(
    params,
    sharding.params_shardings(params, mesh, sharding.TRAIN, model.config),
  )
  state = TrainState(params, step_fn.optimizer.init(params))
  everywhere = sharding.named(mesh, sharding.TRAIN, (), ())
  state = jax.tree.map(
    lambda a: jax.device_put(a, everywhere) if a.ndim == 0 else a, state
  )
  start = max(states.steps(), default=0)
  if start:
    state = states.restore(start, state)
    if start not in kept.steps():  # killed between the two saves
      kept.save(start, state.params)
  log = _Log(directory / 'metrics.jsonl', start)
  for t in range(start, total):
    batch = {
      name: jax.device_put(
        column,
        sharding.named(mesh, sharding.TRAIN, column.shape, ('batch', None)),
      )
      for name, column in batches[t].items()
    }
    learning_rate = learning_rates[t]
    state, metrics = step_fn(state, batch, learning_rate)
    done = t + 1
    if done % _LOG_EVERY == 0 or done in marks:
      values = {k: float(v) for k, v in jax.device_get(metrics).items()}
      if not np.isfinite(list(values.values())).all():
        last = max(kept.steps(), default=None)
        raise FinetuneError(
          f'{directory}: the loss is not finite at batch {done}; lower'
          f' finetune.learning_rate (now {spec.learning_rate}). The last good'
          f' checkpoint is {last}.'
        )
      log.write({'step': done, **values, 'learning_rate': float(learning_rate)})
      progress(done)
    if done in marks:
      kept.save(done, state.params)
      states.save(done, state)
      states.wait()
      states.delete_before(done)
  kept.wait()
  kept.close()
  states.close()
  return marks


class _Log:
  """metrics.jsonl; lines after `start`, of a run that was killed, go."""

  def __init__(self, path: pathlib.Path, start: int):
    self._path = path
    lines = path.read_text().splitlines() if path.exists() else []
    keep = []
    for line in lines:
      try:
        if json.loads(line)['step'] <= start:
          keep.append(line + '\n')
      except (ValueError, KeyError):
        pass  # cut short by the kill
    path.write_text(''.join(keep))

  def write(self, row: Mapping[str, float]) -> None:
    with self._path.open('a') as file:
      file.write(json.dumps(row) + '\n')
