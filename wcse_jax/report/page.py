"""The report as one HTML page that asks nothing of the network."""

from collections.abc import Mapping, Sequence
import re

from wcse_jax.report import run, templates
from wcse_jax.report.figures import Picture
from wcse_jax.results.types import Results


def render(results: Results, pictures: Sequence[Picture]) -> str:
  """The page of one experiment, with its figures."""
  page = templates.render(
    'experiment.html',
    title=run.title(results),
    levels=_confidence(results),
    roles=run.models(results),
    results=results,
    pictures=pictures,
  )
  return _with_contents(page)


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
    roles=run.models(*results.values()),
    levels=' or '.join(dict.fromkeys(map(_confidence, results.values()))),
    results=results,
    pictures=pictures,
  )


def _with_contents(page: str) -> str:
  """Adds links to the sections of a page, below its header."""
  titles = re.findall('<h2>(.*?)</h2>', page)
  places = {title: '-'.join(title.lower().split()) for title in titles}
  for title, place in places.items():
    page = page.replace(
      f'<h2>{title}</h2>', f'<h2 id="{place}">{title}</h2>', 1
    )
  links = ' '.join(f'<a href="#{at}">{of}</a>' for of, at in places.items())
  nav = f'</header>\n<nav aria-label="contents">{links}</nav>'
  return page.replace('</header>', nav, 1)


def _confidence(results: Results) -> str:
  """'95'."""
  return f'{100 * results.run.confidence:g}'
