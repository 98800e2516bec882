"""Which architecture a checkpoint is of, by the shapes of its tensors."""

import pathlib

from wcse_jax.models import presets
from wcse_jax.models.formats import weights
from wcse_jax.models.formats.folder import CheckpointError


def recognised(
  stored: weights.Weights, folder: str | pathlib.Path
) -> tuple[str, presets.GemmaConfig]:
  """Returns the name and the architecture of a checkpoint."""
  configs = {
    name: stored.sized(preset.config)
    for name, preset in presets.PRESETS.items()
  }
  far = {name: stored.distance(config) for name, config in configs.items()}
  near = sorted(far, key=far.__getitem__)
  alike = [name for name in near if not far[name]] or near[:1]
  differences = {name: stored.differences(configs[name]) for name in alike}
  nearest = min(alike, key=lambda name: len(differences[name]))
  if not differences[nearest]:
    return nearest, configs[nearest]
  own = stored.architecture()
  if own and far[nearest]:  # it has no preset's shapes
    own = stored.sized(own)
    check(stored, own, 'its config.json says')
    return stored.family, own
  raise CheckpointError(
    f'{folder} fits no preset; the nearest is {nearest}, but'
    f' {differences[nearest][0]}'
  )


def check(
  stored: weights.Weights, config: presets.GemmaConfig, name: str
) -> None:
  """Raises CheckpointError unless a checkpoint is of an architecture."""
  if differences := stored.differences(config):
    raise CheckpointError(
      f'{differences[0]}: it is of another architecture than {name}, or not'
      ' whole; name the preset that it was made with, or restore it'
    )
