"""Tests run on one CPU device, unless the environment says otherwise."""

import os
import shutil

import pytest

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')


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
