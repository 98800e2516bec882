"""A workdir: its lock, its stages, and what it takes from other workdirs."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import socket
from typing import Any

from wcse_jax.store import files, manifests
from wcse_jax.store.files import StoreError
from wcse_jax.store.manifests import LOGS, MANIFEST
from wcse_jax.store.stage import Stage, identity


@dataclasses.dataclass(frozen=True)
class Store:
  """A workdir.

  Attributes:
    workdir: The workdir's folder; it is made when first written to.
    writer: (index, count) of this process among those that write parts.
    others: Workdirs whose finished stages may be taken over.
  """

  workdir: pathlib.Path
  writer: tuple[int, int] = (0, 1)
  others: Sequence[pathlib.Path] = ()

  def stage(
    self,
    name: str,
    spec: Mapping[str, Any],
    upstream: Sequence[str] = (),
    version: int = 1,
  ) -> Stage:
    """Returns the stage at `workdir/name`.

    Args:
      name: The stage's path within the workdir, e.g. 'sample/wc'.
      spec: As for `fingerprint`, as are the rest.
      upstream: See there.
      version: See there.
    """
    plain = json.loads(files.dumps(spec))
    path = self.workdir / name
    return Stage(path, name, plain, list(upstream), version, self.writer)

  def identities(self) -> dict[str, dict[str, Any]]:
    """Returns what each stage in the workdir was made of, as recorded.

    Returns:
      By the stage's name, `fingerprint`, `spec`, `upstream`, ...; empty for a
      folder that does not tell.
    """
    told: dict[str, dict[str, Any]] = {}
    for folder in sorted(self.workdir.glob('[!.]*/[!.]*/')):
      inner = {path: identity(path) for path in folder.glob('[!.]*/')}
      stages = {path: found for path, found in inner.items() if found}
      for path, found in (stages or {folder: identity(folder)}).items():
        told[path.relative_to(self.workdir).as_posix()] = (
          found[1] if found else {}
        )
    return told

  @contextlib.contextmanager
  def lock(self) -> Iterator[None]:
    """Keeps other runs out; a dead run's lock does not count.

    Raises:
      StoreError: Another run is using the workdir, or it is not writable.
    """
    index = self.writer[0]
    path = self.workdir / ('.lock' if index == 0 else f'.lock-{index}')
    with contextlib.ExitStack() as stack:
      try:
        self.workdir.mkdir(parents=True, exist_ok=True)
        file = stack.enter_context(
          open(path, 'a', encoding='utf-8', opener=_open_no_link)
        )
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(
          f'pid {os.getpid()} on {socket.gethostname()} since {files.now()}'
        )
        file.flush()
      except BlockingIOError:
        owner = (
          path.read_text(encoding='utf-8', errors='replace') or 'a starting run'
        )
        raise StoreError(
          f'{self.workdir} is in use by another run ({owner}).\n'
          'Wait for it, stop it, or choose another --workdir.'
        ) from None
      except OSError as error:
        if path.is_symlink():
          raise StoreError(
            f'{path} is a symbolic link: whoever made this workdir may mean'
            ' another file.\nDelete the link, or choose another --workdir.'
          ) from error
        raise StoreError(
          f'{path}: {error.strerror}.\n'
          'Choose a --workdir on a disk that can be written and locked.'
        ) from error
      yield

  def take_over(
    self, stage: Stage, others: Sequence[pathlib.Path]
  ) -> pathlib.Path | None:
    """Takes a finished stage from another workdir, if nothing of it is here.

    It must be the very same: of one fingerprint. Of several, the one with the
    most rows is taken, as pools grow. Its files are linked where the disk
    allows, else copied; they never change.

    Args:
      stage: A stage of this workdir.
      others: The workdirs to take it from, of several with as many rows the
        first.

    Returns:
      The workdir that it came from; None if nothing was taken.

    Raises:
      StoreError: The stage could not be copied.
    """
    if stage.path.exists():
      return None
    found = {workdir: _finished_rows(stage, workdir) for workdir in others}
    rows = {workdir: n for workdir, n in found.items() if n is not None}
    beside = stage.path.with_name(f'.{stage.path.name}.taken')
    for workdir in sorted(rows, key=rows.__getitem__, reverse=True):
      shutil.rmtree(beside, ignore_errors=True)
      beside.parent.mkdir(parents=True, exist_ok=True)
      try:
        shutil.copytree(
          workdir / stage.name,
          beside,
          copy_function=_link,
          # Who writes on in a file that is linked would change both.
          ignore=shutil.ignore_patterns(
            '.*.tmp', '*orbax-checkpoint-tmp*', LOGS
          ),
        )
      except OSError as error:  # shutil.Error is one
        if manifests.named(workdir / stage.name / MANIFEST).exists():
          raise StoreError(
            f'{stage.path} cannot be taken from {workdir}.\n'
            f'{str(error)[:300]}\nMake room, or leave out --reuse: it is then'
            ' computed here.'
          ) from error
        continue  # it was cleared there meanwhile
      with contextlib.suppress(StoreError):  # it was made anew there meanwhile
        if stage.at(beside).is_complete():
          os.rename(beside, stage.path)
          return workdir
    shutil.rmtree(beside, ignore_errors=True)
    return None


def _finished_rows(stage: Stage, workdir: pathlib.Path) -> int | None:
  """Returns how many rows a workdir has of a stage; None if not the whole."""
  there = stage.at(workdir / stage.name)
  with contextlib.suppress(StoreError):  # of other settings, or damaged
    if there.path != stage.path and there.is_complete():
      rows = (there.manifest() or {}).get('rows', 0)
      return rows if isinstance(rows, int) else 0
  return None


def _open_no_link(path: str, flags: int) -> int:
  return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)


def _link(source: str, target: str) -> None:
  try:
    os.link(source, target)
  except OSError:  # another disk
    shutil.copy2(source, target)
