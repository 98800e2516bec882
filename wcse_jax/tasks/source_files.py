"""The official files of datasets: found or downloaded, and checked."""

import hashlib
import os
import pathlib
from typing import Any
import urllib.request

from wcse_jax.tasks import child


def folder(task: str, source_dir: str) -> str:
  """`source_dir`, or $WCSE_DATA_DIR/task if that is there, or ''."""
  if not source_dir and (shared := os.environ.get('WCSE_DATA_DIR')):
    default = pathlib.Path(shared, task)
    return str(default) if default.is_dir() else ''
  return source_dir


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


def download(dl_manager: Any, url: str, task: str) -> pathlib.Path:
  """The file of a URL, by TFDS's download manager.

  Raises:
    TaskError: The URL cannot be reached.
  """
  try:  # TFDS itself would try for minutes
    urllib.request.urlopen(url, timeout=20).close()
  except OSError as error:
    name = url.rpartition('/')[2]
    raise child.TaskError(
      f'config.task.data_dir: none is given, and {url} cannot be reached; '
      f'give the folder of {name}, or set WCSE_DATA_DIR to the folder above '
      f'a folder {task} with it'
    ) from error
  return pathlib.Path(dl_manager.download(url))
