"""A workdir on an object store, e.g. `gs://bucket/run`, worked on locally.

An object store has no rename, no append and no lock, so a run works in a local
folder, with all guarantees of `store`, and a thread keeps the remote copy up to
date. What counts is what INDEX.json lists: each file, and the object that holds
it: one of the file's own name, or, of a file that changes, one for a version.
The index is written in one piece, after all that it lists and before anything
is removed, so that whatever the moment of a kill the copy is a state that the
folder had: checkpoints are whole, manifests true. What was committed less than
a scan before is done again. What is copied is a snapshot, by hard links: the
run goes on meanwhile.

One run at a time holds the lease, an object that it renews. A run that died
loses it after `PATIENCE_S`; one that lost it stops before it writes on.
"""

from collections.abc import Callable, Iterable, Iterator
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import threading
import time

from wcse_jax.store import cache

SCAN_S = 10.0  # between two scans of the folder
RENEW_S = 15.0  # between two renewals of the lease
PATIENCE_S = 120.0  # with a lease that nobody renews
INDEX, LEASE = 'INDEX.json', 'LEASE.json'
# Files on their way to their names, and locks of this machine.
_PASSING = re.compile(r'(^|/)\.|orbax-checkpoint-tmp')


class RemoteError(RuntimeError):
  """A remote workdir cannot be used; the text says what to do."""


