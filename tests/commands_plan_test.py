import importlib.util
import json
import pathlib
import runpy
import sys

import pytest

from wcse_jax.commands import plan
from wcse_jax.experiment import config as config_lib
from wcse_jax.models import presets
from wcse_jax.tpu import experiment, topology

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = '--config=configs/wc_distill.py'

needs_libtpu = pytest.mark.skipif(
  not importlib.util.find_spec('libtpu'),
  reason='libtpu is not installed: launch/setup.sh tpu',
)


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch, tmp_path):
  monkeypatch.chdir(ROOT)
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  # Where ml_collections puts the config file, to be reloaded, not replaced.
  monkeypatch.delitem(sys.modules, 'config_config', raising=False)


def launch(*arguments: str) -> int:
  return plan.main(['launch/plan.py', *arguments])


V5E = '--topology=v5e:2x4'
BAD_INPUT = [
  ([V5E], ['--config', 'configs/wc_distill.py']),
  (['--config=configs/paper.py', V5E], ['config.experiments', 'plan each']),
  ([CONFIG], ['--topology', 'v5e:2x4']),
  ([CONFIG, '--topology'], ['topology', 'value']),
  ([CONFIG, '--topology=v7x:2x2'], ['v7x:2x2', 'v5e:2x4', 'tpu7x:2x2x2']),
  ([CONFIG, '--topology=v5e:3x3'], ['v5e:3x3', '2x4', '16x16']),
  ([CONFIG, '--topology=v5p:2x4'], ['v5p:2x4', '2x2x1']),
  ([CONFIG, V5E, '--train_topology=v5'], ['v5', 'v5p:2x2x2']),
  ([CONFIG, V5E, '--price=cheap'], ['price', 'cheap', 'float']),
  ([CONFIG, V5E, '--price=-1'], ['price', '-1']),
  ([CONFIG, V5E, '--slots=0'], ['slots', '0']),
  ([CONFIG, V5E, '--json=/no/such/folder/x'], ['/no/such/folder/x', 'folder']),
  ([CONFIG, V5E, '--workdir=x'], ['--workdir', 'launch/main.py', '--help']),
  ([CONFIG, V5E, '--stages=sample'], ['--stages', 'launch/main.py']),
  ([CONFIG, V5E, '--redo=sample'], ['--redo', 'launch/main.py']),
  ([CONFIG, V5E, '--replicas=2'], ['--replicas', 'launch/main.py']),
  ([CONFIG, V5E, '--tpology=x'], ['tpology']),
  ([CONFIG, V5E, '--config.wc=gemma_9b'], ['config.wc', 'gemma_9b', 'gemma2']),
  ([CONFIG, V5E, '--config.student=gemma'], ['config.student', 'gemma_7b']),
  ([CONFIG, V5E, '--config.task.name=gsm'], ['config.task.name', 'gsm8k']),
  ([CONFIG, V5E, '--config.sampling.topk=1'], ['topk', 'sampling.top_k?']),
]


@pytest.mark.parametrize(('arguments', 'said'), BAD_INPUT)
def test_bad_input_is_three_lines_and_exit_code_2(capsys, arguments, said):
  assert launch(*arguments) == 2
  captured = capsys.readouterr()
  assert not captured.out
  assert captured.err.startswith('error: ')
  assert len(captured.err.splitlines()) <= 3, captured.err
  for text in said:
    assert text in captured.err


def test_without_libtpu_it_says_what_to_install(capsys, monkeypatch):
  find_spec = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    'find_spec',
    lambda name, *args: None if name == 'libtpu' else find_spec(name, *args),
  )
  topology.describe.cache_clear()
  assert launch(CONFIG, V5E) == 2
  error = capsys.readouterr().err
  assert 'libtpu' in error and 'launch/setup.sh tpu' in error
  assert len(error.splitlines()) <= 3


def test_what_does_not_fit_is_refused_with_what_would(capsys, monkeypatch):
  described = topology.Topology(name='v5e:1x1', devices=[None])
  monkeypatch.setattr(topology, 'describe', lambda name: described)
  assert launch(f'{CONFIG}:gemma2', '--topology=v5e:1x1') == 2
  error = capsys.readouterr().err
  assert len(error.splitlines()) <= 3
  for said in ('gemma2_27b', 'v5e:1x1', '1 device ', 'v5e:2x2', 'v5p:1x1x1'):
    assert said in error


def test_a_student_that_does_not_fit_is_refused(capsys, monkeypatch):
  described = topology.Topology(name='v5e:1x1', devices=[None])
  monkeypatch.setattr(topology, 'describe', lambda name: described)
  from wcse_jax.tpu import training

  monkeypatch.setattr(training, 'fit', lambda *args: None)
  arguments = [f'{CONFIG}:gemma2', '--train_topology=v5e:1x1']
  assert launch(*arguments) == 2
  error = capsys.readouterr().err
  for said in ('gemma_7b', 'v5e:1x1', '--train_topology=v5p', 'lora_rank'):
    assert said in error


def _works(config):
  told = lambda line: None
  return experiment._Planner(config, experiment.Options(), told)._works()


@pytest.mark.parametrize('path', sorted((ROOT / 'configs').glob('*.py')))
def test_the_number_of_problems_is_known(path):
  for config in runpy.run_path(str(path))['SCALES'].values():
    assert all(work.problems > 0 for _, _, work in _works(config))


