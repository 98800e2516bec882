"""What stops a run: Ctrl-C, and what systems send instead of it."""

import pathlib
import signal
import subprocess
import sys
import time

import pytest

from wcse_jax.runtime import progress
from wcse_jax.store import lease

ROOT = pathlib.Path(__file__).parents[1]
RUN = """
import pathlib, signal, sys, time
from wcse_jax.runtime import progress
from wcse_jax.store import mirror
if sys.argv[2] == 'nohup':
  signal.signal(signal.SIGHUP, signal.SIG_IGN)
try:
  with (
    progress.remembering_ctrl_c(),
    mirror.local(sys.argv[1], pathlib.Path('unused')) as folder,
    progress.remembering_ctrl_c(),
  ):
    print('ready', flush=True)
    try:
      time.sleep(3 if sys.argv[2] == 'nohup' else 60)
    finally:
      time.sleep(1.0)
      (folder / 'shard').write_text('what there is')
      print('committed', flush=True)
except KeyboardInterrupt:
  sys.exit(130)
"""


def _run(tmp_path, monkeypatch, *signals, how=''):
  """Starts a run, and sends it signals; returns its exit code and output."""
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  url = f'file://{tmp_path}/bucket/run'
  with subprocess.Popen(
    [sys.executable, '-c', RUN, url, how],
    stdout=subprocess.PIPE,
    text=True,
    cwd=ROOT,
  ) as process:
    assert process.stdout
    while process.stdout.readline() != 'ready\n':
      assert process.poll() is None
    for signum in signals:
      time.sleep(0.2)
      process.send_signal(signum)
    output = process.stdout.read()
  assert not (tmp_path / 'bucket/run' / lease.LEASE).exists()
  assert list((tmp_path / 'bucket/run').glob('shard.*'))
  return process.returncode, output.splitlines()[0]


@pytest.mark.parametrize('signum', progress.STOPS)
def test_what_stops_a_run_commits_what_there_is(tmp_path, monkeypatch, signum):
  """SIGTERM once left the lease, and the next start waited for two minutes."""
  assert _run(tmp_path, monkeypatch, signum) == (130, 'committed')


def test_several_of_them_are_one(tmp_path, monkeypatch):
  signals = signal.SIGHUP, signal.SIGTERM, signal.SIGTERM
  assert _run(tmp_path, monkeypatch, *signals) == (130, 'committed')


def test_nohup_goes_on_when_the_terminal_closes(tmp_path, monkeypatch):
  done = _run(tmp_path, monkeypatch, signal.SIGHUP, how='nohup')
  assert done == (0, 'committed')


def test_handlers_are_put_back():
  before = [signal.getsignal(signum) for signum in progress.STOPS]
  with progress.remembering_ctrl_c(), progress.remembering_ctrl_c():
    pass
  assert [signal.getsignal(signum) for signum in progress.STOPS] == before