@contextlib.contextmanager
def local(url: str, folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields the folder to work in, and keeps a remote workdir like it.

  Args:
    url: Of a protocol that fsspec knows, e.g. 'gs://bucket/run'; '' if the
      workdir is a local folder.
    folder: That folder; of a remote workdir, it is one in the cache,
      `$WCSE_CACHE_DIR` or ~/.cache/wcse_jax.

  Raises:
    RemoteError: It cannot be read or written, is in use by another run, or was
      taken over by one meanwhile.
  """
  if not url:
    yield folder
    return
  name = hashlib.sha256(url.encode()).hexdigest()[:16]
  mirror = Mirror(url, cache.folder() / 'workdirs' / name)
  with mirror.held():
    mirror.pull()
    print(f'{url}: worked on in {mirror.folder}')
    with mirror.kept_up():
      yield mirror.folder


def check_local(workdir: str | os.PathLike[str]) -> None:
  """Makes sure that a workdir which is only to be read is a folder.

  Raises:
    RemoteError: It is on an object store, where files have other names.
  """
  if re.match(r'\w+:/', str(workdir)):  # of '//', pathlib keeps one
    raise RemoteError(
      f'{workdir} is on an object store: fetch it with the launch/main.py'
      ' command of its run and --stages=report,\nthen give the folder which'
      ' that names'
    )


class Mirror:
  """A folder and its remote copy.

  Attributes:
    url: Of the copy.
    folder: The local one.
  """

  def __init__(self, url: str, folder: pathlib.Path):
    self.url = url
    self.folder = folder
    self._owner = f'{os.getpid()} on {socket.gethostname()}, {time.time_ns()}'
    self._seen: dict[str, tuple[int, int]] = {}  # size, mtime in ns
    self._index: dict[str, list[str]] = {}  # object and md5 by path
    self._sent: dict[str, str] = {}  # md5 by object: there, but not listed yet
    self._unsure = False  # whether the last index was written
    self._lost = False
    self._frozen = folder.with_name(f'{folder.name}.snapshot')
    self._known = folder / '.index'  # INDEX.json as it was when both were alike
    with self._errors('open'):
      import fsspec

      self._fs, root = fsspec.core.url_to_fs(url)
      self._root = root.rstrip('/')

  # --- the lease -------------------------------------------------------------

  def acquire(self, patience_s: float = PATIENCE_S) -> None:
    """Takes the lease, from a dead run if need be.

    Raises:
      RemoteError: A run renews it, or nothing can be written.
    """
    deadline = None
    with self._errors('write'):
      self._fs.makedirs(self._root, exist_ok=True)
    while (found := self._read(LEASE)) is not None:
      if deadline is None:
        first, deadline = found, time.monotonic() + patience_s
        print(
          f'{self.url}: a run has left {LEASE} ({found.decode()}); waiting'
          f' {patience_s:.0f} s to see whether it is alive'
        )
      if found != first:
        raise RemoteError(
          f'{self.url} is in use by another run ({found.decode()}).\n'
          'Wait for it, stop it, or choose another --workdir.'
        )
      if time.monotonic() > deadline:
        self._remove([LEASE])
      time.sleep(min(1.0, patience_s / 10))
    self._renew(create=True)
    # Of two that found a dead run's, the later one has it.
    time.sleep(min(1.0, patience_s / 10))
    self._check()

  @contextlib.contextmanager
  def held(self, renew_s: float = RENEW_S) -> Iterator[None]:
    """Has the lease, and renews it every so often.

    Raises:
      RemoteError: As in `acquire`; if the lease is lost, at once.
    """
    self.acquire()
    try:
      with _every(renew_s, self._renew, lambda: self._lost):
        yield
    except KeyboardInterrupt:
      self._check()  # it may be what stopped the run
      raise
    finally:
      self.release()

  def release(self) -> None:
    """Gives the lease back, if it is still this run's."""
    with contextlib.suppress(RemoteError):
      self._check()
      self._remove([LEASE])

  def _renew(self, *, create: bool = False) -> None:
    if not create:
      self._check()
    lease = {'run': self._owner, 'time': time.time_ns()}
    self._write(LEASE, json.dumps(lease).encode(), create=create)

  def _check(self) -> None:
    found = self._read(LEASE)
    if found is None or self._owner.encode() not in found:
      self._lost = True
      raise RemoteError(
        f'{self.url} was taken over by another run'
        f' ({(found or b"none").decode()}); this one stops'
      )

  # --- the copy --------------------------------------------------------------

  def pull(self) -> None:
    """Makes the folder what INDEX.json says.

    If nothing was written there since this folder last was the same, what is
    here is newer, and stays.

    Raises:
      RemoteError: Something cannot be read, or is not what was written.
    """
    found = self._read(INDEX) or b'{}'
    try:
      self._index = json.loads(found)
    except ValueError as error:
      raise RemoteError(
        f'{self.url}/{INDEX} is damaged ({error}); choose another --workdir'
      ) from error
    if self._known.exists() and self._known.read_bytes() == found:
      return
    if found == b'{}' and self._local():
      raise RemoteError(
        f'{self.url} has no {INDEX}, but {self.folder} has what a run left'
        ' there.\nRestore the copy, or delete that folder to begin anew.'
      )
    for name in set(self._local()) - set(self._index):
      (self.folder / name).unlink()
      for parent in (self.folder / name).parents:  # Orbax takes one for a step
        if parent == self.folder or any(parent.iterdir()):
          break
        parent.rmdir()
    for name, (held_by, digest) in self._index.items():
      path = self.folder / name
      if not path.exists() or _md5(path) != digest:
        beside = path.with_name(f'.{path.name}.pulled')
        beside.parent.mkdir(parents=True, exist_ok=True)
        with self._errors('read'), contextlib.suppress(FileNotFoundError):
          self._fs.get_file(f'{self._root}/{held_by}', str(beside))
        if not beside.exists() or _md5(beside) != digest:
          raise RemoteError(
            f'{self.url}/{held_by} is missing or altered, though {INDEX} lists'
            ' it; restore it, or choose another --workdir'
          )
        os.replace(beside, path)
      self._seen[name] = _stamp(path)
    self._know(found)

  def push(self) -> None:
    """Brings the copy up to date.

    Raises:
      RemoteError: Something cannot be written, or the lease is lost.
    """
    self._check()
    if self._unsure:  # it may have been written, though its answer was lost
      self._index = json.loads(self._read(INDEX) or b'{}')
    stamps = {name: _stamp(path) for name, path in self._local().items()}
    if stamps == self._seen and stamps.keys() == self._index.keys():
      return
    index, seen = {}, {}
    for name, path in self._snapshot().items():
      stamp, before = _stamp(path), self._index.get(name)
      if before and self._seen.get(name) == stamp:
        index[name], seen[name] = before, stamp
        continue
      digest = _md5(path)
      if before and before[1] == digest:
        held_by = before[0]
      else:
        held_by = f'{name}.{digest[:8]}' if before else name
        if self._sent.get(held_by) != digest:
          self._sent.pop(held_by, None)
          self._upload(path, held_by)
      if _stamp(path) == stamp:
        index[name], seen[name] = [held_by, digest], stamp
        self._sent[held_by] = digest
      elif before:  # it grew meanwhile: the next scan will take it
        index[name] = before
    data = json.dumps(index, indent=0, sort_keys=True).encode()
    if index != self._index:
      self._check()
      self._unsure = True
      self._write(INDEX, data)
    old = {held_by for held_by, _ in self._index.values()}
    self._index, self._seen, self._unsure = index, seen, False
    self._know(data)
    self._sent.clear()
    self._remove(old - {held_by for held_by, _ in index.values()})

  @contextlib.contextmanager
  def kept_up(self, scan_s: float = SCAN_S) -> Iterator[None]:
    """Pushes every so often, and at the end, whatever that is.

    Raises:
      RemoteError: The last push failed.
    """
    try:
      with _every(scan_s, self.push):
        yield
    finally:
      if not self._lost:
        self.push()
      shutil.rmtree(self._frozen, ignore_errors=True)

  def _snapshot(self) -> dict[str, pathlib.Path]:
    """Links to the files as they are at one moment, by path."""
    inodes = lambda: {
      name: path.stat().st_ino for name, path in self._local().items()
    }
    while True:
      shutil.rmtree(self._frozen, ignore_errors=True)
      made = {}
      try:
        before = inodes()
        for name in before:
          made[name] = self._frozen / name
          made[name].parent.mkdir(parents=True, exist_ok=True)
          os.link(self.folder / name, made[name])
        if inodes() == before:
          return made
      except FileNotFoundError:  # cleared meanwhile
        time.sleep(0.01)

  def _know(self, index: bytes) -> None:
    self.folder.mkdir(parents=True, exist_ok=True)
    beside = self._known.with_name('.index.tmp')
    beside.write_bytes(index)
    os.replace(beside, self._known)

  def _local(self) -> dict[str, pathlib.Path]:
    """The files that are where they belong, by path within the folder."""
    found = {}
    for root, _, files in os.walk(self.folder):
      for file in files:
        path = pathlib.Path(root, file)
        name = path.relative_to(self.folder).as_posix()
        if not _PASSING.search(name):
          found[name] = path
    return found

  # --- objects ---------------------------------------------------------------

  def _read(self, name: str) -> bytes | None:
    with self._errors('read'):
      try:
        self._fs.invalidate_cache()
        return self._fs.cat_file(f'{self._root}/{name}')
      except FileNotFoundError:
        return None

  def _upload(self, path: pathlib.Path, name: str) -> None:
    target = f'{self._root}/{name}'
    with self._errors('write'):
      self._fs.makedirs(target.rpartition('/')[0], exist_ok=True)
      self._fs.put_file(str(path), target)

  def _write(self, name: str, data: bytes, *, create: bool = False) -> None:
    path = f'{self._root}/{name}'
    with self._errors('write'):
      self._fs.makedirs(path.rpartition('/')[0], exist_ok=True)
      mode = 'create' if create else 'overwrite'
      self._fs.pipe_file(path, data, mode=mode)

  def _remove(self, names: Iterable[str]) -> None:
    with self._errors('write'):
      for name in names:
        with contextlib.suppress(FileNotFoundError):
          self._fs.rm_file(f'{self._root}/{name}')

  @contextlib.contextmanager
  def _errors(self, what: str) -> Iterator[None]:
    try:
      yield
    except ImportError as error:
      raise RemoteError(
        f'{self.url}: {error}; for gs:// install gcsfs, in a clone by `make'
        " demo EXTRA=gcs`, launch/setup.sh gcs or pip install -e '.[gcs]'"
      ) from error
    except FileExistsError as error:
      raise RemoteError(
        f'{self.url} was just taken by another run; choose another --workdir'
      ) from error
    except Exception as error:  # each client has its own
      kind = type(error).__name__
      raise RemoteError(
        f'{self.url}: cannot {what} ({kind}: {error}).\nIs the bucket there,'
        ' are you logged in (gcloud auth application-default login), and have'
        ' you the role Storage Object Admin?'
      ) from error


@contextlib.contextmanager
def _every(
  seconds: float,
  action: Callable[[], None],
  hopeless: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
  """Acts every so often; an error is told, one without hope stops the run."""
  done = threading.Event()

  def work():
    while not done.wait(seconds):
      try:
        action()
      except (RemoteError, OSError) as error:  # the network may come back
        print(f'warning: {error}', file=sys.stderr)
        if hopeless():
          os.kill(os.getpid(), signal.SIGINT)
          return

  thread = threading.Thread(target=work, daemon=True)
  thread.start()
  try:
    yield
  finally:
    done.set()
    thread.join()


def _md5(path: pathlib.Path) -> str:
  with open(path, 'rb') as file:
    md5 = lambda: hashlib.md5(usedforsecurity=False)
    return hashlib.file_digest(file, md5).hexdigest()


def _stamp(path: pathlib.Path) -> tuple[int, int]:
  about = path.stat()
  return about.st_size, about.st_mtime_ns
