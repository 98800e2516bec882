"""Captions and notes: `texts.toml`, and the names that stand in them."""

from wcse_jax import data_files
from wcse_jax.experiment import roles
from wcse_jax.experiment.arms import called
from wcse_jax.results.types import Results


def of(name: str, results: Results | None = None, **values: object) -> str:
  """Returns a text.

  Args:
    name: 'table.key' in the file.
    results: Name what samples; None: it is the paper's two.
    **values: What else stands in it.

  >>> of('tables.gains_by_matching')
  'The same with gains; SE and WC are samples per problem.'
  """
  table, _, key = name.partition('.')
  text = ' '.join(data_files.tables(__file__)[table][key].split())
  return text.format(anchor=anchor(results), others=others(results), **values)


def anchor(results: Results | None = None) -> str:
  """How people call the generator whose samples budgets are counted in."""
  return called(results.anchor if results else roles.ANCHOR)


def others(results: Results | None = None) -> str:
  """How people call all other generators."""
  usual = [name for name in roles.GENERATORS if name != roles.ANCHOR]
  return ' or '.join(map(called, (results and results.others) or usual))
