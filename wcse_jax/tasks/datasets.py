"""The data sets' official files: found or downloaded, and checked."""

from collections.abc import Callable, Iterable
import dataclasses
import gzip
import hashlib
import json
import os
import pathlib
from typing import Any

from wcse_jax import data_files
from wcse_jax.records import Problem
from wcse_jax.runtime.children import TaskError

# Fetches the file of a URL and returns its path, as TFDS's managers do.
Download = Callable[[str], str | os.PathLike[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
  """What is known of a data set.

  Attributes:
    description: What TFDS tells of it.
    homepage: Its page, if it has one.
    version: TFDS's version of it, raised when its problems change.
    licence: What its data may be used under, e.g. 'MIT'.
    url: The folder that its files can be downloaded from; '' if there is none.
    folder: The folder of its files below $WCSE_DATA_DIR; '' is one of its name.
    remedy: Where to get the files by hand, for messages.
    sha256: The checksum of each official file, in hex.
    sizes: The number of problems of each split; empty if that depends on which
      files there are.
  """

  description: str
  homepage: str | None = None
  version: str = '1.0.0'
  licence: str = ''
  url: str = ''
  folder: str = ''
  remedy: str = ''
  sha256: dict[str, str] = dataclasses.field(default_factory=dict)
  sizes: dict[str, int] = dataclasses.field(default_factory=dict)


# By the names of the tasks.
DATASETS = {
  name: Dataset(**fields)
  for name, fields in data_files.tables(__file__).items()
}


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
  data_dir: str | os.PathLike[str] = ''
  download: Download | None = None

  def folder(self) -> pathlib.Path:
    """The folder of files that have no URL.

    Raises:
      TaskError: There is no such folder.
    """
    if folder := self._given():
      return folder
    raise self._nowhere('there is no download')

  def path(self, name: str) -> pathlib.Path:
    """The path of a file: in the folder if there is one, else fetched.

    Raises:
      TaskError: There is no folder, and the file's URL cannot be reached.
    """
    url = DATASETS[self.task].url
    if not url or self._given():
      return self.folder() / name
    if not self.download:
      raise self._nowhere('nothing is downloaded here')
    import urllib.request  # takes a while

    try:  # TFDS itself would try for minutes
      urllib.request.urlopen(url + name, timeout=20).close()
    except OSError as error:
      raise self._nowhere(f'{url}{name} cannot be reached') from error
    return pathlib.Path(self.download(url + name))

  def rows(self, name: str) -> list[dict[str, Any]]:
    """The rows of an official file, which has one JSON object a line.

    Args:
      name: The file's name; what gzip has compressed is decompressed.

    Raises:
      TaskError: The file is missing or altered, or cannot be fetched.
    """
    return [json.loads(line) for line in self._content(name).splitlines()]

  def document(self, name: str) -> Any:
    """What an official file of one JSON value holds; raises as `rows` does."""
    return json.loads(self._content(name))

  def _content(self, name: str) -> bytes:
    path, dataset = self.path(name), DATASETS[self.task]
    try:
      content = path.read_bytes()
    except OSError as error:
      raise TaskError(f'{path}: {error.strerror}; {dataset.remedy}') from error
    found, official = hashlib.sha256(content).hexdigest(), dataset.sha256[name]
    if found != official:
      raise TaskError(
        f'{path}: sha256 is {found}, not {official}: the file was altered;'
        f' {dataset.remedy}'
      )
    if content.startswith(b'\x1f\x8b'):
      return gzip.decompress(content)
    return content

  def _given(self) -> pathlib.Path | None:
    if self.data_dir:
      return pathlib.Path(self.data_dir)
    shared = os.environ.get('WCSE_DATA_DIR')
    default = pathlib.Path(shared or '', self._default)
    return default if shared and default.is_dir() else None

  @property
  def _default(self) -> str:
    return DATASETS[self.task].folder or self.task

  def _nowhere(self, why: str) -> TaskError:
    return TaskError(
      f'config.task.data_dir: none is given, and {why}; give the folder with '
      f'the files of {self.task}, or set WCSE_DATA_DIR to the folder above a '
      f'folder {self._default} with them'
    )


# The problems of each split.
Splits = dict[str, Iterable[Problem]]


def problems_of(
  task: str,
) -> Callable[[Callable[[Source], Splits]], Callable[..., Splits]]:
  """Makes a task's `problems` of a function that reads its official files.

  Args:
    task: The task's name.
  """

  def decorate(read: Callable[[Source], Splits]) -> Callable[..., Splits]:
    def problems(
      data_dir: str | os.PathLike[str] = '', download: Download | None = None
    ) -> Splits:
      """The problems of each split, from the official files.

      Args:
        data_dir: The folder with the files, see `Source`.
        download: How files are fetched where no folder has them; None fetches
          none.

      Raises:
        TaskError: A file is missing or altered, or cannot be fetched.
      """
      return read(Source(task, data_dir, download))

    return problems

  return decorate
