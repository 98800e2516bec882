"""Tests run on one CPU device, unless the environment says otherwise."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
# Modules and programs are compiled once, not in each process and test.
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
os.environ.setdefault(
  'JAX_COMPILATION_CACHE_DIR',
  str(pathlib.Path(__file__).parents[1] / '.pytest_cache' / 'xla'),
)
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0')
if hasattr(signal, 'SIGHUP'):  # what is started with nohup would ignore it
  signal.signal(signal.SIGHUP, signal.SIG_DFL)
# And this one what a script starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
  """Leaves out what is slow, unless the environment has WCSE_SLOW."""
  if 'WCSE_SLOW' not in os.environ:
    for item in items:
      if item.get_closest_marker('slow'):
        item.add_marker(pytest.mark.skip('takes a while; WCSE_SLOW=1 runs it'))


@pytest.fixture(scope='session')
def finished(tmp_path_factory):
  """A finished run; copy it before changing it."""
  import small_run

  workdir = tmp_path_factory.mktemp('run') / 'small'
  done = small_run.run(workdir)
  assert done.returncode == 0, done.stderr[-2000:]
  return workdir, done.stdout


@pytest.fixture
def copied(finished, tmp_path):
  shutil.copytree(finished[0], tmp_path / 'run')
  return tmp_path / 'run'


@pytest.fixture
def busy():
  """Four endless loops on the one processor that this process is given."""
  if not hasattr(os, 'sched_setaffinity'):
    pytest.skip('the system cannot')
  before = os.sched_getaffinity(0)
  os.sched_setaffinity(0, {min(before)})
  loop = [sys.executable, '-c', 'while 1: pass']
  loops = [subprocess.Popen(loop, start_new_session=True) for _ in range(4)]
  yield
  os.sched_setaffinity(0, before)
  for process in loops:
    process.kill()
    process.wait()
