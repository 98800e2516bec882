"""The report of a run: one HTML page, its figures and results.json."""

import pathlib
from typing import Any


def write(results: dict[str, Any], directory: pathlib.Path) -> pathlib.Path:
  """Writes index.html, results.json and figures/*.png; returns the page's path.

  Args:
    results: As `wcse_jax.report.schema` describes it. NaN and infinities are
      written as null.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax import store
  from wcse_jax.report import figures, page, schema

  results = schema.jsonable(results)
  pictures = figures.draw(results)
  for picture in pictures:
    store.commit(directory / 'figures' / f'{picture.name}.png', picture.png)
  store.commit(directory / 'results.json', schema.dumps(results).encode())
  index = directory / 'index.html'
  store.commit(index, page.render(results, pictures).encode())
  return index
