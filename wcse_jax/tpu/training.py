"""Finetuning on a TPU: which slice and layout fit, how long a step takes."""

import dataclasses
import functools
import math

import jax

from wcse_jax.experiment.config import FinetuneSpec, LayoutSpec
from wcse_jax.finetuning.step import TrainStep
from wcse_jax.models import presets, sharding
from wcse_jax.tpu import depth, topology
from wcse_jax.tpu.program import Program, combine, compile_for

_MOST_EMPTY = 1.5  # rows that are computed, by those that hold examples


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
  """How a student is finetuned.

  Attributes:
    config: The student's architecture.
    spec: The settings. A layout that names sizes of the mesh is kept, but for
      `remat`, which becomes 'full' where nothing else fits.
    rows: Number of packed rows of a batch.
  """

  config: presets.GemmaConfig
  spec: FinetuneSpec
  rows: int

  def step(self, slice_: topology.Topology) -> TrainStep:
    """Returns the train step on a slice.

    Raises:
      FinetuneError: The layout does not divide the model.
    """
    layout = self.spec.layout
    mesh = sharding.train_mesh(
      layout.data, layout.fsdp, layout.tensor, slice_.devices
    )
    return TrainStep(self.config, self.spec, mesh)

  def shallow(self, of: depth.Depth) -> 'Recipe':
    config = depth.shallow(self.config, of)
    return dataclasses.replace(self, config=config)

  def laid_out(self, **changes) -> 'Recipe':
    layout = dataclasses.replace(self.spec.layout, **changes)
    return dataclasses.replace(
      self, spec=dataclasses.replace(self.spec, layout=layout)
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
  """A train step on a slice.

  Attributes:
    topology: Name of the slice.
    layout: Layout of the step.
    rows: Rows of a batch, empty ones that even it out included.
    program: What one step takes.
  """

  topology: str
  layout: LayoutSpec
  rows: int
  program: Program


def smallest(recipe: Recipe, where: str, whole: bool = False) -> Fit | None:
  """Returns what fits, if anything does.

  Args:
    recipe: How the student is finetuned.
    where: A slice, or a kind of TPU, whose slices are tried from small to
      large.
    whole: As for `fit`.
  """
  chip = topology.CHIPS.get(where)
  for name in [f'{where}:{size}' for size in chip.slices] if chip else [where]:
    if found := fit(recipe, topology.describe(name), whole):
      return found
  return None


def fit(
  recipe: Recipe, slice_: topology.Topology, whole: bool = False
) -> Fit | None:
  """Compiles the train step for a slice; None if it does not fit.

  Compiling all layers may take an hour. They are alike: what they take is
  extrapolated from models of a few.

  Args:
    recipe: How the student is finetuned.
    slice_: The TPU slice.
    whole: Whether all layers are compiled, once the extrapolation fits.
  """
  limit = slice_.chip.usable_bytes
  laid = lay_out(recipe, len(slice_.devices))
  if not laid or _state_bytes(laid.step(slice_)) > limit:
    return None
  for remat in dict.fromkeys((recipe.spec.layout.remat, 'full')):
    tried = laid.laid_out(remat=remat)
    made = _extrapolate(tried, slice_)
    if whole and made and made.hbm_bytes < limit:
      made = _compile(tried, slice_)
    if made and made.hbm_bytes < limit:
      rows = tried.step(slice_).batch_shapes(tried.rows)['tokens'].shape[0]
      return Fit(
        topology=slice_.name,
        layout=tried.spec.layout,
        rows=rows,
        program=made,
      )
  return None


def lay_out(recipe: Recipe, num_devices: int) -> Recipe | None:
  """Lays a recipe out for so many devices; None if that is impossible.

  Parameters and the optimizer's state are in as many parts as there are
  devices. The fewer of them share a layer, the less they exchange; but the
  more groups there are, the more rows must be in a batch.
  """
  given = recipe.spec.layout
  if given.data * given.tensor > 1 or given.fsdp:
    return recipe
  c = recipe.config
  for tensor in range(1, num_devices + 1):
    fsdp, left = divmod(num_devices, tensor)
    shares = fsdp * given.accumulation
    rows = math.ceil(recipe.rows / shares) * shares
    odd = left + c.num_heads % tensor + c.hidden_dim % tensor
    odd += c.embed_dim % fsdp + c.num_embed % num_devices
    if not odd and rows <= _MOST_EMPTY * recipe.rows:
      return recipe.laid_out(fsdp=fsdp, tensor=tensor)
  return None


def _state_bytes(step: TrainStep) -> float:
  """Returns a device's bytes of what is trained, its gradient and moments."""
  state = step.state_shapes()
  size = lambda s: math.prod(s.sharding.shard_shape(s.shape)) * s.dtype.itemsize
  return sum(map(size, jax.tree.leaves((state, state.params))))


def _extrapolate(recipe: Recipe, slice_: topology.Topology) -> Program | None:
  """Returns what a step of all layers takes, from models of a few."""
  depths = depth.depths(recipe.config)
  made = [_compile(recipe.shallow(of), slice_) for of in depths]
  if not all(made):
    return None
  whole = [program for program in made if program]
  return combine(whole, [of.times for of in depths])


@functools.cache
def _compile(recipe: Recipe, slice_: topology.Topology) -> Program | None:
  return compile_for(slice_, recipe.step(slice_).lower(recipe.rows))
