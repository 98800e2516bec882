"""What a stage was finished with, and whether its files are still that."""

import hashlib
import pathlib
from typing import Any

from wcse_jax.store import digests, files
from wcse_jax.store.files import StoreError, dumps

MANIFEST = 'MANIFEST.json'
CLAIM = 'CLAIM.json'
DELETE = 'Delete that file and run the same command again'
_DEPTH = 5  # most folders between a file and the workdir's kinds of stages


def check(path: pathlib.Path) -> None:
  """Makes sure that files are as they were when their stage was finished.

  Nothing is known of those of an unfinished stage, or of one that an older
  version finished, and nothing is raised.

  Args:
    path: A file of a stage, or a folder in it.

  Raises:
    StoreError: A file is missing, or was altered.
  """
  folder = owner(path)
  if folder is None or not (folder / MANIFEST).exists():
    return
  sums = read(folder / MANIFEST).get('digests', {})
  inside = path.absolute().relative_to(folder).as_posix()
  for name, digest in sums.items():
    if name == inside or name.startswith(f'{inside}/'):
      file = folder / name
      if not file.is_file() or digests.sha256(file) != digest:
        raise altered(file, f'{DELETE}.')


def altered(file: pathlib.Path, remedy: str) -> StoreError:
  """Returns the error of a file that is not what its stage finished with."""
  return StoreError(
    f'{file} is damaged: it is not what the stage was finished with.\n{remedy}'
  )


def owner(path: pathlib.Path) -> pathlib.Path | None:
  """Returns the folder of the stage that a file or folder is in, if any."""
  for folder in path.absolute().parents[:_DEPTH]:
    if any((folder / name).exists() for name in (MANIFEST, CLAIM)):
      return folder
  return None


def read(path: pathlib.Path) -> dict[str, Any]:
  """Returns what a manifest says.

  Raises:
    StoreError: It is unreadable, or was altered since.
  """
  manifest = files.read_json(path, dict[str, Any])
  try:
    digest = manifest.pop('sha256')
    if digest != hashlib.sha256(dumps(manifest)).hexdigest():
      raise ValueError
  except (AttributeError, KeyError, TypeError, ValueError):
    raise StoreError(
      f'{path} was altered.\nDelete it and run the same command again: whole'
      ' parts are kept.'
    ) from None
  return manifest
