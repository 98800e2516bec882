"""Files as objects: what stands in for an object store, or is mounted."""

import os
import pathlib
from typing import Any
import uuid

from fsspec.implementations.local import LocalFileSystem


class LocalObjects(LocalFileSystem):
  """Local files that are written whole, as objects are.

  fsspec empties a file and then fills it: who reads it in between, or after a
  kill, sees a part.
  """

  def pipe_file(
    self, path: str, value: bytes, mode: str = 'overwrite', **_: Any
  ) -> None:
    """Writes a file in one piece.

    Args:
      path: The file.
      value: All that it is to hold.
      mode: 'overwrite', or 'create': then it is an error if it exists.
      **_: Taken by other file systems.

    Raises:
      FileExistsError: It exists, and was to be created.
    """
    target = pathlib.Path(path)
    beside = target.with_name(f'.{target.name}.{uuid.uuid4().hex}')
    try:
      beside.write_bytes(value)
      if mode == 'create':
        os.link(beside, target)
      else:
        os.replace(beside, target)
    finally:
      beside.unlink(missing_ok=True)
