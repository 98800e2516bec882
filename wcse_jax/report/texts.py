"""Captions and notes: `texts.toml`, and the names that stand in them."""

from collections.abc import Mapping
import functools
import importlib.resources
import tomllib

from wcse_jax.experiment import config


def of(name: str, **values: object) -> str:
  """Returns a text.

  Args:
    name: 'table.key' in the file.
    **values: What stands in it, other than the generators' names.

  >>> of('tables.gains_by_matching')
  'The same with gains; SE and WC are samples per problem.'
  """
  table, _, key = name.partition('.')
  text = ' '.join(_texts()[table][key].split())
  return text.format(anchor=anchor(), others=others(), **values)


def anchor() -> str:
  """How people call the generator whose samples budgets are counted in."""
  return config.ANCHOR.upper()


def others() -> str:
  """How people call all other generators."""
  names = [name.upper() for name in config.GENERATORS if name != config.ANCHOR]
  return ' or '.join(names)


@functools.cache
def _texts() -> Mapping[str, Mapping[str, str]]:
  file = importlib.resources.files(__package__).joinpath('texts.toml')
  return tomllib.loads(file.read_text('utf-8'))
