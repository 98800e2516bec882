"""Digests of files."""

import hashlib
import pathlib


def sha256(path: pathlib.Path) -> str:
  """Returns the SHA-256 of a file's content, in hex."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
