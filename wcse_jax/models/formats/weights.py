"""Tensors on disk: opened, compared with a model, read slice by slice."""

import collections
from collections.abc import (
  Callable,
  Collection,
  Iterator,
  Mapping,
  Sequence,
)
import dataclasses
import functools
import math
import pathlib
import re
from typing import Any

import jax
import numpy as np
import safetensors

from wcse_jax.models import presets
from wcse_jax.models.formats.folder import CheckpointError

_RESIDUAL = '/residual_router_scale'
Shapes = Mapping[str, tuple[int, ...]]
Index = tuple[slice, ...]
# As safetensors and NumPy call the types that weights are stored in.
_TYPES = (
  'F16',
  'F32',
  'F64',
  'BF16',
  'float16',
  'float32',
  'float64',
  'bfloat16',
)
Targets = Mapping[str, jax.ShapeDtypeStruct]


class Weights:
  """A checkpoint that was opened, and of which no tensor was read yet.

  Attributes:
    table: Name of the tensor that embeds ids.
    shapes: Shape of each tensor, by its name.
    types: Type of each tensor as its file calls it, by its name.
    metadata: Texts that stand beside the tensors.
    paths: File of each tensor, by its name.
    home: What is named where no file of a tensor is known.
    family: What it calls its architecture, if it says.
    left_out: What it holds besides and is not read: what sees or hears.
  """

  table = 'embedder/input_embedding'
  shapes: Shapes
  types: Mapping[str, str] = {}
  metadata: Mapping[str, str] = {}
  paths: Mapping[str, pathlib.Path] = {}
  home: pathlib.Path
  family: str = ''
  left_out: Collection[str] = ()

  def sized(self, config: presets.GemmaConfig) -> presets.GemmaConfig:
    """Returns an architecture as it has it: its ids, and what routers read.

    Hugging Face leaves out the 128 rows of Gemma 1 and 2 that no text uses, and
    adds 64 for images to Gemma 3.
    """
    rows = next(iter(self.shapes.get(self.table, ())), config.num_embed)
    residual = any(name.endswith(_RESIDUAL) for name in self.shapes)
    return dataclasses.replace(config, num_embed=rows, routes_residual=residual)

  def differences(self, config: presets.GemmaConfig) -> list[str]:
    """Returns in what it does not fit a model, each with its file."""
    return list(self._compared(self.wanted(config), self.unused(config)))

  def wanted(self, config: presets.GemmaConfig) -> Shapes:
    """Returns the shapes of the tensors that a model would be stored in."""
    return config.param_shapes()

  def unused(self, config: presets.GemmaConfig) -> Shapes:
    """Returns what it may hold and nobody reads: keys of layers that share."""
    del config
    return {}

  def architecture(self) -> presets.GemmaConfig | None:
    """Returns the model that it says it is of; None if it does not say."""
    return None

  def distance(self, config: presets.GemmaConfig) -> float:
    """Returns how far its shapes are from a model's; 0 if they are the same.

    A layer counts once, and a length by its ratio: a tensor that the other has
    not counts as much as one of 2^10 times the length.
    """
    unused = self.unused(config)
    used = {n: shape for n, shape in self.shapes.items() if n not in unused}
    held, wanted = _by_layer(used), _by_layer(self.wanted(config))
    far = 10.0 * len(held.keys() ^ wanted.keys())
    for name in held.keys() & wanted.keys():
      if len(held[name]) != len(wanted[name]):
        far += 10
      elif 0 not in held[name]:
        pairs = zip(held[name], wanted[name], strict=True)
        far += sum(abs(math.log2(a / b)) for a, b in pairs)
    return far

  def read(
    self, config: presets.GemmaConfig, targets: Targets
  ) -> dict[str, Any]:
    """Returns parameters by their path in the tree, laid out as `targets`."""
    raise NotImplementedError

  def _compared(self, wanted: Shapes, unused: Shapes) -> Iterator[str]:
    """Yields how tensors differ from those that a model has."""
    held = self.shapes
    for name, kind in self.types.items():
      if name in wanted and kind not in _TYPES:
        where = self.paths.get(name, self.home)
        yield (
          f'{where} holds {name} as {kind}, which no weights are stored in: it'
          ' is quantised perhaps; name the checkpoint in bfloat16'
        )
    for name in sorted(held.keys() - unused.keys() | wanted.keys()):
      where = self.paths.get(name, self.home)
      if name not in held:
        yield f'{where} lacks {name} {wanted[name]}'
      elif name not in wanted:
        yield f'{where} holds {name} {held[name]}, which the model has not'
      elif held[name] != wanted[name]:
        yield (
          f'{where} holds {name} as {held[name]}, which the model has as'
          f' {wanted[name]}'
        )


