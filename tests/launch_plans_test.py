"""The page of all plans, from plans that were not made."""

import importlib.metadata
import pathlib
import subprocess
import sys

import plans
import pytest

from wcse_jax.tpu import compilation, experiment, known, topology

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def page(tmp_path, monkeypatch):
  """Writes the page for a few configs, and reads it."""
  for name in (
    'number_matched',
    'price_matched',
    'weak_to_strong',
    'gemma3_270m',
  ):
    target = tmp_path / 'configs' / f'{name}.py'
    target.parent.mkdir(exist_ok=True)
    target.write_text((ROOT / 'configs' / f'{name}.py').read_text())
  (tmp_path / 'docs').mkdir()
  rows = known.Known(tmp_path / 'compiled.jsonl')
  monkeypatch.setattr(known, 'KNOWN', rows)
  monkeypatch.setattr(plans, 'ROOT', tmp_path)
  monkeypatch.setattr(experiment, 'plan', plan)
  monkeypatch.setattr('importlib.metadata.version', lambda name: '1.2.3')
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')

  def written(*arguments):
    monkeypatch.setattr(sys, 'argv', ['launch/plans.py', *arguments])
    plans.main()
    return (tmp_path / 'docs' / 'PLANS.md').read_text()

  return written


def plan(config, options, tell):
  """As `experiment.plan`; SE is too large, and so are students for v5e."""
  if options.topology:
    if config.name == 'weak_to_strong':
      raise topology.PlanError('gemma2_27b does not fit v5e:2x4: why\nremedy')
    if config.name == 'price_matched':
      return {'programs': {}, 'slots': {}, 'generators': {}}
    return {
      'programs': {
        'wc/decode': {
          'roofline_s': 0.0123,
          'hbm_bytes_per_step': 1.5e9,
          'weights_plus_kv_bytes': 1e9,
        }
      },
      'slots': {'wc': 80},
      'generators': {
        'wc': {
          'model': config.wc,
          'problems': 6973,
          'samples': 10,
          'tokens': 17.5e6,
          'chip_hours': 2.5,
          'prefix_tokens': 1100,
          'prompt_tokens': 192,
          'replicas': 4,
          'tensor': 2,
          'hbm_peak_bytes_per_chip': 14.5 * 2**30,
          'tokens_per_s_per_chip': 2068.0,
        }
      },
    }
  if options.train_topology == 'v5e':
    raise topology.PlanError('does not fit')
  step = {
    'topology': 'v5p:2x2x2',
    'layout': {'fsdp': 8, 'tensor': 1, 'remat': 'dots'},
    'rows': 16,
    'row_tokens': 1024,
    'hbm_bytes_per_chip': 84 * 2**30,
    'flops': 665e12,
    'collective_bytes_per_step': {'all-gather': 332e9},
    'roofline_s': 1.45,
    'roofline_s_by': {'flops': 1.45, 'hbm': 0.9, 'links': 1.1},
    'chip_hours_of_a_student': {'low': 2.0, 'high': 19.8},
    'students_per_budget': {'low': 12, 'high': 12},
    'batches': {'low': 614, 'high': 6131},
    'chip_hours': 260.9,
  }
  return {'training': {config.student: step}}


def test_every_config_at_the_scale_is_planned(page):
  text = page()
  for line in (
    '| gemma2_9b | 1100 + 192 | 4 x 2 | 80 | 14.50 | 12.3 | 1.500 | 2,068 |',
    '| number_matched | gemma2_9b (wc) | 6,973 x 10 | 17.5 | 2.5 |',
    '| weak_to_strong | gemma2_27b does not fit v5e:2x4: why | - | - | - |',
    '| price_matched | its samples are external | - | - | - |',
    '| gemma2_27b | v5e | - | does not fit | does not fit |',
    '| gemma2_27b | v5p:2x2x2 | 8 x 1, dots | 16 x 1,024 | 84.00 | 665.0 |'
    ' 332.00 | 1450 (flops) |',
    '| weak_to_strong | gemma2_27b | v5p:2x2x2 | 24 | 261 |',
  ):
    assert line in text, text
  assert 'jax 1.2.3 and libtpu 1.2.3' in text
  assert '## gemma3\n' in text and 'gemma3_12b (se)' not in text
  assert '270m' not in text  # it has none of the scales
  assert 'Not compiled' not in text


def test_what_was_left_out_for_want_of_time_is_named(page, monkeypatch):
  stopped = []

  def some(config, options, tell):
    late = config.name == 'number_matched' and config.scale == 'gemma2'
    if late and options.train_topology != 'v5p':
      raise compilation.TimeUpError('not compiled yet')
    return plan(config, options, tell)

  monkeypatch.setattr(experiment, 'plan', some)
  monkeypatch.setattr(compilation, 'stop_after', stopped.append)
  text = page('--minutes=90')
  assert stopped == [90]
  for line in (
    'Not compiled, for the time was up: number_matched:gemma2,'
    ' number_matched:gemma2 on v5e, number_matched:gemma2 on v5p:4x4x4,'
    ' price_matched:gemma2 on v5e,'
    ' price_matched:gemma2 on v5p:4x4x4.',  # the same student, not tried again
    '| number_matched | gemma_7b | v5p:2x2x2 | 24 | 261 |',
    '| weak_to_strong | gemma2_27b does not fit v5e:2x4: why | - | - | - |',
  ):
    assert line in text, text


def test_a_page_without_the_main_experiment_is_not_written(page, monkeypatch):
  main = (ROOT / 'configs' / 'wc_distill.py').read_text()
  (plans.ROOT / 'configs' / 'wc_distill.py').write_text(main)

  def some(config, options, tell):
    if (config.name, config.scale) == ('wc_distill', 'gemma3'):
      raise compilation.TimeUpError('not compiled yet')
    return plan(config, options, tell)

  monkeypatch.setattr(experiment, 'plan', some)
  with pytest.raises(SystemExit, match='not written: .* wc_distill:gemma3;'):
    page()
  assert not (plans.ROOT / 'docs' / 'PLANS.md').exists()
  monkeypatch.setattr(experiment, 'plan', plan)
  assert '| wc_distill | gemma3_4b (wc) |' in page()


def test_without_libtpu_it_says_what_to_install(page, monkeypatch):
  def version(name):
    if name == 'libtpu':
      raise importlib.metadata.PackageNotFoundError(name)
    return '1.2.3'

  monkeypatch.setattr('importlib.metadata.version', version)
  with pytest.raises(SystemExit, match=r'^error: .*\n.*launch/setup\.sh tpu'):
    page()
  assert not (plans.ROOT / 'docs' / 'PLANS.md').exists()


def test_make_plans_brings_libtpu():
  """It once ended in PackageNotFoundError, unless EXTRA=tpu was given."""
  dry = ['make', '--always-make', '--dry-run', '-C', str(ROOT), 'plans']
  done = subprocess.run(dry, capture_output=True, text=True, check=True)
  setup, *_, plan = [s for s in done.stdout.splitlines() if 'launch/' in s]
  assert setup.strip() == 'launch/setup.sh tpu'
  assert plan.strip() == '.venv/bin/python launch/plans.py'
