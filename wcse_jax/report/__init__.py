"""The report of a run: one HTML page, its figures and results.json."""

import os
import pathlib
from typing import Any


def write(results: dict[str, Any], directory: pathlib.Path) -> pathlib.Path:
  """Writes index.html, results.json and figures/*.png; returns the page's path.

  Args:
    results: As `wcse_jax.report.schema` describes it. NaN and infinities are
      written as null.
    directory: Made if missing. Every file replaces the former one whole.
  """
  from wcse_jax.report import figures, page, schema

  results = schema.jsonable(results)
  pictures = figures.draw(results)
  (directory / 'figures').mkdir(parents=True, exist_ok=True)
  for picture in pictures:
    _replace(directory / 'figures' / f'{picture.name}.png', picture.png)
  _replace(directory / 'results.json', schema.dumps(results).encode())
  index = directory / 'index.html'
  _replace(index, page.render(results, pictures).encode())
  return index


def _replace(path: pathlib.Path, data: bytes) -> None:
  """Writes beside `path`, then renames: a reader never sees half a file."""
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    with temporary.open('wb') as f:
      f.write(data)
      f.flush()
      os.fsync(f.fileno())
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)
