import importlib.util
import json
import pathlib
import subprocess
import sys
import time

import plan
import pytest

from wcse_jax.models import presets
from wcse_jax.sampling import topology

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = '--config=configs/wc_distill.py'
GIB = 2**30

needs_libtpu = pytest.mark.skipif(
  not importlib.util.find_spec('libtpu'),
  reason='libtpu is not installed: pip install "jax[tpu]"',
)


@pytest.fixture(autouse=True)
def _as_a_new_process(monkeypatch):
  monkeypatch.chdir(ROOT)
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  # Where ml_collections puts the config file, to be reloaded, not replaced.
  monkeypatch.delitem(sys.modules, 'config_config', raising=False)


def launch(*arguments: str) -> int:
  return plan.main(['launch/plan.py', *arguments])


def work(model: str, **changes) -> plan.Work:
  settings = {
    'model': model,
    'config': presets.PRESETS[model].config,
    'problems': 100,
    'samples': 10,
    'prefix_tokens': 1100,
    'prompt_tokens': 160,
    'max_new_tokens': 256,
    'mean_tokens': 128.0,
    'stop_states': 5,
  }
  return plan.Work(**{**settings, **changes})


V5E, NANO = '--topology=v5e:2x4', f'{CONFIG}:nano'
BAD_INPUT = [
  ([V5E], ['--config', 'configs/wc_distill.py']),
  ([CONFIG], ['--topology', 'v5e:2x4']),
  ([CONFIG, '--topology'], ['topology', 'value']),
  ([CONFIG, '--topology=v7x:2x2'], ['v7x:2x2', 'v5e:2x4', 'tpu7x:2x2x2']),
  ([CONFIG, '--topology=v5e:3x3'], ['v5e:3x3', '2x4', '16x16']),
  ([CONFIG, '--topology=v5p:2x4'], ['v5p:2x4', '2x2x1']),
  ([CONFIG, V5E, '--price=cheap'], ['price', 'cheap', 'float']),
  ([CONFIG, V5E, '--price=-1'], ['price', '-1']),
  ([CONFIG, V5E, '--slots=0'], ['slots', '0']),
  ([CONFIG, V5E, '--json=/no/such/folder/x'], ['/no/such/folder/x', 'folder']),
  ([CONFIG, V5E, '--workdir=x'], ['workdir', '--help']),
  ([CONFIG, V5E, '--tpology=x'], ['tpology']),
  ([CONFIG, V5E, '--config.wc=gemma_9b'], ['config.wc', 'gemma_9b', 'gemma2']),
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
  assert launch(CONFIG, V5E) == 2
  error = capsys.readouterr().err
  assert 'libtpu' in error and 'pip install "jax[tpu]"' in error
  assert len(error.splitlines()) <= 3


@pytest.mark.parametrize(
  ('model', 'devices', 'gib', 'tensor'),
  [
    ('gemma2_2b', 8, 15, 1),
    ('gemma_7b', 8, 15, 2),
    ('gemma2_9b', 8, 15, 2),
    ('gemma2_27b', 8, 15, 8),
    ('gemma2_27b', 4, 15, 4),  # tight: the most there are
    ('gemma2_27b', 4, 90, 1),
    ('gemma3_1b', 8, 15, 1),  # its one kv head does not divide
    ('gemma3_12b', 4, 15, 4),
  ],
)
def test_a_model_takes_as_few_devices_as_its_weights_need(
  model, devices, gib, tensor
):
  assert plan.choose_tensor(work(model), devices, gib * GIB) == tensor


def test_room_for_slots_is_what_weights_and_prefix_leave():
  gemma = work('gemma2_2b')  # 26 layers, 4 kv heads of 256
  a_token = 2 * 26 * 4 * 256 * 2
  weights = 2 * presets.PRESETS['gemma2_2b'].config.num_params
  slots = plan.most_slots(gemma, 1, 15 * GIB)
  left = 15 * GIB - weights - 1100 * a_token - slots * 416 * a_token
  assert 0 <= left < 416 * a_token
  assert plan.most_slots(gemma, 2, 15 * GIB) > 2 * slots
  assert plan.most_slots(work('gemma2_27b'), 1, 15 * GIB) < 0


def test_what_does_not_fit_is_refused_with_what_would(capsys, monkeypatch):
  described = topology.Topology(
    name='v5e:1x1',
    chip=topology.CHIPS['v5e'],
    num_chips=1,
    devices=[None],
  )
  monkeypatch.setattr(topology, 'describe', lambda name: described)
  assert launch(f'{CONFIG}:gemma2', '--topology=v5e:1x1') == 2
  error = capsys.readouterr().err
  assert len(error.splitlines()) <= 3
  for said in ('gemma2_27b', 'v5e:1x1', '1 device ', 'v5e:2x2', 'v5p:1x1x1'):
    assert said in error


def program(seconds: float) -> plan.Program:
  cost = topology.Cost(
    argument_bytes=0,
    result_bytes=0,
    temporary_bytes=0,
    flops=0,
    moved_bytes=0,
  )
  return plan.Program(
    cost=cost, weights_plus_kv_bytes=0, roofline_s=seconds, compile_s=0
  )


def test_time_is_prefill_and_steps_of_the_busiest_replica():
  took = {'prefix': 7.0, 'question': 3.0, 'refill': 0.5, 'decode': 0.01}
  found = plan.Fit(
    tensor=1,
    replicas=3,
    slots=20,
    peak_bytes=0,
    programs={name: program(seconds) for name, seconds in took.items()},
  )
  # 34 of 100 problems, so 3 x 16 questions, 340 samples, 17 a slot.
  assert found.seconds(
    work('gemma2_2b'), questions=16, refills=32, block=8
  ) == pytest.approx(7 + 3 * 3 + 340 / 32 * 0.5 + 17 * (128 + 3.5) * 0.01)
  # With more slots than samples, the last sample still takes its steps.
  few = plan.dataclasses.replace(found, slots=10_000)
  assert few.seconds(
    work('gemma2_2b'), questions=16, refills=32, block=8
  ) == pytest.approx(7 + 3 * 3 + 340 / 32 * 0.5 + 131.5 * 0.01)


class LinearCompiler:
  """As `plan._Compiler`, with bytes that are told."""

  slot_bytes = 10.0

  def __init__(self, peak, compiles_up_to=10**9):
    self.peak, self.most, self.asked = peak, compiles_up_to, []

  def compile(self, slots):
    self.asked.append(slots)
    if slots > self.most:
      return None
    return plan.Fit(
      tensor=1,
      replicas=1,
      slots=slots,
      peak_bytes=self.peak(slots),
      programs={},
    )


@pytest.mark.parametrize(
  ('peak', 'most', 'expected'),
  [
    (lambda n: 1000 + 10 * n, 10**9, 896),  # the bound itself
    (lambda n: 1000 + 14 * n, 10**9, 640),
    (lambda n: 3000 + 12 * n, 10**9, 576),
    (lambda n: 1000 + 30 * n, 10**9, 296),  # half the bound does not fit
    (lambda n: 1000 + 10 * n, 300, 280),  # the compiler itself gives up
  ],
)
def test_the_largest_number_of_slots_is_found_in_few_compilations(
  peak, most, expected
):
  compiler = LinearCompiler(peak, most)
  found = plan._largest(compiler, bound=900, limit=10_000)
  assert found and found.slots == expected
  assert found.peak_bytes <= 10_000
  assert len(compiler.asked) == len(set(compiler.asked)) <= 4


def test_nothing_fits():
  assert plan._largest(LinearCompiler(lambda n: 10**9), 900, 10_000) is None


@needs_libtpu
def test_a_plan_for_a_tpu_that_is_not_there(tmp_path, capsys):
  path = tmp_path / 'plan.json'
  arguments = [
    CONFIG,
    "--config.arms=('wc_number_matched',)",
    '--config.task.num_train=4',
    '--topology=v5e:2x4',
    '--price=1.5',
    '--slots=16',
    '--prefix_tokens=64',
    '--prompt_tokens=30',
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
  kv = 4 * 2 * 4 * 2 * 32 * (64 + 16 * (32 + 80))  # bytes, k and v, ...
  assert decode['weights_plus_kv_bytes'] == pytest.approx(
    4 * config.num_params + kv, rel=1e-3
  )
  assert decode['hbm_bytes_per_chip'] > decode['weights_plus_kv_bytes']
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
  said = capsys.readouterr().out
  assert 'wc: nano_wc, 8 replicas of 1 device, 16 slots each' in said


@pytest.mark.parametrize(
  ('arguments', 'code'), [(['--help'], 0), ([CONFIG], 2)]
)
def test_as_a_script_it_answers_without_jax(arguments, code):
  start = time.monotonic()
  ran = subprocess.run(
    [sys.executable, '-X', 'importtime', 'launch/plan.py', *arguments],
    capture_output=True,
    text=True,
    check=False,
  )
  assert ran.returncode == code
  modules = [line.split('|')[-1].strip() for line in ran.stderr.splitlines()]
  assert 'ml_collections' in modules
  assert not {'jax', 'tensorflow'} & set(modules)
  assert time.monotonic() - start < 5
  if code == 0:
    for flag in ('--config', '--topology', '--json', '--price', '--slots'):
      assert flag in ran.stdout
