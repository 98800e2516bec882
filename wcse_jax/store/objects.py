"""Objects of an object store, and what is said when they cannot be had."""

from collections.abc import Iterable, Iterator
import contextlib
import pathlib
from typing import Any

from wcse_jax.errors import Error


class RemoteError(Error):
  """A remote workdir cannot be used; the text says what to do."""


class Objects:
  """The objects whose names begin with a URL.

  Every method raises `RemoteError` where the object store fails.

  Attributes:
    url: A URL of a protocol that fsspec knows, e.g. 'gs://bucket/run'.
  """

  def __init__(self, url: str):
    self.url = url
    with self._errors('open'):
      import fsspec

      from wcse_jax.store.local_objects import LocalObjects

      fs, root = fsspec.core.url_to_fs(url)
      self._fs: Any = LocalObjects() if 'file' in fs.protocol else fs
      self._root = root.rstrip('/')

  def make_root(self) -> None:
    """Makes the folder of all objects, where the store has folders."""
    with self._errors('write'):
      self._fs.makedirs(self._root, exist_ok=True)

  def read(self, name: str) -> bytes | None:
    """Returns what an object holds as it is now; None if there is none."""
    with self._errors('read'):
      try:
        self._fs.invalidate_cache()
        return self._fs.cat_file(f'{self._root}/{name}')
      except FileNotFoundError:
        return None

  def names(self) -> set[str]:
    """Returns the names of all objects there are."""
    with self._errors('read'):
      self._fs.invalidate_cache()
      prefix = f'{self._root}/'
      return {name.removeprefix(prefix) for name in self._fs.find(self._root)}

  def download(self, name: str, path: pathlib.Path) -> None:
    """Copies an object, if there is one, to a local file."""
    with self._errors('read'), contextlib.suppress(FileNotFoundError):
      self._fs.get_file(f'{self._root}/{name}', str(path))

  def upload(self, path: pathlib.Path, name: str) -> None:
    """Copies a local file to an object."""
    with self._errors('write'):
      self._fs.put_file(str(path), self._target(name))

  def write(self, name: str, data: bytes, *, create: bool = False) -> None:
    """Writes an object in one piece.

    Args:
      name: The object's name.
      data: All that it is to hold.
      create: Whether it is an error if the object exists.
    """
    with self._errors('write'):
      mode = 'create' if create else 'overwrite'
      self._fs.pipe_file(self._target(name), data, mode=mode)

  def remove(self, names: Iterable[str]) -> None:
    """Removes objects; one that does not exist is no error."""
    with self._errors('write'):
      for name in names:
        with contextlib.suppress(FileNotFoundError):
          self._fs.rm_file(f'{self._root}/{name}')

  def _target(self, name: str) -> str:
    target = f'{self._root}/{name}'
    self._fs.makedirs(target.rpartition('/')[0], exist_ok=True)
    return target

  @contextlib.contextmanager
  def _errors(self, what: str) -> Iterator[None]:
    try:
      yield
    except ImportError as error:
      raise RemoteError(
        f'{self.url}: {error}; for gs:// install gcsfs, in a clone by `make'
        " demo EXTRA=gcs`, launch/setup.sh gcs or pip install -e '.[gcs]'"
      ) from error
    except FileExistsError as error:
      raise RemoteError(
        f'{self.url} was just taken by another run; choose another --workdir'
      ) from error
    except Exception as error:  # each client has its own
      kind = type(error).__name__
      raise RemoteError(
        f'{self.url}: cannot {what} ({kind}: {error}).\nIs the bucket there,'
        ' are you logged in (gcloud auth application-default login), and have'
        ' you the role Storage Object Admin?'
      ) from error
