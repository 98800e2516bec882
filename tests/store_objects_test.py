import sys

import pytest

from wcse_jax.store.objects import Objects, RemoteError


def test_a_missing_client_names_the_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'gcsfs', None)
  with pytest.raises(RemoteError, match='EXTRA=gcs'):
    Objects('gs://bucket/run')
