"""A small run from config to report: what it leaves, and reruns."""

import json
import re
import time

import pyarrow.parquet as pq
import pytest
import small_run

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Example
from wcse_jax.results import types
from wcse_jax.stages import sizes

PARTS = {
  'sample/wc': 'generator problem_id sample_index text num_tokens'
  ' num_prompt_tokens finish_reason logprob',
  'verify/wc': 'generator problem_id sample_index verdict answer rule sound',
  'problems/nano_arithmetic': 'problem_id split question prompt solution gold'
  ' level',
  'curate/wc_compute_matched-high': 'tokens targets loss_weights positions'
  ' segment_ids',
}


def test_a_run_leaves_what_the_design_says(finished):
  workdir, output = finished
  assert ' x cpu' in output.splitlines()[0]
  for name, columns in PARTS.items():
    part = pq.read_table(workdir / name / 'part-00000.parquet')
    assert part.column_names == columns.split(), name
    assert (workdir / name / '_MANIFEST.json').exists()
  results = small_run.results(workdir)
  assert results['problems'] == {'train': 10, 'validation': 4, 'test': 6}
  cells = {
    (arm, budget): cell
    for arm, by_budget in results['arms'].items()
    for budget, cell in by_budget.items()
  }
  assert {key: cell['samples'] for key, cell in cells.items()} == {
    ('se', 'low'): 10,
    ('se', 'high'): 30,
    ('wc_compute_matched', 'low'): 30,
    ('wc_compute_matched', 'high'): 90,
    ('wc_number_matched', 'low'): 10,
    ('wc_number_matched', 'high'): 30,
    ('reference', 'high'): 10,
  }
  for cell in cells.values():
    for estimate in (*cell['coverage'].values(), *cell['diversity'].values()):
      assert estimate['low'] <= estimate['value'] <= estimate['high']
    assert (cell['cost_flops'] > 0) == (cell['generator'] is not None)
  plan = json.loads((workdir / 'plan' / 'plan.json').read_text())
  assert plan['mean_tokens_of'] == 'samples'
  for (arm, budget), cell in cells.items():
    planned = plan['arms'][arm][budget]['cost_flops']
    assert planned == pytest.approx(cell['cost_flops'])
  low, high = cells['se', 'low'], cells['wc_compute_matched', 'low']
  assert high['cost_flops'] == pytest.approx(low['cost_flops'], rel=0.01)
  assert set(results['students']) == {
    'base',
    *(
      f'{arm}-{budget}'
      for arm in config_lib.Config().arms
      for budget in ('low', 'high')
      if arm.draws or budget == 'high'
    ),
  }
  for student in results['students'].values():
    assert set(student['maj_at_k']) == {'2'}  # maj@1 is coverage@1
    assert set(student['coverage_at_k']) == {'1', '2'}
    # Its steps are checked exactly, of what it solves.
    assert ('fpr' in student) == (student['pass_at_1']['value'] > 0)
    assert {'value', 'low', 'high'} <= set(student['pass_at_1'])
  accuracy = {
    name: student['pass_at_1']['value']
    for name, student in results['students'].items()
  }
  base = accuracy.pop('base')
  assert {
    c['a']: c['absolute']['value']
    for c in results['comparisons']
    if c['b'] == 'base'
  } == pytest.approx({name: of - base for name, of in accuracy.items()})
  compared = {
    (c['metric'], c['a'].rpartition('-')[2]): c
    for c in results['comparisons']
    if c['a'].startswith('wc_compute_matched') and c['b'].startswith('se')
  }
  winners = {
    (found['metric'], found['budget']): {
      row['matching']: row for row in found['rows']
    }
    for found in results['winners']
  }
  assert set(winners) == {
    (metric, budget)
    for metric in ('coverage', 'diversity', 'pass_at_1')
    for budget in ('low', 'high')
  }
  for key, rows in winners.items():
    assert rows['flops']['absolute'] == compared[key]['absolute']
    assert rows['number']['other_samples'] == {'low': 1, 'high': 3}[key[1]]
    assert rows['price']['note'] == 'a cost is not known'
  assert compared['fpr', 'high']['b'] == 'se-high'
  assert [row['a'] for row in results['break_even']] == [
    f'wc_{matching}_matched-{budget}'
    for matching in ('compute', 'number')
    for budget in ('low', 'high')
  ]
  for name, cell in (('wc', high), ('se', low)):
    cost, of = cell['cost'], results['models'][name]
    assert cost['decode_flops'] == 2 * of['exact_params'] * cost['tokens']
    assert cost['training_flops'] > 0 and cost['usd'] is None
    spent = json.loads((workdir / 'report' / 'results.json').read_text())
    tokens = spent['ledger'][name]['spent']['prefill_tokens']
    assert cost['prefill_flops'] == 2 * of['exact_params'] * tokens
  page = (workdir / 'report' / 'index.html').read_text()
  assert 'src="http' not in page and 'href="http' not in page
  assert list((workdir / 'report' / 'figures').glob('*.png'))


