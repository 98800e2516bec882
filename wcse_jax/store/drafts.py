"""Drafts: a stage as one of several writers makes it, in a folder of its own.

Two may make the same stage, e.g. one that was given up and comes back. Neither
touches the other's files, and the first to put its draft in the stage's place
has made it. Who writes alone needs no draft.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import shutil

from wcse_jax.store.files import StoreError
from wcse_jax.store.stage import Stage, identity

_APPENDED = '.jsonl'  # other files are never changed in place


def begin(stage: Stage) -> Stage:
  """Returns the stage where this writer makes it.

  That is its draft or, alone, the place itself. If there is nothing yet, it
  goes on with a copy of what others have left, in the place or in their drafts.

  Args:
    stage: A stage in its place, which is not complete.
  """
  index, count = stage.writer
  made = stage
  if count > 1:
    path = _path(stage, str(index))
    made = dataclasses.replace(stage, path=path, writer=(0, 1))
    if not _has_begun(stage, path):
      shutil.rmtree(path, ignore_errors=True)  # of other settings
  if not made.path.exists():
    begun = [
      path
      for path in (stage.path, *_drafts(stage))
      if path != made.path and _has_begun(stage, path)
    ]
    if begun:
      _copy(max(begun, key=_num_files), made.path, _path(stage, f'{index}-new'))
  return made


def put(stage: Stage, made: Stage) -> None:
  """Puts a finished draft in its stage's place, unless another was first.

  Args:
    stage: The stage in its place.
    made: What `begin` returned.

  Raises:
    StoreError: It cannot be put there.
  """
  if made.path == stage.path:
    return
  try:
    _rename(made.path, stage.path)
  except OSError:  # there is something in its place
    if not stage.is_complete():
      stage.clear()  # one who was alone has begun it
      try:
        _rename(made.path, stage.path)
      except OSError as error:
        if not stage.is_complete():
          raise StoreError(
            f'{made.path} cannot be renamed to {stage.path}'
            f' ({error.strerror}).\nMake that folder writable, and run the same'
            ' command again: what was committed is kept.'
          ) from error
  shutil.rmtree(made.path, ignore_errors=True)  # the other's is in its place


def drop(stage: Stage) -> None:
  """Removes all drafts of a stage."""
  for path in _drafts(stage):
    shutil.rmtree(path, ignore_errors=True)


def _path(stage: Stage, name: str) -> pathlib.Path:
  return stage.path.with_name(f'.{stage.path.name}.draft-{name}')


def _drafts(stage: Stage) -> Iterator[pathlib.Path]:
  prefix = _path(stage, '').name
  with contextlib.suppress(OSError):  # there is no such folder
    for path in sorted(stage.path.parent.iterdir()):
      if path.name.startswith(prefix) and path.is_dir():
        yield path


def _has_begun(stage: Stage, path: pathlib.Path) -> bool:
  told = identity(path)
  return bool(told) and told[1]['fingerprint'] == stage.fingerprint


def _num_files(path: pathlib.Path) -> int:
  return sum(1 for _ in path.rglob('*'))


def _copy(
  source: pathlib.Path, target: pathlib.Path, beside: pathlib.Path
) -> None:
  """Copies a folder, or nothing if its files go while they are copied."""
  shutil.rmtree(beside, ignore_errors=True)
  passing = shutil.ignore_patterns('.*.tmp', '*orbax-checkpoint-tmp*')
  try:
    shutil.copytree(source, beside, copy_function=_link, ignore=passing)
    os.rename(beside, target)
  except OSError:  # shutil.Error is one
    shutil.rmtree(beside, ignore_errors=True)


def _link(source: str, target: str) -> None:
  try:
    if source.endswith(_APPENDED):
      raise OSError
    os.link(source, target)
  except OSError:  # or another disk
    shutil.copy2(source, target)


def _rename(source: pathlib.Path, target: pathlib.Path) -> None:
  os.rename(source, target)  # onto an empty folder, or none
  folder = os.open(target.parent, os.O_RDONLY)
  try:
    os.fsync(folder)
  finally:
    os.close(folder)
