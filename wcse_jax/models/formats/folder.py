"""What kind of checkpoint a folder holds, told by its files. No JAX here."""

from collections.abc import Iterator
import contextlib
import json
import pathlib
import shutil
from typing import Literal, NamedTuple

from wcse_jax.errors import Error
from wcse_jax.store import files

Kind = Literal['params', 'huggingface', 'gm']
TOKENIZER = 'tokenizer.model'
INDEX = 'model.safetensors.index.json'


class CheckpointError(Error):
  """Weights that cannot be used; names the file and the remedy."""


def first_line(error: Exception) -> str:
  r"""Returns the first line of what an error says, or else its type.

  Example:
    >>> first_line(ValueError('cut short\nat byte 7')), first_line(OSError())
    ('cut short', 'OSError')
  """
  return next(iter(str(error).splitlines()), type(error).__name__)


@contextlib.contextmanager
def partial(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields an empty folder beside another, to make that in and rename.

  It is removed at the end; that of a run that was killed is replaced.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   with partial(pathlib.Path(folder, 'out')) as made:
    ...     print(made.name, made.is_dir())
    ...   made.exists()
    out.partial True
    False
  """
  beside = folder.with_name(folder.name + '.partial')
  shutil.rmtree(beside, ignore_errors=True)
  try:
    beside.mkdir(parents=True)
    yield beside
  finally:
    shutil.rmtree(beside, ignore_errors=True)


class Found(NamedTuple):
  """A checkpoint in a folder.

  Attributes:
    kind: 'params', a safetensors file of this project; 'huggingface',
      config.json beside safetensors; 'gm', Orbax as `gm.ckpts` writes it.
    path: The file or folder that its reader opens.
    files: The files that determine the weights.
  """

  kind: Kind
  path: pathlib.Path
  files: tuple[pathlib.Path, ...]


def indexed(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns the file of each tensor, as Hugging Face's index says.

  Args:
    folder: A folder; without an index there it is empty.

  Raises:
    CheckpointError: The index is damaged, or names other files than the
      folder's.

  Example:
    >>> indexed(pathlib.Path('no such folder'))
    {}
  """
  path = folder / INDEX
  if not path.is_file():
    return {}
  try:
    names = dict(json.loads(path.read_bytes())['weight_map'])
  except (OSError, RecursionError, TypeError, ValueError, LookupError) as e:
    raise CheckpointError(f'{path} cannot be read ({e}): fetch it again') from e
  for name in names.values():
    if not files.is_plain(name) or '/' in name:
      raise CheckpointError(
        f'{path} names {name!r}, which is no file of its folder: fetch it'
        ' again, from where you trust'
      )
    if not (folder / name).is_file():
      raise CheckpointError(
        f'{folder / name} is missing, of {len({*names.values()})} files: fetch'
        ' it again'
      )
  return {tensor: folder / name for tensor, name in names.items()}


def find(folder: str | pathlib.Path) -> Found:
  """Returns the checkpoint that a folder holds.

  Args:
    folder: A folder as for `wcse_jax.models.load`.

  Raises:
    CheckpointError: It holds none.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   for name in ('config.json', 'model.safetensors', 'other'):
    ...     pathlib.Path(folder, name).touch()
    ...   found = find(folder)
    >>> found.kind, [path.name for path in found.files]
    ('huggingface', ['model.safetensors'])
  """
  folder = pathlib.Path(folder)
  if (own := folder / 'params.safetensors').is_file():
    return Found('params', own, (own,))
  shards = tuple(
    sorted({*folder.glob('model*.safetensors'), *indexed(folder).values()})
  )
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
  """Returns the tokenizer's file in a folder or, of Orbax, beside it.

  Args:
    folder: A folder with a checkpoint.

  Raises:
    CheckpointError: There is none.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   (step := pathlib.Path(folder, 'step')).mkdir()
    ...   for path in ('step/_METADATA', 'tokenizer.model'):
    ...     pathlib.Path(folder, path).touch()
    ...   tokenizer(step) == pathlib.Path(folder, 'tokenizer.model')
    True
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
