"""A stage's folder: parts, a manifest, and whose they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax.store import digests, files, manifests, tables
from wcse_jax.store.files import StoreError, dumps
from wcse_jax.store.manifests import CLAIM, DELETE, MANIFEST

_METADATA = b'wcse_jax'  # the key of a part's identity in its Parquet metadata
_PART = re.compile(r'part-(\d{5,})\.parquet')


def fingerprint(
  spec: Mapping[str, Any], upstream: Sequence[str] = (), version: int = 1
) -> str:
  """Returns the SHA-256, in hex, of what determines a stage's outcome.

  Args:
    spec: The stage's settings, JSON-able; the order of keys does not matter.
    upstream: The fingerprints of the stages that it reads, in a fixed order.
    version: The version of the stage's code; raise it when its outcome changes.

  >>> fingerprint({'k': 1, 'seed': 0}) == fingerprint({'seed': 0, 'k': 1})
  True
  >>> fingerprint({'k': 1}) == fingerprint({'k': 1}, version=2)
  False
  """
  identity = [spec, list(upstream), version]
  return hashlib.sha256(dumps(identity, sort_keys=True)).hexdigest()


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
  """A folder of the workdir. One thread writes at a time.

  Attributes:
    path: The folder.
    name: Its path within the workdir, e.g. 'sample/wc'.
    spec: The stage's settings, as JSON would return them.
    upstream: The fingerprints of the stages that it reads.
    version: The version of the stage's code.
    writer: Which parts this process writes: (index, count) stands for those
      whose number is `index` modulo `count`.
  """

  path: pathlib.Path
  name: str
  spec: Mapping[str, Any]
  upstream: list[str]
  version: int
  writer: tuple[int, int]

  @functools.cached_property
  def fingerprint(self) -> str:
    """The stage's identity; see the function of that name."""
    return fingerprint(self.spec, self.upstream, self.version)

  def at(self, path: pathlib.Path) -> 'Stage':
    """Returns the same stage in another folder."""
    return dataclasses.replace(self, path=path)

  def is_complete(self) -> bool:
    """Returns whether it was finished and has lost no file since.

    Raises:
      StoreError: It was finished with other settings; shows the difference.
    """
    manifest = self.manifest()
    if manifest is None:
      return False
    self._expect(manifest, self.file(MANIFEST))
    return all((self.path / name).exists() for name in manifest['files'])

  def manifest(self) -> dict[str, Any] | None:
    """Returns what `finish` wrote; None if the stage is not finished.

    Raises:
      StoreError: The manifest is unreadable, or was altered since.
    """
    path = self.file(MANIFEST)
    return manifests.read(path) if path.exists() else None

  def read_json(self, name: str) -> Any:
    """Returns what a JSON file of the stage holds.

    Raises:
      StoreError: The file is missing or no JSON, or was altered since the stage
        was finished.
    """
    path = self.file(name)
    manifests.check(path)
    return files.read_json(path)

  def file(self, name: str) -> pathlib.Path:
    """Returns where a file of the stage lies, or is to lie.

    Args:
      name: What it is called today; of an older version it may be another.
    """
    return manifests.named(self.path / name)

  def expect(self) -> None:
    """Makes sure that what is there, complete or not, is this stage's.

    Raises:
      StoreError: It was made with other settings; shows the difference.
    """
    if found := identity(self.path):
      self._expect(found[1], found[0])

  def claim(self) -> None:
    """Marks the folder as this stage's, for files that do not say it.

    Raises:
      StoreError: The folder was begun with other settings.
    """
    path = self.file(CLAIM)
    if path.exists():
      self._expect(files.read_json(path, dict[str, Any]), path)
    else:
      files.write_json(path, self._identity())

  def clear(self) -> None:
    """Removes the stage, all at once."""
    trash = self.path.with_name(f'.{self.path.name}.cleared')
    shutil.rmtree(trash, ignore_errors=True)
    if self.path.exists():
      os.rename(self.path, trash)
      shutil.rmtree(trash)

  def write_part(
    self,
    rows: pa.Table,
    schema: pa.Schema,
    info: Mapping[str, Any] | None = None,
  ) -> pathlib.Path:
    """Commits rows as the next part.

    Args:
      rows: A table that has at least the columns of the schema.
      schema: The columns to write, and their types.
      info: How the rows were made, JSON-able; `infos` returns it.

    Returns:
      The part's path.

    Raises:
      StoreError: The part could not be written; earlier parts stay.
      KeyError: A column is missing.
      ValueError: A value is missing, or of another type.
    """
    about = {**self._identity(), 'info': dict(info or {})}
    table = rows.select(schema.names).cast(schema)
    index, count = self.writer
    if count == 1:
      for leftover in self.path.glob('.*.tmp'):
        leftover.unlink()
    parts = self._parts()
    number = 1 + _number(parts[-1]) if parts else 0
    number += (index - number) % count
    path = self.path / f'part-{number:05d}.parquet'
    if path.name in (self.manifest() or {}).get('files', ()):  # it was lost
      manifests.remove(self.path)
    return _write(path, table, about)

  def rewrite(self, change: Callable[[pa.Table], pa.Table]) -> None:
    """Commits anew the parts that `change` makes shorter, whosever they are.

    The stage then is not complete any more.

    Args:
      change: A function that returns a table's rows that stay.

    Raises:
      StoreError: A part is damaged, or could not be written.
    """
    for path in self._parts():
      table = _read(path)
      kept = change(table)
      if kept.num_rows < table.num_rows:
        manifests.remove(self.path)
        _write(path, kept, _about(path))

  def read_parts(self, seen: dict[str, str] | None = None) -> pa.Table | None:
    """Returns all rows, in the order written; None if there are no parts.

    Args:
      seen: The parts that were read before, which are left out, with their
        digests. Those that are read are added.

    Raises:
      StoreError: A part is damaged, or of other settings.
    """
    parts = self._parts_once(seen)
    for path in parts.values():
      self._expect(_about(path), path)
    finished = (self.manifest() or {}).get('digests', {}) if parts else {}
    read = []
    for digest, path in parts.items():
      if finished.get(path.name, digest) != digest:
        raise manifests.altered(path, f'{DELETE}: only its rows are redone.')
      read.append(_read(path))
      with _damage_is_named(path):
        tables.check_words(read[-1])
    return pa.concat_tables(read) if read else None

  def recorded_rows(self) -> pa.Table | None:
    """Returns all rows, of whatever settings; None if there are no parts.

    Raises:
      StoreError: A part is damaged.
    """
    parts = [_read(path) for path in self._parts()]
    return pa.concat_tables(parts) if parts else None

  def infos(self) -> list[dict[str, Any]]:
    """Returns what `write_part` was told of each part.

    Raises:
      StoreError: A part is damaged.
    """
    return [_about(path)['info'] for path in self._parts_once().values()]

  def finish(self, **info: Any) -> None:
    """Marks the stage complete, with `info` in its manifest."""
    manifest = {**self._identity(), 'time': files.now(), **info}
    manifests.write(self.path, manifest)

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

  def _parts_once(
    self, seen: dict[str, str] | None = None
  ) -> dict[str, pathlib.Path]:
    """Returns the parts by digest: of copies, what one says counts once.

    Args:
      seen: The digests of parts that are left out; those of others are added.
    """
    once: dict[str, pathlib.Path] = {}
    known = {} if seen is None else seen
    before = {*known.values()}
    for path in self._parts():
      if path.name not in known:
        digest = known[path.name] = digests.sha256(path)
        if digest not in before:
          once.setdefault(digest, path)
    return once

  def _expect(self, identity: Mapping[str, Any], path: pathlib.Path) -> None:
    """Raises StoreError unless `identity`, found at `path`, is this stage's."""
    if identity.get('fingerprint') == self.fingerprint:
      return
    mine = self._identity()
    old, new = flat({key: identity.get(key) for key in mine}), flat(mine)
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


