"""The scripts are the commands; without their environment they say so."""

import os
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


CONFIG = '--config=configs/wc_distill.py'
FLAGS = {
  'main': ('--config', '--workdir', '--stages', '--redo'),
  'plan': ('--config', '--topology', '--json', '--price', '--slots'),
}


@pytest.mark.parametrize(
  ('script', 'arguments', 'code', 'seconds'),
  [
    ('main', ['--help'], 0, 3),
    ('main', [CONFIG, '--config.sampling.topk=1'], 2, 3),
    ('plan', ['--help'], 0, 5),
    ('plan', [CONFIG], 2, 5),
  ],
)
def test_it_answers_without_jax(script, arguments, code, seconds):
  before = os.times()
  ran = subprocess.run(
    [sys.executable, '-X', 'importtime', f'launch/{script}.py', *arguments],
    capture_output=True,
    text=True,
    cwd=ROOT,
    check=False,
  )
  assert ran.returncode == code
  modules = [line.split('|')[-1].strip() for line in ran.stderr.splitlines()]
  assert 'ml_collections' in modules
  assert not {'jax', 'tensorflow'} & set(modules)
  spent = os.times().children_user - before.children_user
  assert spent < seconds, 'of a processor; the machine may be busy'
  if code == 0:
    assert all(flag in ran.stdout for flag in FLAGS[script])
