"""Whether what a config names exists, and what is there can go on with it."""

from collections.abc import Collection
import pathlib

from wcse_jax import store, tasks
from wcse_jax.experiment.config import GENERATORS, Config, ConfigError
from wcse_jax.models import presets
from wcse_jax.models.formats import folder as checkpoint_folder
from wcse_jax.sampling import external
from wcse_jax.stages import sizes
from wcse_jax.stages.layout import Run


def check(config: Config) -> None:
  """Raises ConfigError for what a config names but does not exist."""
  for name in (config.task.name, *config.evaluate.transfer):
    try:
      tasks.find(name)
    except ValueError as e:
      own = name == config.task.name
      field = 'task.name' if own else 'evaluate.transfer'
      raise ConfigError(field, name, str(e)) from e
  for role in config.roles:
    name = getattr(config, role)
    if name not in presets.PRESETS and not config.external_file(role):
      raise ConfigError(role, name, f'known: {", ".join(presets.PRESETS)}')
  sizes.price_table(config)
  _check_external(config)
  pools = sizes.plan(config).pools
  others = [r for r in ('student', 'judge') if getattr(config, r)]
  for role in dict.fromkeys([*(pool.generator for pool in pools), *others]):
    if not config.external_file(role):
      _check_weights(config, role)


def _check_weights(config: Config, role: str) -> None:
  name, folder, tokenizer = config.model(role)
  if not folder and not presets.PRESETS[name].source:
    raise ConfigError(
      f'checkpoints.{role}',
      folder,
      f'{name} comes without weights: name a folder that holds them, from'
      ' Kaggle (gm), Hugging Face, or this project',
    )
  field, value = f'checkpoints.{role}', folder
  try:
    if folder:
      checkpoint_folder.find(folder)
    if tokenizer:
      field, value = f'tokenizers.{role}', tokenizer
    if tokenizer in presets.PRESETS:
      if not presets.PRESETS[tokenizer].source:
        raise checkpoint_folder.CheckpointError('it comes without a tokenizer')
    elif value and not checkpoint_folder.adapters(value):
      checkpoint_folder.tokenizer(value)
  except checkpoint_folder.CheckpointError as e:
    raise ConfigError(field, value, str(e)) from e


def _check_external(config: Config) -> None:
  for role in GENERATORS:
    path, name = config.external_file(role), getattr(config, role)
    if not path or role not in config.roles:
      continue
    try:
      model = external.first_model(pathlib.Path(path))
    except external.ExternalError as e:
      raise ConfigError(
        f'external.{role}',
        path,
        f"{e}\nname a file as docs/howto/own_samples.md says, or '' to draw"
        ' samples here',
      ) from e
    if model not in ('', name):
      raise ConfigError(
        role,
        name,
        f'the samples of external.{role} = {path!r} are from {model!r}: give'
        f' --config.{role}={model}',
      )
    for arm in config.arms:
      if name not in presets.PRESETS and arm.matched_by('compute'):
        raise ConfigError(
          'arms',
          str(arm),
          f'the size of {name} (external.{role}) is not known: match by price'
          f" instead ('{role}_price_matched', with a price of both models in"
          f" config.prices), or by number ('{role}_number_matched')",
        )


def check_settings(run: Run, wanted: Collection[str]) -> None:
  """Raises StoreError if stages to run were made with other settings."""
  differing: list[str] = []
  message = ''
  for stage in run.costly():
    if stage.name.split('/')[0] not in wanted:
      continue
    try:
      stage.is_complete()
    except store.StoreError as e:
      if not stage.manifest():
        raise
      message = message or str(e)
      name = '/'.join(stage.name.split('/')[:2])
      # What follows from a mix is forgotten with it.
      if not any(name.endswith(d.split('/')[1]) for d in differing):
        differing.append(name)
  if differing:
    head, _ = message.rsplit('\n', 1)
    raise store.StoreError(
      f'{head}\nRun with --redo={",".join(differing)} to make it anew, with'
      ' what follows from it, or choose another --workdir to keep it.'
    )