def _by_layer(shapes: Shapes) -> dict[str, tuple[int, ...]]:
  """Returns shapes without the layer's number, and how often each is there."""
  names = [re.sub(r'(layer_|layers\.)\d+', r'\1*', name) for name in shapes]
  counts = collections.Counter(names)
  return {
    name: (counts[name], *shape)
    for name, shape in zip(names, shapes.values(), strict=True)
  }


class Files(Weights):
  """Safetensors files; those of this project name paths in the tree."""

  def __init__(
    self,
    paths: Sequence[pathlib.Path],
    rename: Callable[[str], str] = lambda name: name,
  ):
    """Reads the headers.

    Args:
      paths: The files.
      rename: Gives a tensor's name from the stored one; '' leaves it out.

    Raises:
      CheckpointError: A file is missing or cut short.
    """
    self.shapes: dict[str, tuple[int, ...]] = {}
    self.types: dict[str, str] = {}
    self.metadata: dict[str, str] = {}
    self._slices: dict[str, Any] = {}
    self.paths: dict[str, pathlib.Path] = {}
    self.left_out: set[str] = set()
    self.home = paths[0]
    for path in paths:
      try:
        file = safetensors.safe_open(path, 'numpy')
      except (safetensors.SafetensorError, OSError) as e:
        raise CheckpointError(
          f'{path} cannot be read ({e}): restore it or write it anew'
        ) from e
      self.metadata |= file.metadata() or {}
      for stored in file.keys():  # noqa: SIM118, it is no mapping
        if name := rename(stored):
          self._slices[name] = file.get_slice(stored)
          self.paths[name] = path
          self.shapes[name] = tuple(self._slices[name].get_shape())
          self.types[name] = self._slices[name].get_dtype()
        else:
          self.left_out.add(stored.removeprefix('model.').split('.')[0])

  def tensor(self, name: str, index: Index) -> np.ndarray:
    """Reads a slice of a tensor."""
    return self._slices[name][index]

  def read(
    self, config: presets.GemmaConfig, targets: Targets
  ) -> dict[str, Any]:
    del config
    return {
      path: place(target, functools.partial(self.tensor, path))
      for path, target in targets.items()
    }


def place(
  target: jax.ShapeDtypeStruct, read: Callable[[Index], np.ndarray]
) -> Any:
  """Makes an array of what `read` returns for slices of it.

  What this host's devices hold is read once, and nothing else.

  Args:
    target: Shape, dtype and sharding; without a sharding the array is numpy's.
    read: Returns a slice of the array, in any dtype.

  Example:
    >>> stored = np.arange(6.0).reshape(2, 3)
    >>> like = jax.ShapeDtypeStruct((2, 3), 'int32')
    >>> placed = place(like, stored.__getitem__)
    >>> placed.tolist(), str(placed.dtype)
    ([[0, 1, 2], [3, 4, 5]], 'int32')
  """

  @functools.cache
  def cast(index: Index) -> np.ndarray:
    return np.ascontiguousarray(read(index), target.dtype)

  if target.sharding is None:
    return cast((slice(None),) * len(target.shape))
  return jax.make_array_from_callback(target.shape, target.sharding, cast)