def test_the_results_have_the_fields_that_the_types_say(finished):
  text = (finished[0] / 'report' / 'results.json').read_text()
  (results,) = types.decode(text).values()
  assert types.encode(results) == text


@pytest.mark.parametrize('stage', ['problems', 'sample', 'verify'])
def test_folders_of_parts_are_read_as_they_lie_there(finished, stage):
  """The problems' held TFDS's files, too, on which `read_parquet` failed."""
  folders = list((finished[0] / stage).iterdir())
  assert folders and all(pq.read_table(of).num_rows for of in folders)


def test_the_low_budget_is_nested_in_the_high(finished):
  read = lambda mix: store.from_table(
    pq.read_table(finished[0] / 'curate' / mix / 'examples.parquet'),
    Example,
  )
  low, high = read('wc_compute_matched-low'), read('wc_compute_matched-high')
  assert set(low) < set(high)
  assert {e.sample_index for e in low} <= {0, 1, 2}


def test_a_rerun_keeps_everything_and_says_so(copied, finished):
  before = small_run.results(copied)
  start = time.monotonic()
  done = small_run.run(copied)
  assert done.returncode == 0, done.stderr
  for stage in ('problems/', 'sample/wc', 'verify/se', 'finetune/', 'curate/'):
    lines = [s for s in done.stdout.splitlines() if s.startswith(stage)]
    assert lines and all('kept' in line for line in lines), stage
  assert small_run.results(copied) == before
  assert time.monotonic() - start < 120


def test_a_report_names_the_device_that_sampled(copied, monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=2')
  done = small_run.run(
    copied, '--stages=report', **{'report.usd_per_device_hour': 3600.0}
  )
  assert done.returncode == 0, done.stderr
  assert ' on 2 x cpu' in done.stdout
  results = json.loads((copied / 'report' / 'results.json').read_text())
  assert results['run']['device'].startswith('1 x cpu')
  for cell in results['arms']['se'].values():
    assert cell['cost']['usd'] == pytest.approx(cell['cost']['device_seconds'])
    assert cell['cost']['verify_seconds'] > 0


def test_k_grows_and_keeps_what_is_there(copied):
  read = lambda: {
    (row['problem_id'], row['sample_index']): row
    for part in sorted((copied / 'sample' / 'se').glob('part-*.parquet'))
    for row in pq.read_table(part).to_pylist()
  }
  before = read()
  done = small_run.run(copied, '--stages=sample', **{'budget.high': 4})
  assert done.returncode == 0, done.stderr
  assert '30 rows are there, going on' in done.stdout
  after = read()
  assert len(before) == 30 and len(after) == 40
  assert before.items() <= after.items()


def test_lost_samples_take_their_verdicts_along(copied):
  """Else a verdict would stand beside a text that it was not given on."""
  (copied / 'sample' / 'se' / 'part-00000.parquet').unlink()
  done = small_run.run(copied, '--stages=sample,verify')
  assert done.returncode == 0, done.stderr
  assert 'verify/se: kept' not in done.stdout
  assert 'verify/wc: kept' in done.stdout


def test_more_problems_keep_the_pools(copied):
  done = small_run.run(copied, '--stages=prepare,sample', '--redo=curate',
              **{'task.num_train': 11})  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert '30 rows are there, going on' in done.stdout


def test_plan_follows_from_the_nominal_sizes():
  config = config_lib.Config()
  made = sizes.plan(config)
  assert made.pools == {Pool('se'): 10, Pool('wc'): 30}


def test_a_preview_of_models_that_are_here_draws_a_few(tmp_path):
  arms = {'arms': "('se',)"}
  done = small_run.run(tmp_path, '--preview=2', **arms)
  assert done.returncode == 0, done.stderr
  assert done.stdout.count('\n--- se (nano_se), ') == 2
  assert done.stdout.count(', gold ') == 2
  assert 'preview: se: 2 samples took ' in done.stdout
  assert ' s; all 30 would take about ' in done.stdout
  *_, outlook, last = done.stdout.splitlines()
  assert 'min to compute: sample' in outlook and 'evaluate' in outlook
  assert re.fullmatch(r'this run: [\d.]+ min; ten times as much: .* min', last)
  assert pq.read_table(tmp_path / 'verify/se').num_rows == 2, 'are kept, too'
  done = small_run.run(tmp_path, '--preview=2', **arms)
  assert 'when they were drawn' in done.stdout
