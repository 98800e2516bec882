"""What kind of checkpoint a folder holds, told by its files. No JAX here."""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
import json
import pathlib
import shutil
from typing import Any, Literal, NamedTuple

from wcse_jax.errors import Error
from wcse_jax.store import files

Kind = Literal['params', 'huggingface', 'gm']
TOKENIZER = 'tokenizer.model'
INDEX = 'model.safetensors.index.json'
WHOLE = 'model.safetensors'
RECORD = 'adapters'  # the part of a student's step that holds a `lora.Record`
GENERATION = 'generation_config.json'
_TOKENIZER_CONFIG = 'tokenizer_config.json'
# What stands beside the weights of a chat-tuned model, and is kept.
_CHAT = (GENERATION, 'chat_template.jinja', 'chat_template.json')
# What belongs to the tokenizer beside it.
_WORDS = ('tokenizer.json', 'special_tokens_map.json', 'added_tokens.json')


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
  paths = [folder / name for name in dict.fromkeys(names.values())]
  _check_alone(folder / WHOLE, paths)
  for file in paths:
    if not file.is_file():
      raise CheckpointError(
        f'{file} is missing, of {len(paths)} files: fetch it again'
      )
  return {tensor: folder / name for tensor, name in names.items()}


def _check_alone(whole: pathlib.Path, others: Iterable[pathlib.Path]) -> None:
  """Raises CheckpointError if a whole checkpoint stands beside others."""
  if whole.is_file() and {*others} - {whole}:
    raise CheckpointError(
      f'{whole.parent} holds several checkpoints: {whole.name} stands beside'
      ' other files or their index; keep the one that is meant'
    )


def find(folder: str | pathlib.Path) -> Found:
  """Returns the checkpoint that a folder holds.

  Args:
    folder: A folder as for `wcse_jax.models.load`.

  Raises:
    CheckpointError: It holds none, or several.

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
  own = folder / 'params.safetensors'
  indexes = {*indexed(folder).values()}
  shards = tuple(sorted({*folder.glob('model*.safetensors'), *indexes}))
  for whole in (own, folder / WHOLE):
    _check_alone(whole, shards)
  if own.is_file():
    return Found('params', own, (own,))
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


def adapters(folder: str | pathlib.Path) -> bool:
  """Tells whether a folder is a student's step that holds adapters (LoRA)."""
  return pathlib.Path(folder, RECORD).is_dir()


def tokenizer(folder: str | pathlib.Path) -> pathlib.Path:
  """Returns the tokenizer's file in a folder or, of Orbax, beside it.

  Args:
    folder: A folder with a checkpoint, or the file itself.

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
  if folder.is_file():
    return folder
  places = [folder / TOKENIZER]
  if (folder / '_METADATA').is_file():  # so are Kaggle's downloads
    places.append(folder.absolute().parent / TOKENIZER)
  for place in places:
    if place.is_file():
      return place
  other = ' (tokenizer.json is not read here)'
  raise CheckpointError(
    f'{places[0]} is missing'
    f'{other if (folder / "tokenizer.json").is_file() else ""}: copy the'
    ' SentencePiece file of the model there, or name one as `tokenizer`, in a'
    ' run as config.tokenizers'
  )


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Reads a file that holds one JSON object.

  Raises:
    CheckpointError: It is missing, cut short, or holds something else.
  """
  try:
    says = json.loads(path.read_text())
    if not isinstance(says, dict):
      raise ValueError(f'it holds a {type(says).__name__}, no object')
    return says
  except (OSError, ValueError, RecursionError) as e:
    raise CheckpointError(f'{path} cannot be read ({e}): fetch it again') from e


def write_json(path: pathlib.Path, says: Any) -> None:
  """Writes what `read_json` reads, for people, too."""
  path.write_text(json.dumps(says, indent=2) + '\n')


def said(
  field: str, folders: Iterable[pathlib.Path]
) -> tuple[Any, pathlib.Path | None]:
  """Returns what the first that says it says of a field, and its file.

  In a folder generation_config.json goes before config.json, as in
  transformers.

  Raises:
    CheckpointError: A file is damaged.
  """
  for path in (f / n for f in folders for n in (GENERATION, 'config.json')):
    if path.is_file():
      says = read_json(path)
      text = says.get('text_config')
      for part in (says, text if isinstance(text, dict) else {}):
        if part.get(field) is not None:
          return part[field], path
  return None, None


def ends(folders: Iterable[pathlib.Path]) -> tuple[int, ...]:
  """Returns the ids that end a text, as `eos_token_id` says; () if none does.

  Args:
    folders: Those of the weights and of the tokenizer.

  Raises:
    CheckpointError: A file is damaged.

  Example:
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   path = pathlib.Path(folder, GENERATION)
    ...   _ = path.write_text('{"eos_token_id": [1, 106]}')
    ...   ends([pathlib.Path(folder)])
    (1, 106)
  """
  given, path = said('eos_token_id', folders)
  ids = given if isinstance(given, list) else [] if given is None else [given]
  if not all(type(i) is int and i >= 0 for i in ids):
    raise CheckpointError(
      f'{path} has eos_token_id = {given!r}: give an id, or a list of ids'
    )
  return tuple(dict.fromkeys(ids))


def chats(folders: Iterable[pathlib.Path]) -> bool | None:
  """Tells whether what stands beside weights is that of a chat-tuned model.

  Such have a chat template, more than one end, or '-it' in their folder's name.

  Args:
    folders: Those of the weights and of the tokenizer.

  Returns:
    Whether they are; None where nothing tells.

  Raises:
    CheckpointError: A file is damaged.
  """
  folders = [*folders]
  if any((f / name).is_file() for f in folders for name in _CHAT[1:]):
    return True
  configs = [f / _TOKENIZER_CONFIG for f in folders]
  said_there = (read_json(path) for path in configs if path.is_file())
  if len(ends(folders)) > 1 or any(c.get('chat_template') for c in said_there):
    return True
  tuned = {'-it': True, '-pt': False}
  names = [f.name.lower() for f in folders]
  known = [tuned[of] for of in tuned for name in names if of in name]
  if known:
    return known[0]
  return False if any((f / GENERATION).is_file() for f in folders) else None


def keep(folders: Sequence[pathlib.Path], to: pathlib.Path) -> None:
  """Copies what stands beside weights: how a model chats, and its tokenizer's.

  Args:
    folders: Those of the weights and, last, of the tokenizer; the first that
      has a file gives it.
    to: Where it goes. What tokenizer_config.json says there already stays.
  """
  for name in (*_CHAT, _TOKENIZER_CONFIG, *_WORDS):
    places = folders[-1:] if name in _WORDS else folders
    found = next((f / name for f in places if (f / name).is_file()), None)
    if found and (to / name).is_file():
      write_json(to / name, read_json(found) | read_json(to / name))
    elif found:
      shutil.copyfile(found, to / name)
