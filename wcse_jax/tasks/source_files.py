"""The official files of datasets: found or downloaded, and checked."""

import hashlib
import os
import pathlib
from typing import Any, NamedTuple

from wcse_jax.runtime import children as child


class Source(NamedTuple):
  """Where the official files of a task come from.

  Attributes:
    task: Its name.
    source_dir: The folder with them; '' takes $WCSE_DATA_DIR/task if that is
      there, else downloads what can be downloaded.
    dl_manager: TFDS's.
  """

  task: str
  source_dir: str
  dl_manager: Any

  def folder(self) -> pathlib.Path:
    """The folder of files that have no URL.

    Raises:
      TaskError: None is given.
    """
    if folder := self._given():
      return folder
    raise self._nowhere('there is no download')

  def path(self, url: str) -> pathlib.Path:
    """The file of a URL: of its name in the folder, else downloaded.

    Raises:
      TaskError: No folder is given, and the URL cannot be reached.
    """
    if folder := self._given():
      return folder / url.rpartition('/')[2]
    import urllib.request  # takes a while

    try:  # TFDS itself would try for minutes
      urllib.request.urlopen(url, timeout=20).close()
    except OSError as error:
      raise self._nowhere(f'{url} cannot be reached') from error
    return pathlib.Path(self.dl_manager.download(url))

  def _given(self) -> pathlib.Path | None:
    if self.source_dir:
      return pathlib.Path(self.source_dir)
    shared = os.environ.get('WCSE_DATA_DIR')
    default = pathlib.Path(shared or '', self.task)
    return default if shared and default.is_dir() else None

  def _nowhere(self, why: str) -> child.TaskError:
    return child.TaskError(
      f'config.task.data_dir: none is given, and {why}; give the folder with '
      f'the files of {self.task}, or set WCSE_DATA_DIR to the folder above a '
      f'folder {self.task} with them'
    )


def read(path: pathlib.Path, sha256: str, remedy: str) -> bytes:
  """The content of a file.

  Args:
    path: The file.
    sha256: Of the official content.
    remedy: Where to get the official file.

  Raises:
    TaskError: The file is missing or altered.
  """
  try:
    content = path.read_bytes()
  except OSError as error:
    raise child.TaskError(f'{path}: {error.strerror}; {remedy}') from error
  found = hashlib.sha256(content).hexdigest()
  if found != sha256:
    raise child.TaskError(
      f'{path}: sha256 is {found}, not {sha256}: the file was altered; {remedy}'
    )
  return content
