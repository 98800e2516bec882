"""Digests of files."""

import hashlib
import pathlib


def sha256(path: pathlib.Path) -> str:
  """Returns the SHA-256 of a file's content, in hex."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def of_folder(folder: pathlib.Path) -> dict[str, str]:
  """Returns the SHA-256 of each file in a folder, by its path within that.

  Hidden files and folders are left out.
  """
  names = (path.relative_to(folder) for path in folder.rglob('*'))
  return {
    name.as_posix(): sha256(folder / name)
    for name in sorted(names)
    if not any(part.startswith('.') for part in name.parts)
    if (folder / name).is_file()
  }
