"""A workdir on an object store, e.g. `gs://bucket/run`, worked on locally.

An object store has no rename, no append and no lock, so a run works in a local
folder, with all guarantees of `store`, and a thread keeps the remote copy up to
date. What counts is what INDEX.json lists: each file, and the object that holds
it, whose name ends in the sum of its content: whoever writes it, and however
late, writes the same. The index is written in one piece, after all that it
lists and before anything is removed, so that whatever the moment of a kill the
copy is a state that the folder had: checkpoints are whole, manifests true. What
a killed run had not listed yet is removed by the next. What was committed less
than a scan before is done again. What is copied is a snapshot, by hard links:
the run goes on meanwhile.

One run at a time holds the lease, an object that it renews. A run that died
loses it after `lease.PATIENCE_S`; one that lost it stops before it writes on,
and an index that it wrote in its last moment is replaced by the next scan.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import time

from wcse_jax.store import cache, files
from wcse_jax.store.lease import LEASE, Lease, every
from wcse_jax.store.objects import Objects, RemoteError

SCAN_S = 5.0  # between two scans of the folder
INDEX = 'INDEX.json'
_VERSION = re.compile(r'\.[0-9a-f]{8}([0-9a-f]{24})?$')  # ends an object's name
# Files on their way to their names, and locks of this machine.
_PASSING = re.compile(r'(^|/)\.|orbax-checkpoint-tmp')


@contextlib.contextmanager
def local(url: str, folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields the folder to work in, and keeps a remote workdir like it.

  Args:
    url: The workdir's URL, of a protocol that fsspec knows, e.g.
      'gs://bucket/run'; '' if the workdir is a local folder.
    folder: The local workdir. A remote one is worked on in a folder of the
      cache, `$WCSE_CACHE_DIR` or ~/.cache/wcse_jax.

  Raises:
    RemoteError: The workdir cannot be read or written, is in use by another
      run, or was taken over by one meanwhile.
  """
  if not url:
    yield folder
    return
  name = hashlib.sha256(url.encode()).hexdigest()[:16]
  mirror = Mirror(url, cache.folder() / 'workdirs' / name)
  with mirror.lease.held():
    mirror.pull()
    print(f'{url}: worked on in {mirror.folder}')
    with mirror.kept_up():
      yield mirror.folder


