"""The finetuning loop: steps, ten checkpoints, metrics, and resuming."""

from collections.abc import Callable
import contextlib
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np
import optax

from wcse_jax.experiment import arguments
from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.experiment.rules import at_least
from wcse_jax.experiment.sections import RATE
from wcse_jax.finetuning import FinetuneError, processes
from wcse_jax.finetuning.batches import Batches
from wcse_jax.finetuning.checkpoints import Checkpoints
from wcse_jax.finetuning.log import Log
from wcse_jax.finetuning.step import TrainState, TrainStep
from wcse_jax.models import checkpoint, lora, sharding

_LOG_EVERY = 10  # batches between two looks at the loss


def checkpoint_steps(num_batches: int, num_checkpoints: int) -> list[int]:
  """Returns after how many batches to save: equally spaced, the last one in.

  Raises:
    ArgumentError: There are to be no batches, or no checkpoints.
  """
  arguments.check_as(int, at_least(1), num_batches=num_batches)
  arguments.check(FinetuneSpec, num_checkpoints=num_checkpoints)
  marks = np.linspace(0, num_batches, num_checkpoints + 1)[1:]
  return sorted({max(1, round(mark)) for mark in marks.tolist()})


def finetune(
  model: checkpoint.Model,
  batches: Batches,
  spec: FinetuneSpec,
  directory: pathlib.Path,
  *,
  learning_rate: float | None = None,
  mesh: Mesh | None = None,
  donate: bool = False,
  progress: Callable[[int], Any] = lambda step: None,
) -> list[int]:
  """Finetunes a model on batches; goes on from the last checkpoint.

  Every process of a job calls it, with the same arguments.

  Args:
    model: The model to start from; its arrays stay as they are, unless donated.
    batches: The batches to train on.
    spec: The settings; batches count, not `steps_*`.
    directory: Folder that gets `checkpoints/<step>/`, `metrics.jsonl` and a
      TensorBoard log of the same.
    learning_rate: Peak of the learning rate. Default: the first of
      `spec.learning_rates`.
    mesh: The devices. Default: as `spec.layout` says.
    donate: Whether the model's arrays are used up, which saves a copy of them
      if they are laid out as in training.
    progress: Called with the number of batches done.

  Returns:
    The steps of the checkpoints.

  Raises:
    ArgumentError: The learning rate, or a field of `spec`, makes no sense.
    FinetuneError: The mesh does not divide the model, the loss is not finite,
      or a checkpoint could not be saved. The last good checkpoint stays.
    CheckpointError: The one to go on from is damaged.
  """
  arguments.check_all(spec)
  layout = spec.layout
  peak = spec.learning_rates[0] if learning_rate is None else learning_rate
  arguments.check_as(float, *RATE, learning_rate=peak)
  mesh = mesh or sharding.train_mesh(layout.data, layout.fsdp, layout.tensor)
  step = TrainStep(model.config, spec, mesh)
  total = batches.num_batches
  marks = checkpoint_steps(total, spec.num_checkpoints)
  record = None
  if spec.lora_rank:
    record = lora.Record(
      model.name, model.folder, spec.lora_rank, spec.lora_scale
    )
  rates = _learning_rates(peak, spec.warmup_fraction, total)
  with contextlib.ExitStack() as stack:
    kept = stack.enter_context(Checkpoints(directory / 'checkpoints'))
    start = processes.agreed(max(kept.steps(), default=0))
    log = stack.enter_context(contextlib.closing(Log(directory, start)))
    if start < total:
      state, base = step.init(model.params, batches.seed, donate)
      if start:
        state = TrainState(**kept.restore(start, **vars(state)))
    for done in range(start + 1, total + 1):
      batch = step.put(batches[done - 1])
      state, metrics = step(state, batch, rates[done - 1], base)
      if done % _LOG_EVERY == 0 or done in marks:
        values = {k: float(v) for k, v in jax.device_get(metrics).items()}
        if not np.isfinite(list(values.values())).all():
          kept.wait()
          raise FinetuneError(
            f'{directory}: the loss is not finite at batch {done}; lower'
            f' finetune.learning_rates (now {peak}). The last good checkpoint'
            f' is step {max(kept.steps(), default=None)}.'
          )
        log.write(done, values | {'learning_rate': float(rates[done - 1])})
        progress(done)
      if done in marks:
        kept.save(done, state, record)
    kept.finish()
  return marks


def student(
  model: checkpoint.Model,
  spec: FinetuneSpec,
  directory: pathlib.Path,
  step: int,
) -> Any:
  """Returns the parameters that `finetune` left at a step, adapters merged.

  Args:
    model: The model that was finetuned; the result is laid out as its weights.
    spec: The settings of finetuning.
    directory: Folder of the student.
    step: Number of batches after which it was saved.

  Raises:
    CheckpointError: The checkpoint is damaged.
  """
  with Checkpoints(directory / 'checkpoints') as kept:
    if not spec.lora_rank:
      return kept.restore(step, params=model.params).params
    like = lora.init(model.config, spec.lora_rank, 0)
    adapters = kept.restore(step, params=like).params
    return lora.merge(model.params, adapters, model.config, spec.lora_scale)


def _learning_rates(
  peak: float, warmup_fraction: float, total: int
) -> np.ndarray:
  """Returns the rate of each batch: linear warm-up, then a cosine to 0."""
  # Longer by one, for the rate of the last batch not to be 0.
  schedule = optax.warmup_cosine_decay_schedule(
    0.0, peak, min(total, max(1, round(warmup_fraction * total))), total + 1
  )
  return np.asarray(jax.vmap(schedule)(jnp.arange(1, total + 1)))
