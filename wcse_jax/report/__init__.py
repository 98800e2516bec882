"""The report: pages, figures and results.json, of one run or of several."""

from collections.abc import Mapping
import pathlib
from typing import Any


def write(results: dict[str, Any], directory: pathlib.Path) -> pathlib.Path:
  """Writes index.html, results.json and figures/*.png; returns the page's path.

  Args:
    results: As `wcse_jax.results.schema` describes it. NaN and infinities are
      written as null.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax import store
  from wcse_jax.report import figures, page
  from wcse_jax.results import schema

  results = schema.jsonable(results)
  pictures = figures.draw(results)
  for picture in pictures:
    store.commit(directory / 'figures' / f'{picture.name}.png', picture.png)
  store.commit(directory / 'results.json', schema.dumps(results).encode())
  index = directory / 'index.html'
  store.commit(index, page.render(results, pictures).encode())
  return index


def write_all(
  results: Mapping[str, dict[str, Any]], directory: pathlib.Path
) -> pathlib.Path:
  """Writes one page for several experiments; returns its path.

  Beside index.html it writes RESULTS.md, with a sentence for each experiment
  and the table of all comparisons, and results.json, with all results.

  Args:
    results: By experiment, in the order of the page; each as for `write`.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax import store
  from wcse_jax.report import collection, figures
  from wcse_jax.results import schema

  results = schema.jsonable(results)
  pictures = {name: figures.draw(of) for name, of in results.items()}
  pictures[''] = figures.draw_all(results)
  everything = {'schema_version': schema.VERSION, 'experiments': results}
  for name, text in (
    ('results.json', schema.dumps(everything)),
    ('RESULTS.md', collection.markdown(results)),
    ('index.html', collection.render(results, pictures)),
  ):
    store.commit(directory / name, text.encode())
  return directory / 'index.html'
