"""The benchmark of the sampler, on a model that takes no time."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from wcse_jax import models, testing
from wcse_jax.sampling import Ledger

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


@pytest.mark.slow
def test_ours_alone(tmp_path):
  file = tmp_path / 'result.json'
  done = _benchmark('--shape=tiny', '--peers=', '--repeats=1', f'--json={file}')
  assert done.returncode == 0, done.stderr
  result = json.loads(file.read_text())
  assert result['tokens_per_s'].keys() == {'ours'}
  assert result['ratio'] == {}
  assert 0 < result['matmul_share'] < 1
  assert result['slots_busy'] == 1
  assert result['idle_share'] == 0  # all have the same length
  assert result['recompiles'] == 0
  assert result['programs'] <= 6
  assert result['shapes']['prefix_tokens'] == 16
  assert len(result['turns']['ours']) == 1


def test_an_unknown_peer_is_named():
  done = _benchmark('--shape=tiny', '--peers=gm,nobody')
  assert done.returncode == 2
  assert 'nobody' in done.stderr


@pytest.mark.slow
def test_settings_of_ours():
  if len(os.sched_getaffinity(0)) < 2:
    pytest.skip('needs two cores')
  done = _benchmark(
    *('--shape=tiny', '--peers=', '--repeats=1', '--problems=3'),
    *('--cores=2', '--dtype=bfloat16', '--no-exact'),
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout)
  shapes = result['shapes']
  assert shapes['ours'] == {'problems': 3, 'samples': 2, 'slots': 32}
  assert (shapes['dtype'], shapes['exact']) == ('bfloat16', False)
  assert result['machine']['cores_used'] == 2
  assert result['recompiles'] == 0  # the warm-up had fewer slots, too
  # Six samples of 32 slots: with --exact, 26 would be idle.
  assert result['idle_share'] == pytest.approx(2 / 8)


def test_engines_take_the_real_model_only():
  done = _benchmark('--shape=tiny', '--peers=vllm')
  assert done.returncode == 2
  assert '--shape=gemma3_270m' in done.stderr


def test_more_cores_than_there_are(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import machine

  with pytest.raises(ValueError, match='999 cores up to .*: name fewer'):
    machine.use_cores(999)


def test_idle_slot_steps(measures):
  spent = Ledger(tokens=80, refill_idle=5, tail_idle=15)
  assert measures.idle_share(spent) == 0.2
  assert measures.idle_share(Ledger()) == 0


def test_an_engine_gets_all_samples_and_files(measures, monkeypatch, tmp_path):
  import opponents
  import workloads

  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path))
  given = {}

  def note(peers, case, logits_V, *_):
    assert logits_V.ndim == 1
    given.update(dict.fromkeys(peers, case))
    return {}, dict.fromkeys(peers, 'noted')

  monkeypatch.setattr(opponents, 'start', note)
  work = dataclasses.replace(
    workloads.nano(3), n=2, dtype='bfloat16', peer_prompts=1, peer_n=4
  )
  found = measures.start(work, ['gm', 'vllm'], tmp_path, print)
  assert found == ({}, {'gm': 'noted', 'vllm': 'noted'})
  assert given['gm'].prompts == work.rows(1, 4)
  assert given['gm'].params and given['gm'].dtype == 'float32'
  engine = given['vllm']
  assert engine.prompts == work.rows(3, 2)
  assert engine.stop_strings == list(work.stop_strings) != []
  assert not engine.params and engine.dtype == 'bfloat16'
  assert models.load(engine.folder).config == work.model.config


def test_tokens_of_rows_that_stop_at_strings(measures):
  work = workload_of_texts(stop_strings=('\n\n',))
  rows = [work.encode('ab\n\n'), work.encode('abcdefgh')]
  turn = {'made': rows, 'seconds': 6.0, 'cpu_seconds': 3.0}
  counted = measures._their_turn(work, turn)
  assert counted['tokens_per_s'] == 2
  assert counted['tokens_per_cpu_s'] == 4
  assert counted['solutions_per_cpu_s'] == pytest.approx(1 / 3)
  assert counted['finished'] == 0.5


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


@pytest.mark.parametrize(
  ('dtype', 'allowed', 'taken'),
  [('float32', 1e-3, 0), ('float32', 0.05, 1), ('bfloat16', 1e-3, 1)],
)
def test_logits_may_differ_as_formats_do(
  measures, tmp_path, dtype, allowed, taken
):
  import opponents

  script = tmp_path / 'differs.py'
  script.write_text(
    'import sys, numpy as np\n'
    'np.save(sys.argv[1] + "/logits.npy", np.full(64, 1.01))\n'
    'print({}, flush=True)\n'
    'input()\n'
  )
  peer = {'near': opponents.Environment(str(script), error=allowed)}
  case = opponents.turns.Case(config={}, params={}, dtype=dtype)
  ready, skipped = opponents.start(
    peer, case, np.ones(64), tmp_path, lambda _: None
  )
  for started in ready.values():
    started.close()
  assert len(ready) == taken
  assert taken or 'differ from ours by 1.0%' in skipped['near']


def test_overrides_are_part_of_an_environment(measures, monkeypatch, tmp_path):
  import opponents

  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path))
  monkeypatch.setattr(opponents.shutil, 'which', lambda name, **_: '/bin/uv')
  ran = []

  def run(command, _):
    ran.append(command)
    if 'venv' in command:
      pathlib.Path(command[-1]).mkdir()
    else:
      file = command[command.index('--override') + 1]
      ran.append(pathlib.Path(file).read_text())

  monkeypatch.setattr(opponents, 'run', run)
  wanted = opponents.Environment('x.py', (), '3.11', ('a==1',), ('b==2',))
  opponents.interpreter('x', wanted)
  assert ran[-2][-1] == 'a==1' and ran[-1] == 'b==2'
  opponents.interpreter('x', wanted)
  assert len(ran) == 3  # it is there
  opponents.interpreter('x', dataclasses.replace(wanted, overrides=('b==3',)))
  assert ran[-1] == 'b==3'


def test_overrides_need_uv(measures, monkeypatch, tmp_path):
  import opponents

  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path))
  monkeypatch.setattr(opponents.shutil, 'which', lambda name, **_: None)
  wanted = opponents.Environment('x.py', (), '3.11', ('a==1',), ('b==2',))
  with pytest.raises(opponents.PeerError, match='only uv'):
    opponents.interpreter('x', wanted)


def workload_of_texts(**fields):
  import workloads

  return workloads.Workload(
    model=testing.tiny_model(),
    prefix='',
    prompts=['a'],
    n=1,
    slots=1,
    max_new_tokens=8,
    **fields,
  )


def test_a_row_is_finished_by_its_stop_string(measures):
  work = workload_of_texts(stop_strings=('\n\n',))
  tokens = work.encode('ab\n\ncd')
  assert work.solution_tokens(tokens) == 4
  assert work.solution_tokens(tokens[:3]) == 0
  assert work.solution_tokens([*tokens[:2], 1, 0, 0]) == 3  # EOS
