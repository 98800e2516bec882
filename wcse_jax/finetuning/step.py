"""The train step: loss, gradients and update, over a mesh of devices."""

from collections.abc import Mapping
import dataclasses
import functools
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np
import optax

from wcse_jax.experiment.config import FinetuneSpec
from wcse_jax.finetuning import FinetuneError
from wcse_jax.finetuning.batches import COLUMNS
from wcse_jax.models import gemma, layers, lora, presets, sharding

Batch = Mapping[str, jax.Array]


class TrainState(flax.struct.PyTreeNode):
  """What is trained, and the optimizer's moments of it.

  Attributes:
    params: The model's parameters, or adapters (`lora`), in float32.
    moments: The optimizer's moments.
  """

  params: Any
  moments: optax.OptState


@dataclasses.dataclass(frozen=True)
class TrainStep:
  """One update. Equal settings share the compiled program.

  The learning rate is an argument, so that schedules of any length do.

  Attributes:
    config: The architecture.
    spec: The settings of finetuning.
    mesh: Devices, as `sharding.train_mesh` lays them out.
    max_logits: Most logits that a device computes at a time; it is those of a
      place of each row, at least.

  Raises:
    FinetuneError: The mesh does not divide the model.
  """

  config: presets.GemmaConfig
  spec: FinetuneSpec
  mesh: Mesh
  max_logits: int = 2**26

  def __post_init__(self):
    fsdp, tensor = (self.mesh.shape.get(a, 1) for a in ('fsdp', 'tensor'))
    for field, parts, name in (
      ('tensor', tensor, 'num_heads'),
      ('tensor', tensor, 'hidden_dim'),
      ('fsdp', fsdp, 'embed_dim'),
      ('fsdp x tensor', fsdp * tensor, 'num_embed'),
    ):
      if (size := getattr(self.config, name)) % parts:
        raise FinetuneError(
          f'config.finetune.layout.{field} = {parts} does not divide the'
          f" student's {name} = {size}: choose a divisor of it"
        )

  @property
  def model(self) -> gemma.Gemma:
    return gemma.Gemma(
      self.config,
      jnp.dtype(self.spec.dtype),
      remat=self.spec.layout.remat,
      mesh=self.mesh if self.mesh.size > 1 else None,
    )

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """The optimizer without its learning rate, and with the gradient's sign.

    Adafactor does not multiply by the parameters' size, so that a learning rate
    means for both what it means for Adam.
    """
    direction = {
      'adamw': optax.scale_by_adam(b1=0.9, b2=0.95),
      'adafactor': optax.chain(
        optax.scale_by_factored_rms(), optax.clip_by_block_rms(1.0)
      ),
    }
    return optax.chain(
      optax.clip_by_global_norm(self.spec.clip_norm),
      direction[self.spec.optimizer],
      optax.add_decayed_weights(self.spec.weight_decay),
    )

  def loss(self, params: Any, batch: Batch, total: Any, base: Any = None):
    """Cross-entropy of the targets that count, in nats, divided by `total`.

    Args:
      params: The model's parameters or, with `base`, adapters.
      batch: Columns of shape [rows, row_tokens], as `batches` gives them.
      total: Number of targets that count.
      base: The frozen parameters beside which adapters are trained.
    """
    adapters = None
    if base is not None:
      params, adapters = base, lora.scaled(params, self.spec.lora_scale)
    hidden_BxTxD, _ = gemma.forward(
      self.model,
      params,
      batch['tokens'],
      # Empty places of a row are seen by nothing.
      jnp.where(batch['segment_ids'] > 0, batch['positions'], -1),
      segments_BxT=batch['segment_ids'],
      adapters=adapters,
    )
    losses_BxT = self._losses(params, hidden_BxTxD, batch['targets'])
    return jnp.sum(losses_BxT * batch['loss_weights']) / total

  def _losses(self, params, hidden_BxTxD, targets_BxT):
    """Cross-entropies [B, T], from the logits of a few places at a time."""

    def losses(hidden_BxCxD, targets_BxC):
      hidden_BxCxD = layers.laid(hidden_BxCxD, self.mesh, 'rows', None, None)
      logits_BxCxV = gemma.logits(self.model, params, hidden_BxCxD)
      return optax.softmax_cross_entropy_with_integer_labels(
        layers.laid(logits_BxCxV, self.mesh, 'rows', None, 'vocab'), targets_BxC
      )

    rows, places = targets_BxT.shape
    a_place = rows * self.config.num_embed
    most = max(1, self.mesh.size * self.max_logits // a_place)  # places
    least = -(-places // most)
    if least == 1:
      return losses(hidden_BxTxD, targets_BxT)
    # So many that they are equal, or else the last is filled up.
    n = next((n for n in range(least, 2 * least) if places % n == 0), least)
    size = -(-places // n)

    def chunks(x):
      x = jnp.pad(x, [(0, 0), (0, n * size - places), *[(0, 0)] * (x.ndim - 2)])
      return jnp.moveaxis(x.reshape(rows, n, size, *x.shape[2:]), 1, 0)

    losses_NxBxC = jax.lax.map(
      lambda chunk: jax.checkpoint(losses)(*chunk),
      (chunks(hidden_BxTxD), chunks(targets_BxT)),
    )
    return jnp.moveaxis(losses_NxBxC, 0, 1).reshape(rows, -1)[:, :places]

  def gradient(self, params: Any, batch: Batch, base: Any = None):
    """Returns loss and gradient; the parts of a batch are added up."""
    total = jnp.maximum(jnp.sum(batch['loss_weights']), 1)
    gradient = jax.value_and_grad(self.loss)
    parts = self.spec.layout.accumulation
    if parts == 1:
      return gradient(params, batch, total, base)

    def add(total_so_far, part):
      made = gradient(params, part, total, base)
      return jax.tree.map(jnp.add, total_so_far, made), None

    # Each device has rows of all parts.
    split = {
      name: jnp.swapaxes(x.reshape(-1, parts, x.shape[1]), 0, 1)
      for name, x in batch.items()
    }
    zero = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
    return jax.lax.scan(add, zero, split)[0]

  @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
  def __call__(
    self, state: TrainState, batch: Batch, learning_rate, base: Any = None
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after the update, and loss and gradient norm."""
    loss, grads = self.gradient(state.params, batch, base)
    updates, moments = self.optimizer.update(grads, state.moments, state.params)
    params = jax.tree.map(
      lambda p, u: p - learning_rate * u, state.params, updates
    )
    state = sharding.lay(TrainState(params, moments), self.state_shapes())
    return state, {'loss': loss, 'grad_norm': optax.tree.norm(grads)}

  # --- where things are ------------------------------------------------------

  def init(
    self, params: Any, seed: int, donate: bool = False
  ) -> tuple[TrainState, Any]:
    """Returns the state to start from, and `base` if adapters are trained.

    Args:
      params: The model's, of any dtype, on the host or on devices; they stay
        as they are, unless donated.
      seed: The seed of the adapters.
      donate: Whether those that are laid out as in training are used up.
    """
    shapes, base = self.state_shapes(), None
    if self.spec.lora_rank:
      base = put(params, self.base_shapes(), donate)
      params = lora.init(self.config, self.spec.lora_rank, seed)
    params = put(params, shapes.params, donate)
    return TrainState(params, self._moments(params)), base

  def put(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Lays a batch over the devices; rows that are empty even it out."""
    rows = len(batch['tokens'])

    def lay(column, like):
      padded = np.pad(column, ((0, like.shape[0] - rows), (0, 0)))
      where = like.sharding
      return jax.make_array_from_callback(like.shape, where, padded.__getitem__)

    return jax.tree.map(lay, dict(batch), self.batch_shapes(rows))

  def state_shapes(self) -> TrainState:
    """Returns shapes, dtypes and shardings of the state.

    Moments that Adafactor factors are small, and whole on each device.
    """
    if self.spec.lora_rank:
      params = lora.shapes(self.config, self.spec.lora_rank, self.mesh)
    else:
      params = self._params_shapes(jnp.float32)
    whole = NamedSharding(self.mesh, PartitionSpec())

    def struct(moment, where):
      return jax.ShapeDtypeStruct(moment.shape, moment.dtype, sharding=where)

    moments = optax.tree_utils.tree_map_params(
      self.optimizer,
      lambda m, p: struct(m, p.sharding if m.shape == p.shape else whole),
      jax.eval_shape(self.optimizer.init, params),
      params,
      transform_non_params=lambda m: struct(m, whole),
    )
    return TrainState(params, moments)

  def base_shapes(self) -> Any:
    """Returns shapes, dtypes and shardings of frozen parameters, if any."""
    dtype = jnp.dtype(self.spec.dtype)
    return self._params_shapes(dtype) if self.spec.lora_rank else None

  def batch_shapes(self, rows: int) -> dict[str, Any]:
    """Returns those of a batch of `rows`, rounded up to what devices share."""
    share = self.spec.layout.accumulation * math.prod(
      self.mesh.shape.get(a, 1) for a in sharding.TRAIN['batch']
    )
    shape = -(-rows // share) * share, self.spec.row_tokens
    axes = 'batch', None
    return {
      name: sharding.struct(self.mesh, sharding.TRAIN, dtype, axes, *shape)
      for name, dtype in COLUMNS.items()
    }

  def lower(self, rows: int) -> jax.stages.Lowered:
    """Lowers the step for the mesh, whose devices may be only described."""
    whole = NamedSharding(self.mesh, PartitionSpec())
    rate = jax.ShapeDtypeStruct((), jnp.float32, sharding=whole)
    return TrainStep.__call__.lower(
      self, self.state_shapes(), self.batch_shapes(rows), rate,
      self.base_shapes(),
    )  # fmt: skip

  @functools.partial(jax.jit, static_argnums=0)
  def _moments(self, params: Any) -> optax.OptState:
    shapes = self.state_shapes().moments
    return sharding.lay(self.optimizer.init(params), shapes)

  def _params_shapes(self, dtype) -> Any:
    shapes = sharding.params_shapes(self.config, dtype)
    return sharding.laid_out(shapes, self.mesh, sharding.TRAIN, self.config)


def put(tree: Any, shapes: Any, donate: bool = False) -> Any:
  """Lays arrays of host or devices out as `shapes` says.

  They stay as well; donated, those that are laid out so already are taken.
  """

  def copy(a, like):
    if getattr(a, 'sharding', None):
      same = a.sharding.is_equivalent_to(like.sharding, a.ndim)
      if donate and same and a.dtype == like.dtype:
        return a
      there = a.sharding.device_set == like.sharding.device_set
      if there or not a.is_fully_addressable:
        return _copy(a, like.dtype, like.sharding)  # on the devices
    host = np.asarray(a)
    return jax.make_array_from_callback(
      like.shape, like.sharding, lambda index: np.array(host[index], like.dtype)
    )

  return jax.tree.map(copy, tree, shapes)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _copy(a: jax.Array, dtype, where) -> jax.Array:
  copied = jnp.array(a, dtype, copy=True)
  return jax.lax.with_sharding_constraint(copied, where)
