"""A kill leaves the old file or the new one; bad files say what to do."""

import contextlib
import os

import pytest

from wcse_jax import store


def test_missing_or_damaged_json_is_an_error(tmp_path):
  with pytest.raises(store.StoreError, match=r'results\.json cannot be read'):
    store.read_json(tmp_path / 'results.json')
  with pytest.raises(ValueError, match='JSON'):
    store.write_json(tmp_path / 'results.json', float('nan'))


@pytest.mark.parametrize('calls', [0, 1, 2, 3])
def test_commit_dies_with_the_old_file_or_the_new_whole(
  tmp_path, monkeypatch, calls
):
  """Death after each of fsync(file), rename, fsync(folder)."""
  path = store.commit(tmp_path / 'file', b'old')
  done = []

  class Killed(BaseException):
    pass

  def dying(name):
    original = getattr(os, name)

    def call(*args):
      if len(done) == calls:
        raise Killed
      done.append(name)
      return original(*args)

    return call

  with monkeypatch.context() as patch, contextlib.suppress(Killed):
    for name in ('fsync', 'replace'):
      patch.setattr(os, name, dying(name))
    store.commit(path, b'new')
  assert done == ['fsync', 'replace', 'fsync'][:calls]
  assert path.read_bytes() == (b'new' if 'replace' in done else b'old')


@pytest.mark.parametrize('name', ['.config.json.tmp', 'config.json'])
@pytest.mark.parametrize('link', ['symlink_to', 'hardlink_to'])
def test_a_link_in_place_of_a_file_is_not_followed(tmp_path, name, link):
  """A stranger's workdir once had any file of the user's truncated."""
  (tmp_path / 'mine').write_text('precious')
  getattr(tmp_path / name, link)(tmp_path / 'mine')
  store.write_json(tmp_path / 'config.json', 1)
  assert (tmp_path / 'mine').read_text() == 'precious'
  assert store.read_json(tmp_path / 'config.json') == 1
  assert not (tmp_path / 'config.json').is_symlink()
  assert {path.name for path in tmp_path.iterdir()} == {'mine', 'config.json'}
