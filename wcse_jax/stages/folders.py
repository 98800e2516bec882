"""Models that a config gives as folders alone."""

import pathlib

from wcse_jax.experiment import scales
from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.models.formats import naming
from wcse_jax.models.formats.folder import CheckpointError


def named(config: Config) -> Config:
  """Names the preset of each model that is a folder: `--config.wc=FOLDER`.

  Args:
    config: The experiment.

  Returns:
    The config, with those folders as the models' checkpoints.

  Raises:
    ConfigError: A folder fits no preset.

  Example:
    >>> named(Config()) == Config()
    True
  """
  fields = {}
  for role in config.roles:
    name, folder, _ = config.model(role)
    given = name in presets.PRESETS or folder or config.external_file(role)
    if given or not pathlib.Path(name).is_dir():
      continue
    field = config.field_of(role, 'model')
    try:
      fields[field] = naming.preset(name)
    except CheckpointError as e:
      raise ConfigError(field, name, str(e)) from e
    fields[config.field_of(role, 'checkpoint')] = name
  return scales.replace(config, fields) if fields else config
