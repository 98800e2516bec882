"""The scripts are the commands; without their environment they say so."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize('script', ['main', 'plan', 'split'])
def test_another_python_is_told_which_to_use(script, tmp_path):
  # -I and -S: without PYTHONPATH and installed packages, as a system's Python.
  done = subprocess.run(
    [sys.executable, '-I', '-S', ROOT / 'launch' / f'{script}.py'],
    capture_output=True,
    text=True,
    cwd=tmp_path,
    check=False,
  )
  assert done.returncode == 1
  assert done.stderr.startswith("error: No module named 'wcse_jax'")
  assert 'source .venv/bin/activate' in done.stderr
  assert len(done.stderr.splitlines()) == 2