def identity(
  folder: pathlib.Path,
) -> tuple[pathlib.Path, dict[str, Any]] | None:
  """Returns the file of a folder that tells its stage, and what it tells.

  None if no file does that can be read; damage is told by those who need one.
  """
  parts = sorted(folder.glob('part-*.parquet'))
  marks = (manifests.named(folder / name) for name in (MANIFEST, CLAIM))
  for path in (*marks, *parts):
    with contextlib.suppress(StoreError):
      told = _about(path) if path in parts else files.read_json(path)
      if isinstance(told, dict) and 'fingerprint' in told:
        return path, told
  return None


def _write(
  path: pathlib.Path, table: pa.Table, about: Mapping[str, Any]
) -> pathlib.Path:
  buffer = pa.BufferOutputStream()
  pq.write_table(
    table.replace_schema_metadata({_METADATA: dumps(about)}),
    buffer,
    compression='zstd',
    write_page_checksum=True,
  )
  return files.commit(path, buffer.getvalue().to_pybytes())


def _read(path: pathlib.Path) -> pa.Table:
  with (
    _damage_is_named(path),
    # pq.read_table would import pandas.
    pq.ParquetFile(path, page_checksum_verification=True) as file,
  ):
    return file.read().replace_schema_metadata(None)


def _about(part: pathlib.Path) -> dict[str, Any]:
  with _damage_is_named(part):
    about = json.loads(pq.read_schema(part).metadata[_METADATA])
    return {**about, 'info': {**about['info']}}


@contextlib.contextmanager
def _damage_is_named(path: pathlib.Path) -> Iterator[None]:
  try:
    yield
  except (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    pa.ArrowException,
  ) as error:
    raise StoreError(
      f'{path} is damaged ({error}).\n{DELETE}: only its rows are redone.'
    ) from error


def _number(part: pathlib.Path) -> int:
  return int(part.stem.removeprefix('part-'))


def flat(value: Any, prefix: str = '') -> dict[str, str]:
  """Returns nested dicts by dotted path, the values as JSON.

  Example:
    >>> flat({'spec': {'model': {'name': 'nano_wc'}, 'seed': 0}})
    {'spec.model.name': '"nano_wc"', 'spec.seed': '0'}
  """
  if not isinstance(value, dict):
    return {prefix: json.dumps(value)}
  found = {}
  for key, child in value.items():
    found |= flat(child, f'{prefix}.{key}' if prefix else key)
  return found