@needs_libtpu
def test_a_plan_for_a_tpu_that_is_not_there(tmp_path, capsys):
  path = tmp_path / 'plan.json'
  arguments = [
    CONFIG,
    "--config.arms=('wc_number_matched',)",
    '--config.task.num_train=4',
    '--config.finetune.steps_low=10',
    '--config.finetune.batch_size=8',
    '--config.budget.high=10',
    '--config.finetune.steps_high=100',
    '--config.finetune.row_tokens=400',
    '--topology=v5e:2x4',
    '--train_topology=v5e:2x2',
    '--price=1.5',
    '--slots=16',
    '--prefix_tokens=64',
    '--prompt_tokens=30',
    '--example_tokens=80',
    f'--json={path}',
  ]
  assert launch(*arguments) == 0
  made = json.loads(path.read_text())
  assert set(made['programs']) == {
    'wc/prefix',
    'wc/question',
    'wc/refill',
    'wc/decode',
  }
  decode = made['programs']['wc/decode']
  config = presets.PRESETS['nano_wc'].config
  # Bytes, k and v, ...; the block at hand has 8 columns.
  kv = 4 * 2 * 4 * 2 * 32 * (64 + 16 * (32 + 80 + 8))
  assert decode['weights_plus_kv_bytes'] == pytest.approx(
    4 * config.num_params + kv, rel=1e-3
  )
  assert decode['hbm_bytes_per_chip'] > 4 * config.num_params
  assert decode['hbm_bytes_per_step'] > 0  # so small a model stays in VMEM
  assert decode['flops'] > 2 * 16 * config.non_embedding_params
  assert decode['roofline_s'] == pytest.approx(
    decode['hbm_bytes_per_step'] / 819e9
  )
  assert made['slots'] == {'wc': 16}
  assert made['generators']['wc']['replicas'] == 8
  assert made['tokens'] == 4 * 10 * 40
  assert made['cost_usd'] == 1.5 * made['chip_hours'] > 0
  assert made['tokens_per_s_per_chip'] == pytest.approx(
    made['tokens'] / made['chip_hours'] / 3600
  )

  student = made['training']['nano_student']
  assert student['topology'] == 'v5e:2x2'
  assert student['layout']['fsdp'] * student['layout']['tensor'] == 4
  # 400 / 80 - 0.5 examples in a row, so 2 rows for 8, and 100 x 8 in 89 x 2.
  assert student['rows'] == 2
  assert student['batches'] == {'low': 9, 'high': 89}
  assert student['students_per_budget'] == {'low': 1, 'high': 1}
  hours = 4 * (9 + 89) * student['roofline_s'] / 3600
  assert student['chip_hours'] == pytest.approx(hours)
  assert student['cost_usd'] == pytest.approx(1.5 * hours)
  collectives = student['collective_bytes_per_step']
  assert collectives['all-gather'] > 0
  params = presets.PRESETS['nano_student'].config.num_params
  assert student['hbm_bytes_per_chip'] > 12 * params / 4
  assert student['flops'] > 6 * 2 * 400 * params / 4
  said = capsys.readouterr().out
  assert 'wc: nano_wc, 8 replicas of 1 device, 16 slots each' in said
  assert '89 batches' in said and 'all-gather' in said


@needs_libtpu
def test_a_real_model_fits_a_chip_and_is_finetuned_on_four(tmp_path):
  path = tmp_path / 'plan.json'
  arguments = [
    f'{CONFIG}:gemma2',
    "--config.arms=('wc_number_matched',)",
    '--config.wc=gemma2_2b',
    '--config.student=gemma3_270m',
    '--config.finetune.dtype=bfloat16',
    '--topology=v5e:1x1',
    '--train_topology=v5e:2x2',
    '--slots=64',
    '--prefix_tokens=1100',
    f'--json={path}',
  ]
  assert launch(*arguments) == 0
  made = json.loads(path.read_text())
  decode = made['programs']['wc/decode']
  assert decode['hbm_bytes_per_step'] < 1.1 * decode['weights_plus_kv_bytes']
  config = presets.PRESETS['gemma2_2b'].config
  assert decode['weights_plus_kv_bytes'] > 2 * config.num_params
  assert decode['hbm_bytes_per_chip'] < 0.95 * topology.CHIPS['v5e'].hbm_bytes
  student = made['training']['gemma3_270m']
  params = presets.PRESETS['gemma3_270m'].config.num_params
  assert 12 * params / 4 < student['hbm_bytes_per_chip'] < 8 * 2**30
  tokens = student['rows'] * student['row_tokens']
  assert student['flops'] > 6 * tokens * params / 4


@pytest.mark.parametrize(
  ('name', 'pools'),
  [
    ('price_matched', {}),  # from files
    (
      'temperature_sweep',  # this one failed
      {
        'se': 'gemma2_27b',
        'se@1.0': 'gemma2_27b',
        'se@1.3': 'gemma2_27b',
        'wc': 'gemma2_9b',
      },
    ),
  ],
)
def test_pools_that_we_draw_are_planned(name, pools):
  get_config = runpy.run_path(f'configs/{name}.py')['get_config']
  config = config_lib.freeze(get_config('gemma2'))
  works = _works(config)
  assert {pool: made.model for pool, made, _ in works} == pools
