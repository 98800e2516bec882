"""One run at a time works on a remote workdir."""

import signal
import threading
import time

import pytest

from wcse_jax.store import mirror
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


def test_a_lease_is_never_seen_half_written(tmp_path):
  """A run that read its own lease while it renewed it took it for lost."""
  mine = Lease(Objects(f'file://{tmp_path}/bucket/run'))
  mine.acquire(SOON_S)
  done = threading.Event()

  def renew():
    while not done.wait(0.0001):
      mine._renew()

  thread = threading.Thread(target=renew)
  thread.start()
  try:
    for _ in range(2000):
      mine.check()
  finally:
    done.set()
    thread.join()
  names = [path.name for path in (tmp_path / 'bucket' / 'run').iterdir()]
  assert names == ['LEASE.json']


@pytest.mark.parametrize('late', [False, True])
def test_who_finds_the_lease_lost_while_it_copies_stops(tmp_path, late):
  """It went on to its end, copied nothing more, and exited with 0."""
  url = f'file://{tmp_path}/bucket/run'
  scan_s = 1000 if late else SOON_S  # at the end, or meanwhile
  before = signal.signal(signal.SIGINT, signal.default_int_handler)

  def run():
    mine = mirror.Mirror(url, tmp_path / 'here')
    with mine.lease.held(), mine.kept_up(scan_s=scan_s):
      Objects(url).write('LEASE.json', b'another')
      time.sleep(0 if late else 60)

  try:
    with pytest.raises(RemoteError, match='taken over by another run'):
      run()
  finally:
    signal.signal(signal.SIGINT, before)
  assert Objects(url).read('LEASE.json') == b'another'


@pytest.mark.parametrize('create', [False, True])
def test_an_object_is_written_whole(tmp_path, create):
  objects = Objects(f'file://{tmp_path}/bucket')
  objects.write('a', b'first', create=create)
  if create:
    with pytest.raises(RemoteError, match='just taken'):
      objects.write('a', b'second', create=True)
    assert objects.read('a') == b'first'
  else:
    objects.write('a', b'second')
    assert objects.read('a') == b'second'
  assert objects.names() == {'a'}
