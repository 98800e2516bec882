"""One run at a time works on a remote workdir."""

import threading

import pytest

from wcse_jax.store.lease import Lease
from wcse_jax.store.objects import Objects, RemoteError

SOON_S = 0.05


def test_a_living_run_keeps_others_out(tmp_path):
  url = f'file://{tmp_path}/bucket/run'
  mine, other = Lease(Objects(url)), Lease(Objects(url))
  mine.acquire(SOON_S)
  done = threading.Event()

  def live():
    while not done.wait(SOON_S):
      mine._renew()

  thread = threading.Thread(target=live)
  thread.start()
  try:
    with pytest.raises(RemoteError, match='in use by another run'):
      other.acquire(patience_s=60)
  finally:
    done.set()
    thread.join()
  mine.release()
  other.acquire(patience_s=60)


def test_who_is_stopped_while_it_takes_the_lease_gives_it_back(
  tmp_path, monkeypatch
):
  objects = Objects(f'file://{tmp_path}/bucket/run')
  mine = Lease(objects)

  def stop(_):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr('time.sleep', stop)
    with pytest.raises(KeyboardInterrupt), mine.held():
      pass
  assert objects.read('LEASE.json') is None
