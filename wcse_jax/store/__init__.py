"""The workdir: the only writer of artifacts, checkpoints apart.

Every file is written beside its place, fsynced and renamed, so a kill at any
moment leaves the old state or the new one. A stage is a folder of Parquet parts
and JSON files; its MANIFEST.json is written last, so its presence means that
the stage is complete. Parts carry the identity of their stage (its spec, the
fingerprints upstream, its version), so rows of two settings never mix.

A pool (`sample/*`, `verify/*`) grows: its spec says only what determines a row,
never how many; read `read_parts`, write what is missing, `finish` again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import typing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import records
from wcse_jax.errors import Error

_MANIFEST = 'MANIFEST.json'
_CLAIM = 'CLAIM.json'
_METADATA = b'wcse_jax'  # the key of a part's identity in its Parquet metadata
_PART = re.compile(r'part-(\d{5,})\.parquet')
_ARROW = {
  str: pa.string(),
  records.FinishReason: pa.string(),
  records.Decision: pa.string(),
  int: pa.int32(),
  float: pa.float64(),
  bool | None: pa.bool_(),
}


class StoreError(Error):
  """The workdir cannot be used as asked. Names the file and the remedy."""


def _schema(record: type) -> pa.Schema:
  hints = typing.get_type_hints(record)
  return pa.schema(
    pa.field(name, _ARROW[hint], nullable=hint == bool | None)
    for name, hint in hints.items()
  )


PROBLEMS = _schema(records.Problem)
SAMPLES = _schema(records.Sample)
VERDICTS = _schema(records.Verdict)
EXAMPLES = _schema(records.Example)


def to_table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
  """Records as a table, e.g. `to_table(samples, SAMPLES)`."""
  return pa.Table.from_pylist([vars(row) for row in rows], schema=schema)


def from_table[T](table: pa.Table | None, record: type[T]) -> list[T]:
  """A table's rows as records; none for no table."""
  return [record(**row) for row in table.to_pylist()] if table else []


def fingerprint(
  spec: Mapping[str, Any], upstream: Sequence[str] = (), version: int = 1
) -> str:
  """sha256, in hex, of what determines a stage's outcome.

  Args:
    spec: JSON-able settings; the order of keys does not matter.
    upstream: Fingerprints of the stages it reads, in a fixed order.
    version: Of the stage's code; raise it when its outcome changes.
  """
  identity = [spec, list(upstream), version]
  return hashlib.sha256(_dumps(identity, sort_keys=True)).hexdigest()


def write_json(path: pathlib.Path, value: Any) -> pathlib.Path:
  """Commits `value` to `path`; ValueError for nan and infinities."""
  return commit(path, _dumps(value, indent=2))


def read_json(path: pathlib.Path) -> Any:
  """What `write_json` wrote.

  Raises:
    StoreError: Missing or not JSON.
  """
  try:
    return json.loads(path.read_bytes())
  except (OSError, ValueError) as error:
    raise StoreError(
      f'{path} cannot be read ({error}).\nDelete it and run the same command'
      ' again: it is made anew, and whole parts beside it are kept.'
    ) from error


