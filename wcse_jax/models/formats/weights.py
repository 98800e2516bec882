"""Tensors on disk: opened, compared with a model, read slice by slice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import functools
import pathlib
from typing import Any, Protocol

import jax
import numpy as np
import safetensors

from wcse_jax.models import presets
from wcse_jax.models.formats.folder import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
Index = tuple[slice, ...]
Targets = Mapping[str, jax.ShapeDtypeStruct]


class Weights(Protocol):
  """A checkpoint that was opened, and of which no tensor was read yet."""

  def num_embed(self, config: presets.GemmaConfig) -> int:
    """Returns how many ids it embeds; if it does not say, as `config`."""
    ...

  def differences(self, config: presets.GemmaConfig) -> list[str]:
    """Returns in what it does not fit a model, each with its file."""
    ...

  def read(
    self, config: presets.GemmaConfig, targets: Targets
  ) -> dict[str, Any]:
    """Returns parameters by their path in the tree, laid out as `targets`."""
    ...


class Files:
  """Safetensors files, and where in them each tensor is.

  Attributes:
    shapes: Shape of each tensor, by its name.
    metadata: Texts that the files hold beside tensors.
  """

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
    self.metadata: dict[str, str] = {}
    self._slices: dict[str, Any] = {}
    self._paths: dict[str, pathlib.Path] = {}
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
          self._paths[name] = path
          self.shapes[name] = tuple(self._slices[name].get_shape())

  def path(self, name: str) -> pathlib.Path | None:
    """Returns the file that holds a tensor, if one does."""
    return self._paths.get(name)

  def read(self, name: str, index: Index) -> np.ndarray:
    return self._slices[name][index]


class Params:
  """The safetensors file of this project: names are paths in the tree."""

  def __init__(self, path: pathlib.Path):
    self._path, self._files = path, Files([path])
    self.metadata = self._files.metadata

  def num_embed(self, config: presets.GemmaConfig) -> int:
    return rows(self._files.shapes, 'embedder/input_embedding', config)

  def differences(self, config: presets.GemmaConfig) -> list[str]:
    wanted = config.param_shapes()
    return list(differences(self._files.shapes, wanted, lambda _: self._path))

  def read(
    self, config: presets.GemmaConfig, targets: Targets
  ) -> dict[str, Any]:
    del config
    return {
      name: place(target, functools.partial(self._files.read, name))
      for name, target in targets.items()
    }


def rows(shapes: Shapes, table: str, config: presets.GemmaConfig) -> int:
  """Returns the rows of an embedding; without one, those of `config`.

  Args:
    shapes: Shape of each tensor, by its name.
    table: Name of the embedding.
    config: The architecture.

  Example:
    >>> config = presets.PRESETS['gemma2_9b'].config
    >>> rows({'table': (256000, 3584)}, 'table', config), rows({}, 'x', config)
    (256000, 256128)
  """
  return shapes[table][0] if shapes.get(table) else config.num_embed


def differences(
  held: Shapes, wanted: Shapes, where: Callable[[str], pathlib.Path]
) -> Iterator[str]:
  """Yields how the tensors of a checkpoint differ from those of a model.

  Args:
    held: Shapes in the checkpoint, by the tensors' names.
    wanted: Shapes in the model.
    where: Returns the file of a tensor.

  Example:
    >>> file = pathlib.Path('x.safetensors')
    >>> list(differences({'a': (2,), 'b': (3,)}, {'a': (2,)}, lambda _: file))
    ['x.safetensors holds b (3,), which the model has not']
  """
  for name in sorted(held.keys() | wanted.keys()):
    if name not in held:
      yield f'{where(name)} lacks {name} {wanted[name]}'
    elif name not in wanted:
      yield f'{where(name)} holds {name} {held[name]}, which the model has not'
    elif held[name] != wanted[name]:
      yield (
        f'{where(name)} holds {name} as {held[name]}, which the model has as'
        f' {wanted[name]}'
      )


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
