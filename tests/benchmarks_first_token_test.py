"""The benchmark of the first token, on a model that takes no time."""

import json
import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'


@pytest.mark.slow
def test_a_small_model_tells_its_first_token_and_memory(tmp_path):
  done = subprocess.run(
    [
      *(sys.executable, BENCHMARKS / 'first_token.py', '--model=nano_wc'),
      *('--runs=1', '--slots=8', f'--json={tmp_path / "found"}'),
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert 'the first token after' in done.stdout
  found = json.loads((tmp_path / 'found').read_text())
  assert 0 < found['Python, s'] < found['imports, s'] < found['weights, s']
  assert found['weights, s'] < found['first token, s']
  assert 0 < found['used, GB'] < found['peak, GB']
  assert found['model'] == 'nano_wc' and found['cpu']