def check_local(workdir: str | os.PathLike[str]) -> None:
  """Makes sure that a workdir which is only to be read is a folder.

  Raises:
    RemoteError: The workdir is on an object store, where files have other
      names.
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
    url: The URL of the copy.
    folder: The local folder.
    lease: The right to write the copy.
  """

  def __init__(self, url: str, folder: pathlib.Path):
    self.url = url
    self.folder = folder
    self._objects = Objects(url)
    self.lease = Lease(self._objects)
    self._seen: dict[str, tuple[int, int]] = {}  # size, mtime in ns
    self._index: dict[str, list[str]] = {}  # object and md5 by path
    self._listed = b'{}'  # the same as it is there, if nobody else writes
    self._writing = b''  # the same as it was to be written last
    self._sent: dict[str, bool] = {}  # objects not listed yet: are they whole?
    self._stale: set[str] = set()  # objects to be removed
    self._swept = False  # whether what killed runs left was looked for
    self._frozen = folder.with_name(f'{folder.name}.snapshot')
    self._known = folder / '.index'  # INDEX.json as it was when both were alike

  def pull(self) -> None:
    """Makes the folder what INDEX.json says.

    If nothing was written there since this folder last was the same, what is
    here is newer, and stays.

    Raises:
      RemoteError: An object cannot be read, or is not what was written.
    """
    found = self._objects.read(INDEX) or b'{}'
    self._index, self._listed = self._parse(found), found
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
        beside.unlink(missing_ok=True)
        self._objects.download(held_by, beside)
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
      RemoteError: An object cannot be written, or the lease is lost.
    """
    self.lease.check()
    there = self._objects.read(INDEX) or b'{}'
    if there == self._writing:  # it was written, though its answer was lost
      self._index, self._listed = self._parse(there), there
    stamps = {name: _stamp(path) for name, path in self._local().items()}
    if (there, stamps, stamps.keys()) != (
      self._listed,
      self._seen,
      self._index.keys(),
    ):
      self._stale |= _objects(self._index)
      self._copy(there)
    if not self._swept:
      self._stale |= self._left()
      self._swept = True
    self._stale |= self._sent.keys()
    self._stale -= _objects(self._index)
    self._sent.clear()
    if self._stale:
      self.lease.check()
      self._objects.remove(self._stale)
      self._stale.clear()

  def _copy(self, there: bytes) -> None:
    """Writes what has changed, then the index, unless `there` is that."""
    index, seen = {}, {}
    for name, path in self._snapshot().items():
      stamp, before = _stamp(path), self._index.get(name)
      if before and self._seen.get(name) == stamp:
        index[name], seen[name] = before, stamp
        continue
      if path.suffix == '.jsonl':  # it may grow while it is copied
        path = shutil.copyfile(path, path.with_name(f'.{path.name}.copy'))
      now, digest = _stamp(path), _md5(path)
      # Copies of before have other names, of 8 digits or none.
      held_by = f'{name}.{digest}'
      if before and before[1] == digest:
        held_by = before[0]
      elif not self._sent.get(held_by):
        self._sent[held_by] = False
        self._objects.upload(path, held_by)
      if _stamp(path) == now:
        index[name], seen[name] = [held_by, digest], stamp
        self._sent[held_by] = True
      elif before:  # it grew meanwhile: the next scan will take it
        index[name] = before
    data = json.dumps(index, indent=0, sort_keys=True).encode()
    if data != there:
      self.lease.check()
      self._writing = data
      self._objects.write(INDEX, data)
    self._index, self._seen, self._listed = index, seen, data
    self._know(data)

  def _left(self) -> set[str]:
    """Returns the objects of runs that were killed before they listed them.

    What somebody else put there stays, and so do workdirs within this one.
    """
    names = self._objects.names()
    inner = tuple(
      name.removesuffix(end)
      for name in names
      for end in (f'/{INDEX}', f'/{LEASE}')
      if name.endswith(end)
    )
    return {
      name
      for name in names
      if name in self._index or _VERSION.search(name)
      if not name.startswith(tuple(f'{folder}/' for folder in inner))
    }

  @contextlib.contextmanager
  def kept_up(self, scan_s: float = SCAN_S) -> Iterator[None]:
    """Pushes every so often, and at the end, whatever that is.

    Raises:
      RemoteError: The last push failed, or there was none, as the lease is
        lost.
    """
    try:
      with every(scan_s, self.push, lambda: self.lease.lost):
        yield
    finally:
      if not self.lease.lost:
        self.push()
      shutil.rmtree(self._frozen, ignore_errors=True)
    self.lease.require()

  def _snapshot(self) -> dict[str, pathlib.Path]:
    """Returns links to the files as they are at one moment, by path."""
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

  def _parse(self, data: bytes) -> dict[str, list[str]]:
    """Returns what INDEX.json says; whoever writes to the bucket wrote it."""
    try:
      index = json.loads(data)
      for name, (held_by, digest) in index.items():
        for named in (name, held_by):
          if not files.is_plain(named) or _PASSING.search(named):
            raise ValueError(f'{named!r} is no file inside a workdir')
        if not isinstance(digest, str):
          raise ValueError(f'{name!r} has no sum')
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
      raise RemoteError(
        f'{self.url}/{INDEX} is damaged ({error}); choose another --workdir'
      ) from error
    return index

  def _know(self, index: bytes) -> None:
    files.commit(self._known, index)

  def _local(self) -> dict[str, pathlib.Path]:
    """Returns the files that are where they belong, by path within it."""
    found = {}
    for root, _, names in os.walk(self.folder):
      for file in names:
        path = pathlib.Path(root, file)
        name = path.relative_to(self.folder).as_posix()
        if not _PASSING.search(name):
          found[name] = path
    return found


def _objects(index: dict[str, list[str]]) -> set[str]:
  return {held_by for held_by, _ in index.values()}


def _md5(path: pathlib.Path) -> str:
  with open(path, 'rb') as file:
    md5 = lambda: hashlib.md5(usedforsecurity=False)
    return hashlib.file_digest(file, md5).hexdigest()


def _stamp(path: pathlib.Path) -> tuple[int, int]:
  about = path.stat()
  return about.st_size, about.st_mtime_ns
