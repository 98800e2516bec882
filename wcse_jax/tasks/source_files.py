"""The official files of datasets: found or downloaded, and checked."""

from collections.abc import Callable
import dataclasses
import gzip
import hashlib
import json
import os
import pathlib
from typing import Any

from wcse_jax.runtime.children import TaskError

# Fetches the file of a URL and returns its path, as TFDS's managers do.
Download = Callable[[str], str | os.PathLike[str]]


@dataclasses.dataclass(frozen=True)
class Source:
  """Where the official files of a task come from.

  Attributes:
    task: The task's name.
    data_dir: The folder with the files; '' takes $WCSE_DATA_DIR/task if that
      is there, else downloads what can be downloaded.
    download: How files are fetched; None fetches none.
  """

  task: str
  data_dir: str
  download: Download | None

  def folder(self) -> pathlib.Path:
    """The folder of files that have no URL.

    Raises:
      TaskError: There is no such folder.
    """
    if folder := self._given():
      return folder
    raise self._nowhere('there is no download')

  def path(self, url: str) -> pathlib.Path:
    """The path of a URL's file: in the folder if there is one, else fetched.

    Raises:
      TaskError: There is no folder, and the URL cannot be reached.
    """
    if folder := self._given():
      return folder / url.rpartition('/')[2]
    if not self.download:
      raise self._nowhere('nothing is downloaded here')
    import urllib.request  # takes a while

    try:  # TFDS itself would try for minutes
      urllib.request.urlopen(url, timeout=20).close()
    except OSError as error:
      raise self._nowhere(f'{url} cannot be reached') from error
    return pathlib.Path(self.download(url))

  def _given(self) -> pathlib.Path | None:
    if self.data_dir:
      return pathlib.Path(self.data_dir)
    shared = os.environ.get('WCSE_DATA_DIR')
    default = pathlib.Path(shared or '', self.task)
    return default if shared and default.is_dir() else None

  def _nowhere(self, why: str) -> TaskError:
    return TaskError(
      f'config.task.data_dir: none is given, and {why}; give the folder with '
      f'the files of {self.task}, or set WCSE_DATA_DIR to the folder above a '
      f'folder {self.task} with them'
    )


def read(path: pathlib.Path, sha256: str, remedy: str) -> bytes:
  """The content of an official file.

  Args:
    path: The file.
    sha256: The checksum of the official content, in hex.
    remedy: Where to get the official file, for messages.

  Raises:
    TaskError: The file is missing or altered.
  """
  try:
    content = path.read_bytes()
  except OSError as error:
    raise TaskError(f'{path}: {error.strerror}; {remedy}') from error
  found = hashlib.sha256(content).hexdigest()
  if found != sha256:
    raise TaskError(
      f'{path}: sha256 is {found}, not {sha256}: the file was altered; {remedy}'
    )
  return content


def rows(path: pathlib.Path, sha256: str, remedy: str) -> list[dict[str, Any]]:
  """The rows of an official file that has one JSON object a line.

  Args:
    path: The file; one that gzip has compressed is decompressed.
    sha256: As in `read`.
    remedy: As in `read`.

  Raises:
    TaskError: The file is missing or altered.
  """
  content = read(path, sha256, remedy)
  if content.startswith(b'\x1f\x8b'):
    content = gzip.decompress(content)
  return [json.loads(line) for line in content.splitlines()]
