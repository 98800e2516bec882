"""The cache of this machine: what can be made again, if it is deleted."""

import os
import pathlib


def folder() -> pathlib.Path:
  """Returns $WCSE_CACHE_DIR or, if that is not set, ~/.cache/wcse_jax."""
  given = os.environ.get('WCSE_CACHE_DIR')
  return pathlib.Path(given or '~/.cache/wcse_jax').expanduser()
