"""A config, from a config file, or from the config.json of a run."""

import pathlib
import runpy

from absl import flags
from ml_collections import config_dict

from wcse_jax import errors
from wcse_jax.experiment import config as config_lib


def read(path: str) -> config_dict.ConfigDict:
  """Returns what a config file's get_config does.

  Args:
    path: The file and, behind a colon, what its get_config is given.

  Raises:
    flags.Error: It is not there, or fails.
  """
  file, *given = path.split(':', 1)
  if not pathlib.Path(file).is_file():
    raise flags.Error(
      f'--config={path}: no such file; give e.g. configs/wc_distill.py'
    )
  try:
    config = runpy.run_path(file)['get_config'](*given)
  except (flags.Error, config_lib.ConfigError):
    raise
  except Exception as error:  # a config file is code: it may raise anything
    raise flags.Error(f'--config={path}: {said(error)}') from error
  if not isinstance(config, config_dict.ConfigDict):
    raise flags.Error(
      f'--config={path}: its get_config returns no ConfigDict: end it with'
      ' return to_config_dict(...), as configs/wc_distill.py does'
    )
  return config


def of_run(path: str) -> config_lib.Config:
  """The config that a run has written down.

  Args:
    path: Its config.json, or the workdir with it.

  Raises:
    ConfigError: A field is unknown here, or has an impossible value.
    flags.Error: There is no such file, or it is of several experiments.
  """
  from wcse_jax import store  # takes a while

  file = pathlib.Path(path)
  file = file / 'config.json' if file.is_dir() else file
  if file.name != 'config.json' or not file.is_file():
    raise flags.Error(
      f'--config_from={path}: no config.json of a run; give runs/x/config.json'
    )
  try:
    config = config_lib.restore(store.read_config(file.parent))
  except store.StoreError as error:
    raise flags.Error(f'--config_from: {error}') from error
  if config.experiments:
    raise flags.Error(
      f'--config_from={path}: it is of several experiments: give the'
      ' config.json of one of them'
    )
  return config


def said(error: Exception) -> str:
  """What a config file raised, and where."""
  return f'{type(error).__name__}: {error}{errors.where(error)}'
