"""Which preset a folder is of, told by its config.json. No JAX here."""

import pathlib

from wcse_jax.models import presets
from wcse_jax.models.formats import config_json
from wcse_jax.models.formats.folder import CheckpointError


def preset(folder: str | pathlib.Path) -> str:
  """Returns the name of the preset that a folder of Hugging Face is of.

  Args:
    folder: A folder with config.json.

  Raises:
    CheckpointError: It has none, or one that fits no preset.

  Example:
    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   says = config_json.says(presets.PRESETS['gemma4_e4b'].config)
    ...   path = pathlib.Path(folder, 'config.json')
    ...   _ = path.write_text(json.dumps(says))
    ...   preset(folder)
    'gemma4_e4b'
  """
  path = pathlib.Path(folder) / 'config.json'
  if not path.is_file():
    raise CheckpointError(
      f'{folder} has no config.json, which would say what it is: name the'
      ' preset, and the folder in config.checkpoints'
    )
  has = config_json.read(path)
  differences = {
    name: config_json.differences(has, preset.config)
    for name, preset in presets.PRESETS.items()
  }
  nearest = min(differences, key=lambda name: len(differences[name]))
  if said := differences[nearest]:
    raise CheckpointError(
      f'{path} fits no preset; the nearest is {nearest}, but it has {said[0]}:'
      ' take a checkpoint of a preset'
    )
  return nearest
