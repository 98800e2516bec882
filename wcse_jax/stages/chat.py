"""Whether models can be asked in the turns that a config's prompts have."""

from collections.abc import Collection

from wcse_jax.experiment.config import Config, ConfigError
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.stages import sources
from wcse_jax.stages.check import needed
from wcse_jax.tasks import turns


def check(config: Config, wanted: Collection[str]) -> None:
  """Makes sure that tokenizers have the marks of turns that prompts have.

  It warns of a model that samples and seems to be of the other kind: tuned to
  chat and asked in plain text, or pretrained and asked in turns. A student is
  finetuned in the turns that it is asked in. It imports JAX.

  Args:
    config: The experiment.
    wanted: The names of the stages to run.

  Raises:
    ConfigError: A tokenizer lacks a mark; names the prompt's field.
  """
  for role in needed(config, wanted):
    if role == 'judge' or config.external_file(role):
      continue
    field, path = _prompt(config, role)
    task = sources.task(config, role)
    if task.turns:
      _check_marks(config, role, field, path, task.prefix + task.prompt_format)
    if role == 'student':
      continue
    tuned = _tuned(config, role)
    name, folder, _ = config.model(role)
    said = f'warning: {role} ({folder or name})'
    if task.turns and tuned is False:
      print(
        f'{said} seems to be pretrained alone, and is asked in turns of'
        f' {task.turns.name} (config.{field} = {path!r}): give a text file'
      )
    if not task.turns and tuned and not _has_marks(task.prompt_format):
      print(
        f'{said} seems to be chat-tuned, and is asked in plain text: give a'
        f' prompt with turns (config.{field}, docs/howto/chat.md)'
      )


def _prompt(config: Config, role: str) -> tuple[str, str]:
  """Returns the field that says how a role is asked, and its value."""
  if own := config.teacher(role).prompt:
    return config.field_of(role, 'prompt'), own
  return 'prompt', config.prompt


def _has_marks(text: str) -> bool:
  """Whether a text file spells turns by itself."""
  return any(of.opens in text for of in turns.FAMILIES.values())


def _tuned(config: Config, role: str) -> bool | None:
  from wcse_jax.models import checkpoint

  name, folder, _ = config.model(role)
  try:
    return checkpoint.chats(name, folder)
  except CheckpointError as e:
    raise ConfigError(
      config.field_of(role, 'checkpoint'), folder, str(e)
    ) from e


def _check_marks(
  config: Config, role: str, field: str, path: str, text: str
) -> None:
  from wcse_jax.models import checkpoint, encoding, tokenizer

  vocabulary = checkpoint.files(*config.model(role))[-1]
  tokens = tokenizer.Tokenizer(vocabulary)
  its = encoding.Encoding(tokens, sources.task(config, role).turns)
  try:
    its.prompt(text)
  except tokenizer.TokenizerError as e:
    model = config.field_of(role, 'model')
    raise ConfigError(
      field,
      path,
      f'{e} (config.{model}, {vocabulary}; for one model alone:'
      f' config.teachers.{role}.prompt)'
      if role in config.names
      else f'{e} (config.{model}, {vocabulary})',
    ) from e
