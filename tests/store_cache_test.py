import pathlib

from wcse_jax.store import cache


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.setenv('WCSE_CACHE_DIR', '~/elsewhere')
  assert cache.folder() == tmp_path / 'elsewhere'
  for unset in ('', None):
    if unset is None:
      monkeypatch.delenv('WCSE_CACHE_DIR')
    else:
      monkeypatch.setenv('WCSE_CACHE_DIR', unset)
    assert cache.folder() == pathlib.Path(tmp_path, '.cache', 'wcse_jax')
