"""Models of a few layers, which stand for one of all: its layers are alike."""

import dataclasses
from typing import NamedTuple

from wcse_jax.models.presets import GemmaConfig


class Line(NamedTuple):
  """Two depths, and the whole on the line through them.

  Attributes:
    few: Layers of the shallower model.
    more: Layers of the other: those and a period.
    steps: How many times as far from `few` as `more` the whole model lies.
  """

  few: int
  more: int
  steps: int


def line(config: GemmaConfig) -> Line | None:
  """Returns the depths to compile, or None where all layers are as quick.

  The deeper model has a period of layers more: as many as local and global ones
  take to alternate, two at least. The whole one has a whole number of periods
  more, so that what is linear in either kind of layers is extrapolated exactly.
  """
  kinds = config.attention_types
  alike = lambda n: (kinds[:n] * len(kinds))[: len(kinds)] == kinds
  period = next(n for n in range(2, len(kinds) + 2) if alike(n))
  few = period + len(kinds) % period
  if few + period >= len(kinds):
    return None
  return Line(few, few + period, (len(kinds) - few) // period)


def shallow(config: GemmaConfig, layers: int) -> GemmaConfig:
  """Returns the model with the first layers alone."""
  kinds = config.attention_types[:layers]
  return dataclasses.replace(config, attention_types=kinds)
