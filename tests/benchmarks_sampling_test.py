"""The benchmark of the sampler, on a model that takes no time."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from wcse_jax import testing

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'


def _benchmark(*args):
  return subprocess.run(
    [sys.executable, str(BENCHMARKS / 'sampling.py'), *args],
    capture_output=True,
    text=True,
    check=False,
  )


@pytest.fixture
def measures(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import measures

  return measures


def test_ours_alone(tmp_path):
  file = tmp_path / 'result.json'
  done = _benchmark('--shape=tiny', '--peers=', '--repeats=1', f'--json={file}')
  assert done.returncode == 0, done.stderr
  result = json.loads(file.read_text())
  assert result['tokens_per_s'].keys() == {'ours'}
  assert result['ratio'] == {}
  assert 0 < result['matmul_share'] < 1
  assert result['slots_busy'] == 1
  assert result['recompiles'] == 0
  assert result['programs'] <= 6
  assert result['shapes']['prefix_tokens'] == 16
  assert len(result['turns']['ours']) == 1


def test_an_unknown_peer_is_named():
  done = _benchmark('--shape=tiny', '--peers=gm,nobody')
  assert done.returncode == 2
  assert 'nobody' in done.stderr


def test_flops_are_those_of_the_products(measures):
  config = testing.TINY  # 4 heads of 16; one local layer that sees 5 tokens
  # Two prefix tokens, a question of two, one new token: in all 4 tokens are
  # processed, one of them with the output layer; they see 1, 2, 3 and 4.
  flops = measures.unavoidable_flops(config, 2, [2], [(4, 1)])
  dense = 2 * 4 * config.non_embedding_params
  output = 2 * config.num_embed * config.embed_dim
  attention = 4 * 4 * 16 * (1 + 2 + 3 + 4) * 2
  assert flops == dense + output + attention


def test_flops_of_a_local_layer_stop_at_its_window(measures):
  config = testing.TINY
  seen = lambda n: measures.unavoidable_flops(config, 0, [], [(n, 1)])
  # Past the window only the global layer sees more.
  assert seen(9) - seen(8) == 4 * 4 * 16
  assert seen(4) - seen(3) == 2 * 4 * 4 * 16


def test_a_peer_that_fails_is_skipped_with_its_reason(measures, tmp_path):
  import opponents
  import workloads

  script = tmp_path / 'fails.py'
  script.write_text('raise SystemExit("no such accelerator")')
  broken = {'broken': opponents.Environment(str(script))}
  case = workloads.of_shape('tiny').case()
  ready, skipped = opponents.start(
    broken, case, np.ones(64), tmp_path, lambda _: None
  )
  assert ready == {}
  assert 'no such accelerator' in skipped['broken']


def test_a_row_is_finished_by_its_stop_string(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import workloads

  work = workloads.Workload(
    model=testing.tiny_model(),
    prefix='',
    prompts=['a'],
    n=1,
    slots=1,
    max_new_tokens=8,
    stop_strings=('\n\n',),
  )
  tokens = work.encode('ab\n\ncd')
  assert work.solution_tokens(tokens) == 4
  assert work.solution_tokens(tokens[:3]) == 0
  assert work.solution_tokens([*tokens[:2], 1, 0, 0]) == 3  # EOS
