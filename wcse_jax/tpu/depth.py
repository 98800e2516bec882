"""Models of a few layers, which stand for one of all: its layers are alike."""

import dataclasses
from typing import NamedTuple

from wcse_jax.models.presets import GemmaConfig


class Depth(NamedTuple):
  """A shallow model, and its part in the whole one.

  Attributes:
    own: Layers with keys and values of their own.
    shared: Layers that read those of others.
    times: What is linear in the layers is, of the whole, the sum over all
      depths of `times` as much.
  """

  own: int
  shared: int
  times: int


def depths(config: GemmaConfig, whole: bool = False) -> list[Depth]:
  """Returns the depths that stand for a model; one if it is shallow itself.

  They differ by a period of layers: as many as local and global ones take to
  alternate, two at least. The whole one has a whole number of periods more,
  of each sort, so that what is linear in any kind of layer is exact.

  Args:
    config: The model.
    whole: Whether it stands for itself, however deep it is.

  Example:
    >>> from wcse_jax.models import presets
    >>> depths(presets.PRESETS['gemma2_9b'].config)  # 42 layers
    [Depth(own=2, shared=0, times=-19), Depth(own=4, shared=0, times=20)]
  """
  kinds = config.attention_types
  alike = lambda n: (kinds[:n] * len(kinds))[: len(kinds)] == kinds
  period = next(n for n in range(2, len(kinds) + 2) if alike(n))
  shared = config.num_kv_shared_layers
  if whole:
    return [Depth(len(kinds) - shared, shared, 1)]
  few_own, more_own = _few(len(kinds) - shared, period)
  few_shared, more_shared = _few(shared, period)
  made = [
    Depth(few_own, few_shared, 1 - more_own - more_shared),
    Depth(few_own + period, few_shared, more_own),
    Depth(few_own, few_shared + period, more_shared),
  ]
  return [depth for depth in made if depth.times]


def _few(layers: int, period: int) -> tuple[int, int]:
  """Returns fewer layers, and by how many periods they are fewer."""
  few = period + layers % period
  if few + period >= layers:  # one more model of nearly all would take longer
    return layers, 0
  return few, (layers - few) // period


def shallow(config: GemmaConfig, depth: Depth) -> GemmaConfig:
  """Returns the model with the first layers of each sort alone."""
  kinds = config.attention_types
  first = len(kinds) - config.num_kv_shared_layers
  return dataclasses.replace(
    config,
    attention_types=kinds[: depth.own] + kinds[first : first + depth.shared],
    num_kv_shared_layers=depth.shared,
  )