def commit(path: pathlib.Path, data: bytes) -> pathlib.Path:
  """Writes a whole file or nothing, making its folder.

  Raises:
    StoreError: It could not be written, e.g. because the disk is full.
  """
  temporary = path.with_name(f'.{path.name}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(temporary, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
      os.fsync(folder)
    finally:
      os.close(folder)
  except OSError as error:
    with contextlib.suppress(OSError):
      temporary.unlink(missing_ok=True)
    raise StoreError(
      f'{path}: {error.strerror} while writing {len(data):,} bytes.\n'
      'Everything committed before stays. Make room (or make the folder'
      ' writable) and run the same command again.'
    ) from error
  return path


class Store:
  """A workdir.

  Attributes:
    workdir: Its folder; made when first written to.
    writer: (index, count) of this process among those that write parts.
    others: Workdirs whose finished stages may be taken over.
  """

  def __init__(
    self,
    workdir: str | os.PathLike[str],
    writer: tuple[int, int] = (0, 1),
    others: Sequence[str | os.PathLike[str]] = (),
  ):
    self.workdir = pathlib.Path(workdir)
    self.writer = writer
    self.others = [pathlib.Path(other) for other in others]

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
        file = stack.enter_context(open(path, 'a+', encoding='utf-8'))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(
          f'pid {os.getpid()} on {socket.gethostname()} since {_now()}'
        )
        file.flush()
      except BlockingIOError:
        owner = path.read_text(encoding='utf-8') or 'a starting run'
        raise StoreError(
          f'{self.workdir} is in use by another run ({owner}).\n'
          'Wait for it, stop it, or choose another --workdir.'
        ) from None
      except OSError as error:
        raise StoreError(
          f'{path}: {error.strerror}.\n'
          'Choose a --workdir on a disk that can be written and locked.'
        ) from error
      yield

  def take_over(
    self, stage: 'Stage', others: Sequence[pathlib.Path] | None = None
  ) -> pathlib.Path | None:
    """Takes a finished stage from another workdir, if nothing of it is here.

    It must be the very same: of one fingerprint. Of several, the one with the
    most rows: pools grow. Its files are linked where the disk allows, else
    copied; they never change.

    Args:
      stage: Of this workdir.
      others: Workdirs to take it from; default: all others.

    Returns:
      The workdir that it came from.

    Raises:
      StoreError: It could not be copied.
    """
    if stage.path.exists():
      return None
    found = []
    for number, workdir in enumerate(self.others if others is None else others):
      there = stage.at(workdir / stage.name)
      with contextlib.suppress(StoreError):  # of other settings, or damaged
        if there.path != stage.path and there.is_complete():
          rows = (there.manifest() or {}).get('rows', 0)
          rows = rows if isinstance(rows, int) else 0
          found.append((rows, -number, workdir))
    beside = stage.path.with_name(f'.{stage.path.name}.taken')
    for *_, workdir in sorted(found, reverse=True):
      shutil.rmtree(beside, ignore_errors=True)
      beside.parent.mkdir(parents=True, exist_ok=True)
      try:
        shutil.copytree(
          workdir / stage.name,
          beside,
          copy_function=_link,
          # Who writes on in a file that is linked would change both.
          ignore=shutil.ignore_patterns('.*.tmp', '*orbax-checkpoint-tmp*'),
        )
      except OSError as error:  # shutil.Error is one
        if (workdir / stage.name / _MANIFEST).exists():
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

  def stage(
    self,
    name: str,
    spec: Mapping[str, Any],
    upstream: Sequence[str] = (),
    version: int = 1,
  ) -> 'Stage':
    """The stage at `workdir/name`, e.g. 'sample/wc'; see `fingerprint`."""
    return Stage(
      self.workdir / name, name, spec, upstream, version, self.writer
    )


class Stage:
  """A folder of the workdir. One thread writes at a time.

  Attributes:
    path: The folder.
    name: Its path within the workdir.
    spec: Its settings, as JSON would return them.
    upstream: Fingerprints of the stages it reads.
    version: Of the stage's code.
    fingerprint: Of the three above.
    writer: Which parts are this process's: those of number index, modulo count.
  """

  def __init__(
    self,
    path: pathlib.Path,
    name: str,
    spec: Mapping[str, Any],
    upstream: Sequence[str],
    version: int,
    writer: tuple[int, int] = (0, 1),
  ):
    self.path = path
    self.writer = writer
    self.name = name
    self.spec = json.loads(_dumps(spec))
    self.upstream = list(upstream)
    self.version = version
    self.fingerprint = fingerprint(self.spec, self.upstream, version)

  def at(self, path: pathlib.Path) -> 'Stage':
    """The same stage in another folder."""
    return Stage(
      path, self.name, self.spec, self.upstream, self.version, self.writer
    )

  def is_complete(self) -> bool:
    """Whether it was finished with this fingerprint and lost no file since.

    Raises:
      StoreError: Finished with other settings; shows the difference.
    """
    manifest = self.manifest()
    if manifest is None:
      return False
    self._expect(manifest, self.path / _MANIFEST)
    return all((self.path / name).exists() for name in manifest['files'])

  def manifest(self) -> dict[str, Any] | None:
    """What `finish` wrote; None if it has not.

    Raises:
      StoreError: Unreadable, or altered since.
    """
    path = self.path / _MANIFEST
    if not path.exists():
      return None
    manifest = read_json(path)
    try:
      digest = manifest.pop('sha256')
      if digest != hashlib.sha256(_dumps(manifest)).hexdigest():
        raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError):
      raise StoreError(
        f'{path} was altered.\nDelete it and run the same command again: whole'
        ' parts are kept.'
      ) from None
    return manifest

  def claim(self) -> None:
    """Says whose the folder is, for files that do not carry it themselves.

    Raises:
      StoreError: It was begun with other settings.
    """
    path = self.path / _CLAIM
    if path.exists():
      self._expect(read_json(path), path)
    else:
      write_json(path, self._identity())

  def clear(self) -> None:
    """Removes the stage, all at once."""
    trash = self.path.with_name(f'.{self.path.name}.cleared')
    shutil.rmtree(trash, ignore_errors=True)
    if self.path.exists():
      os.rename(self.path, trash)
      shutil.rmtree(trash)

  def write_part(
    self,
    rows: pa.Table | Sequence[Mapping[str, Any]],
    schema: pa.Schema,
    info: Mapping[str, Any] | None = None,
  ) -> pathlib.Path:
    """Commits rows as the next part, with `info` on how they were made.

    Raises:
      StoreError: It could not be written; earlier parts stay.
      pyarrow.ArrowInvalid: A column is missing or of another type.
    """
    if isinstance(rows, Sequence):
      table = pa.Table.from_pylist(list(rows), schema=schema)
    else:
      table = rows.select(schema.names).cast(schema)
    about = {**self._identity(), 'info': dict(info or {})}
    buffer = pa.BufferOutputStream()
    pq.write_table(
      table.replace_schema_metadata({_METADATA: _dumps(about)}),
      buffer,
      compression='zstd',
      write_page_checksum=True,
    )
    index, count = self.writer
    if count == 1:
      for leftover in self.path.glob('.*.tmp'):
        leftover.unlink()
    parts = self._parts()
    number = 1 + _number(parts[-1]) if parts else 0
    number += (index - number) % count
    path = self.path / f'part-{number:05d}.parquet'
    return commit(path, buffer.getvalue().to_pybytes())

  def read_parts(self) -> pa.Table | None:
    """All committed rows, in the order written; None if there are no parts.

    Raises:
      StoreError: A part is damaged, or of other settings.
    """
    tables = [self._read_part(path) for path in self._parts()]
    return pa.concat_tables(tables) if tables else None

  def has_parts(self) -> bool:
    """Whether any rows are committed."""
    return bool(self._parts())

  def infos(self) -> list[dict[str, Any]]:
    """What `write_part` was told of each part.

    Raises:
      StoreError: A part is damaged.
    """
    return [self._about(path)['info'] for path in self._parts()]

  def write_json(self, name: str, value: Any) -> pathlib.Path:
    """Commits `value` to the file `name`; see `write_json` above."""
    return write_json(self.path / name, value)

  def read_json(self, name: str) -> Any:
    """What `write_json` wrote; StoreError if missing or damaged."""
    return read_json(self.path / name)

  def finish(self, **info: Any) -> None:
    """Marks the stage complete, with `info` in its manifest."""
    manifest = {
      **self._identity(),
      'time': _now(),
      'files': sorted(
        path.name
        for path in self.path.glob('[!.]*')
        if path.is_file() and path.name != _MANIFEST
      ),
      **info,
    }
    manifest = json.loads(_dumps(manifest))
    digest = hashlib.sha256(_dumps(manifest)).hexdigest()
    write_json(self.path / _MANIFEST, {**manifest, 'sha256': digest})

  def _identity(self) -> dict[str, Any]:
    return {
      'stage': self.name,
      'fingerprint': self.fingerprint,
      'spec': self.spec,
      'upstream': self.upstream,
      'version': self.version,
    }

  def _parts(self) -> list[pathlib.Path]:
    paths = self.path.glob('part-*.parquet')
    return sorted((p for p in paths if _PART.fullmatch(p.name)), key=_number)

  def _read_part(self, path: pathlib.Path) -> pa.Table:
    self._expect(self._about(path), path)
    with (
      _damage_is_named(path),
      # pq.read_table would import pandas.
      pq.ParquetFile(path, page_checksum_verification=True) as file,
    ):
      table = file.read()
    return table.replace_schema_metadata(None)

  def _about(self, path: pathlib.Path) -> dict[str, Any]:
    with _damage_is_named(path):
      return json.loads(pq.read_schema(path).metadata[_METADATA])

  def _expect(self, identity: Mapping[str, Any], path: pathlib.Path) -> None:
    """StoreError unless `identity`, found at `path`, is this stage's."""
    if identity['fingerprint'] == self.fingerprint:
      return
    mine = self._identity()
    old, new = _flat({key: identity.get(key) for key in mine}), _flat(mine)
    changes = [
      f'  {key}: {old.get(key, "absent")} -> {new.get(key, "absent")}'
      for key in sorted(old.keys() | new.keys())
      if key != 'fingerprint' and old.get(key) != new.get(key)
    ]
    raise StoreError(
      '\n'.join([f'{path} was made with other settings:', *changes])
      + f'\nRun with --redo={self.name} to make it anew, or choose another'
      ' --workdir to keep it.'
    )


def _link(source: str, target: str) -> None:
  try:
    os.link(source, target)
  except OSError:  # another disk
    shutil.copy2(source, target)


@contextlib.contextmanager
def _damage_is_named(path: pathlib.Path) -> Iterator[None]:
  try:
    yield
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise StoreError(
      f'{path} is damaged ({error}).\nDelete that file and run the same'
      ' command again: only its rows are redone.'
    ) from error


def _number(part: pathlib.Path) -> int:
  return int(part.stem.removeprefix('part-'))


def _flat(value: Any, prefix: str = '') -> dict[str, str]:
  """Nested dicts as {'spec.model.name': text}."""
  if not isinstance(value, dict):
    return {prefix: json.dumps(value)}
  flat = {}
  for key, child in value.items():
    flat |= _flat(child, f'{prefix}.{key}' if prefix else key)
  return flat


def _dumps(value: Any, **options: Any) -> bytes:
  return json.dumps(value, allow_nan=False, **options).encode()


def _now() -> str:
  return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
