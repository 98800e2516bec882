"""The notebooks: what they promise, and that they run, on the CPU."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

COLAB = pathlib.Path(__file__).parents[1] / 'launch' / 'colab'
NOTEBOOKS = sorted(COLAB.glob('*.ipynb'))


def _cells(path, kind):
  cells = json.loads(path.read_text())['cells']
  return [(''.join(c['source']), c) for c in cells if c['cell_type'] == kind]


def _id(path):
  return path.stem


def test_there_are_three():
  assert len(NOTEBOOKS) == 3


def test_they_install_in_the_same_way():
  installs = {_cells(path, 'code')[1][0] for path in NOTEBOOKS}
  assert len(installs) == 1
  (install,) = installs
  assert '%pip install -q -c keep.txt {SOURCE}' in install


@pytest.mark.parametrize(
  ('installed', 'kept'),
  [
    ({'jax': '0.11.0', 'jaxlib': '0.11.0'}, ['jax==0.11.0', 'jaxlib==0.11.0']),
    ({'jax': '0.9', 'libtpu': '1', 'numpy': '2'}, ['jax==0.9', 'libtpu==1']),
    ({'jax-cuda12-plugin': '1', 'jaxtyping': '3'}, ['jax-cuda12-plugin==1']),
  ],
)
def test_the_runtimes_jax_is_held_fast(tmp_path, monkeypatch, installed, kept):
  """The install cell, with pip and the installed packages made up."""
  before = _cells(NOTEBOOKS[0], 'code')[1][0]
  line = '%pip install -q -c keep.txt {SOURCE}'
  assert before.count(line) == 1
  code = before.replace(line, "print('pip', SOURCE)")
  code = code.replace("util.find_spec('wcse_jax')", 'None')
  code = code.replace('metadata.distributions()', 'installed()')
  package = type('Package', (), {})

  def found():
    for name, version in installed.items():
      one = package()
      one.name, one.version = name, version
      yield one

  monkeypatch.chdir(tmp_path)
  exec(code, {'installed': found, 'SOURCE': 'here'})
  assert (tmp_path / 'keep.txt').read_text().splitlines() == kept


@pytest.mark.parametrize('path', NOTEBOOKS, ids=_id)
def test_outputs_are_shown_and_none_is_an_error(path):
  outputs = [o for _, cell in _cells(path, 'code') for o in cell['outputs']]
  assert len(outputs) >= 5
  assert {o['output_type'] for o in outputs} <= {
    'stream',
    'display_data',
    'execute_result',
  }
  assert not [o for o in outputs if o.get('name') == 'stderr']
  assert str(pathlib.Path.home()) not in path.read_text()
  assert path.stat().st_size < 200_000


@pytest.mark.skipif(
  'WCSE_SLOW' not in os.environ, reason='takes a while; WCSE_SLOW=1 runs it'
)
def test_they_run_from_start_to_end():
  pytest.importorskip('nbclient')
  pytest.importorskip('ipykernel')
  done = subprocess.run(
    [sys.executable, COLAB / 'execute.py', '--check'],
    env=os.environ | {'PYTHONPATH': str(COLAB.parents[1])},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-3000:]
  assert len(done.stdout.splitlines()) == 3
