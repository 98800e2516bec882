"""Captions and notes: `texts.toml`, and the names that stand in them."""

from wcse_jax import data_files
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
  text = ' '.join(data_files.tables(__file__)[table][key].split())
  return text.format(anchor=anchor(), others=others(), **values)


def anchor() -> str:
  """How people call the generator whose samples budgets are counted in."""
  return config.ANCHOR.upper()


def others() -> str:
  """How people call all other generators."""
  names = [name.upper() for name in config.GENERATORS if name != config.ANCHOR]
  return ' or '.join(names)
