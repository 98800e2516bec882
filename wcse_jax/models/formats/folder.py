"""What kind of checkpoint a folder holds, told by its files. No JAX here."""

import pathlib
from typing import Literal, NamedTuple

from wcse_jax.errors import Error

Kind = Literal['params', 'huggingface', 'gm']
TOKENIZER = 'tokenizer.model'


class CheckpointError(Error):
  """Weights that cannot be used; names the file and the remedy."""


def first_line(error: Exception) -> str:
  r"""Returns the first line of what an error says, or else its type.

  Example:
    >>> first_line(ValueError('cut short\nat byte 7')), first_line(OSError())
    ('cut short', 'OSError')
  """
  return next(iter(str(error).splitlines()), type(error).__name__)


class Found(NamedTuple):
  """A checkpoint.

  Attributes:
    kind: 'params', a safetensors file of this project; 'huggingface',
      config.json beside safetensors; 'gm', Orbax as `gm.ckpts` writes it.
    path: What its reader opens: the file, or the folder.
    files: What determines the weights.
  """

  kind: Kind
  path: pathlib.Path
  files: tuple[pathlib.Path, ...]


def find(folder: str | pathlib.Path) -> Found:
  """Returns the checkpoint that a folder holds.

  Raises:
    CheckpointError: It holds none.
  """
  folder = pathlib.Path(folder)
  if (own := folder / 'params.safetensors').is_file():
    return Found('params', own, (own,))
  shards = tuple(sorted(folder.glob('model*.safetensors')))
  if shards and (folder / 'config.json').is_file():
    return Found('huggingface', folder, shards)
  # A student's step has it in `params`, other steps of Orbax in `default`.
  for path in (folder, folder / 'params', folder / 'default'):
    if (path / '_METADATA').is_file():
      files = (f for f in sorted(path.rglob('*')) if f.is_file())
      return Found('gm', path, tuple(f for f in files if f.name != TOKENIZER))
  raise CheckpointError(
    f'{folder} {"holds no checkpoint" if folder.is_dir() else "is no folder"}:'
    ' name one with params.safetensors, or with config.json and'
    ' model.safetensors (Hugging Face), or with _METADATA (gm, Orbax)'
  )


def tokenizer(folder: str | pathlib.Path) -> pathlib.Path:
  """Returns the tokenizer of a folder: in it, or, of Orbax, beside it.

  Raises:
    CheckpointError: There is none.
  """
  folder = pathlib.Path(folder)
  places = [folder / TOKENIZER]
  if (folder / '_METADATA').is_file():  # so are Kaggle's downloads
    places.append(folder.absolute().parent / TOKENIZER)
  for place in places:
    if place.is_file():
      return place
  raise CheckpointError(
    f'{places[0]} is missing: copy the SentencePiece file of the model there'
  )
