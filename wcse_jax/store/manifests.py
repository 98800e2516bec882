"""What a stage was finished with, and whether its files are still that."""

from collections.abc import Collection
import fnmatch
import hashlib
import json
import pathlib
import shutil
from typing import Any

from wcse_jax.store import digests, files
from wcse_jax.store.files import StoreError, dumps

# Readers of a folder of Parquet pass over what begins with '_'.
MANIFEST, _BEFORE = '_MANIFEST.json', 'MANIFEST.json'
CLAIM = '_CLAIM.json'
LOGS = '_*.jsonl'  # are written on, and no part of what a stage is
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
  if folder is None or not (manifest := named(folder / MANIFEST)).exists():
    return
  sums = read(manifest).get('digests', {})
  inside = path.absolute().relative_to(folder).as_posix()
  for name, digest in sums.items():
    if name == inside or name.startswith(f'{inside}/'):
      file = folder / name
      if not file.is_file() or digests.sha256(file) != digest:
        raise altered(file, f'{DELETE}.')


def named(path: pathlib.Path) -> pathlib.Path:
  """Returns a file whose name begins with '_', or what it was called before.

  Older versions wrote 'MANIFEST.json', and so on: theirs are read as they are.
  """
  old = path.with_name(path.name.removeprefix('_'))
  return old if old.exists() and not path.exists() else path


def write(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
  """Makes a stage one that is finished.

  Args:
    folder: The stage's folder.
    manifest: What its manifest is to say, JSON-able; it gets the digests of the
      files that are there.

  Raises:
    StoreError: It cannot be written.
  """
  sums = {
    name: digest
    for name, digest in digests.of_folder(folder).items()
    if name not in (MANIFEST, _BEFORE) and not fnmatch.fnmatch(name, LOGS)
  }
  made_of = {'files': [name for name in sums if '/' not in name]}
  _commit(folder, {**manifest, **made_of, 'digests': sums})


def discard(
  folder: pathlib.Path, unwanted: Collection[str], **info: Any
) -> None:
  """Removes folders of a stage that is finished, and stays so.

  Its manifest says so first: a kill leaves folders that are no part of it, and
  that the next call removes.

  Args:
    folder: The stage's folder.
    unwanted: What to remove, by path within that, with '/' between folders.
    **info: What its manifest is to say of that, JSON-able.

  Raises:
    StoreError: Its manifest cannot be read or written; then all is there.
  """
  manifest = read(named(folder / MANIFEST))
  within = tuple(f'{path}/' for path in unwanted)
  sums = manifest.get('digests', {})
  left = {n: digest for n, digest in sums.items() if not n.startswith(within)}
  if (said := {**manifest, 'digests': left, **info}) != manifest:
    _commit(folder, said)
  for path in unwanted:
    shutil.rmtree(folder / path, ignore_errors=True)


def _commit(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
  manifest = json.loads(dumps(manifest))
  digest = hashlib.sha256(dumps(manifest)).hexdigest()
  files.write_json(folder / MANIFEST, {**manifest, 'sha256': digest})
  (folder / _BEFORE).unlink(missing_ok=True)


def remove(folder: pathlib.Path) -> None:
  """Makes a stage one that is not finished."""
  for name in (MANIFEST, _BEFORE):
    (folder / name).unlink(missing_ok=True)


def altered(file: pathlib.Path, remedy: str) -> StoreError:
  """Returns the error of a file that is not what its stage finished with."""
  return StoreError(
    f'{file} is damaged: it is not what the stage was finished with.\n{remedy}'
  )


def owner(path: pathlib.Path) -> pathlib.Path | None:
  """Returns the folder of the stage that a file or folder is in, if any."""
  for folder in path.absolute().parents[:_DEPTH]:
    if any(named(folder / name).exists() for name in (MANIFEST, CLAIM)):
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
