"""The report as one HTML page that asks nothing of the network."""

from collections.abc import Mapping, Sequence

from wcse_jax.report import templates
from wcse_jax.report.figures import Picture
from wcse_jax.results.types import Results


def render(results: Results, pictures: Sequence[Picture]) -> str:
  """The page of one experiment, with its figures."""
  run = results.run
  return templates.render(
    'experiment.html',
    title=f'{run.name} ({run.scale}): {run.task}',
    levels=_confidence(results),
    results=results,
    pictures=pictures,
  )


def render_all(
  results: Mapping[str, Results], pictures: Mapping[str, Sequence[Picture]]
) -> str:
  """The page of several experiments.

  Args:
    results: The results of each experiment, by name.
    pictures: The figures of each experiment; at '' those of all.
  """
  count = f'{len(results)} experiment{"s" * (len(results) != 1)}'
  return templates.render(
    'experiments.html',
    title=f'wcse_jax: {count}',
    count=count,
    levels=' or '.join(dict.fromkeys(map(_confidence, results.values()))),
    results=results,
    pictures=pictures,
  )


def _confidence(results: Results) -> str:
  """'95'."""
  return f'{100 * results.run.confidence:g}'
