"""The parameters that an architecture has, by the table `parameters.toml`."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from wcse_jax import data_files


@dataclasses.dataclass(frozen=True)
class Parameter:
  """A parameter; `parameters.toml` says what the attributes are."""

  shape: str
  axes: list[str]
  names: list[str]
  theirs: str

  def by_axis[T](self, values: Sequence[T]) -> dict[str, T]:
    """Returns values of the axes, by their letters; those of a stack have none.

    Example:
      >>> Parameter('2KD', [], [], '').by_axis((2, 8, 96))
      {'K': 8, 'D': 96}
    """
    letters = self.shape.lstrip('23')
    return dict(zip(letters, values[-len(letters) :], strict=True))


def of(config: Any, layers: Sequence[Any]) -> dict[str, Parameter]:
  """Returns every parameter, by its path in the tree.

  Args:
    config: A `presets.GemmaConfig`.
    layers: Its layers, each a `presets.Layer`.
  """
  tables = data_files.tables(__file__)
  found = {
    row['path']: _parameter(row, '{}')
    for row in tables['model']
    if _has(row, config)
  }
  for i, layer in enumerate(layers):
    found |= {
      f'layer_{i}/{row["path"]}': _parameter(row, f'model.layers.{i}.{{}}')
      for row in tables['layer']
      if _has(row, layer, config)
    }
  return found


def _has(row: Mapping[str, Any], *owners: Any) -> bool:
  """Whether they have a parameter, by the first of them that knows of it."""
  value = lambda key: getattr(next(o for o in owners if hasattr(o, key)), key)
  return all(value(key) == of for key, of in row.get('if', {}).items())


def _parameter(row: Mapping[str, Any], name: str) -> Parameter:
  names = [name.format(stored) for stored in row['names']]
  return Parameter(row['shape'], row['axes'], names, row['theirs'])
