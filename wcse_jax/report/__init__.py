"""The report: pages, figures and results.json, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from wcse_jax.results.types import Results


def write(results: Results, directory: pathlib.Path) -> pathlib.Path:
  """Writes index.html, results.json and figures/*.png; returns the page's path.

  Args:
    results: What a run found.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax import store
  from wcse_jax.report import figures, page
  from wcse_jax.results import types

  pictures = figures.draw(results)
  for picture in pictures:
    store.commit(directory / 'figures' / f'{picture.name}.png', picture.png)
  store.commit(directory / 'results.json', types.encode(results).encode())
  index = directory / 'index.html'
  store.commit(index, page.render(results, pictures).encode())
  return index


def write_all(
  results: Mapping[str, Results], directory: pathlib.Path
) -> pathlib.Path:
  """Writes one page for several experiments; returns its path.

  Beside index.html it writes RESULTS.md, with a sentence for each experiment
  and the table of all comparisons, and results.json, with all results.

  Args:
    results: What each experiment found, in the order of the page.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax import store
  from wcse_jax.report import figures, page, templates
  from wcse_jax.results import types

  pictures = {name: figures.draw(of) for name, of in results.items()}
  pictures[''] = figures.draw_all(results)
  for name, text in (
    ('results.json', types.encode(results)),
    ('RESULTS.md', templates.render('results.md', results=results)),
    ('index.html', page.render_all(results, pictures)),
  ):
    store.commit(directory / name, text.encode())
  return directory / 'index.html'
