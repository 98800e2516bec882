"""A small run from config to report: what it leaves, reruns, kills, misuse."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest

from wcse_jax import pipeline, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Example
from wcse_jax.results import types
from wcse_jax.runtime import replicas
from wcse_jax.sampling import schedule
from wcse_jax.stages import sizes, takeover, verify
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

ROOT = pathlib.Path(__file__).parents[1]
SMALL = {
  'task.num_train': 10,
  'task.num_validation': 4,
  'task.num_test': 6,
  'budget.high': 3,
  'sampling.slots': 16,
  'sampling.shard_rows': 8,
  'finetune.steps_low': 4,
  'finetune.steps_high': 8,
  'finetune.batch_size': 4,
  'finetune.num_checkpoints': 2,
  'evaluate.num_samples': 2,
  'evaluate.ks': '(1, 2)',
  'report.bootstrap_samples': 100,
}
PARTS = {
  'sample/wc': 'generator problem_id sample_index text num_tokens'
  ' num_prompt_tokens finish_reason logprob',
  'verify/wc': 'generator problem_id sample_index verdict answer rule sound',
  'problems/nano_arithmetic': 'problem_id split question prompt solution gold'
  ' level',
  'curate/wc_compute_matched-high': 'tokens targets loss_weights positions'
  ' segment_ids',
}


def _command(workdir, *flags, **changes):
  fields = {**SMALL, **changes}
  return [
    sys.executable,
    str(ROOT / 'launch' / 'main.py'),
    f'--config={ROOT / "configs" / "wc_distill.py"}',
    f'--workdir={workdir}',
    *(f'--config.{name}={value}' for name, value in fields.items()),
    *flags,
  ]


def _run(workdir, *flags, **changes):
  return subprocess.run(
    _command(workdir, *flags, **changes),
    capture_output=True,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    timeout=600,
    check=False,
  )


def _results(workdir):
  """results.json, times and what follows from them aside."""
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  timed = ('measured', 'seconds')
  for name in ('seconds', 'started', 'command'):
    del results['run'][name]
  for row in results['ledger'].values():
    for name in (
      *('seconds', 'tokens_per_s', 'slots_busy', 'spent', 'verify_seconds'),
    ):
      del row[name]
  for by_budget in results['arms'].values():
    for cell in by_budget.values():
      for name in (
        *('padding_flops', 'idle_flops', 'sampling_flops'),
        *('device_seconds', 'verify_seconds'),
      ):
        del cell['cost'][name]
      for name in timed:
        cell['cost_per_true'].pop(name, None)
  for row in results['winners']:
    del row['flips']
    row['rows'] = [r for r in row['rows'] if r['matching'] not in timed]
  for row in results['break_even']:
    for name in timed:
      del row['fpr'][name]
  return results


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A finished run; copy it before changing it."""
  workdir = tmp_path_factory.mktemp('run') / 'small'
  done = _run(workdir)
  assert done.returncode == 0, done.stderr[-2000:]
  return workdir, done.stdout


@pytest.fixture
def copied(finished, tmp_path):
  shutil.copytree(finished[0], tmp_path / 'run')
  return tmp_path / 'run'


def test_a_run_leaves_what_the_design_says(finished):
  workdir, output = finished
  assert ' x cpu' in output.splitlines()[0]
  for name, columns in PARTS.items():
    part = pq.read_table(workdir / name / 'part-00000.parquet')
    assert part.column_names == columns.split(), name
    assert (workdir / name / 'MANIFEST.json').exists()
  results = _results(workdir)
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
    ('reference', 'low'): 10,
    ('reference', 'high'): 10,
  }
  for cell in cells.values():
    for estimate in (*cell['coverage'].values(), *cell['diversity'].values()):
      assert estimate['low'] <= estimate['value'] <= estimate['high']
    assert (cell['cost_flops'] > 0) == (cell['generator'] is not None)
  low, high = cells['se', 'low'], cells['wc_compute_matched', 'low']
  assert high['cost_flops'] == pytest.approx(low['cost_flops'], rel=0.01)
  assert set(results['students']) == {
    'base',
    *(
      f'{arm}-{budget}'
      for arm in config_lib.Config().arms
      for budget in ('low', 'high')
    ),
  }
  for student in results['students'].values():
    assert set(student['maj_at_k']) == {'1', '2'}
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
    assert rows['number']['wc_samples'] == {'low': 1, 'high': 3}[key[1]]
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


def test_the_low_budget_is_nested_in_the_high(finished):
  read = lambda mix: store.from_table(
    pq.read_table(finished[0] / 'curate' / mix / 'examples.parquet'),
    Example,
  )
  low, high = read('wc_compute_matched-low'), read('wc_compute_matched-high')
  assert set(low) < set(high)
  assert {e.sample_index for e in low} <= {0, 1, 2}


def test_a_rerun_keeps_everything_and_says_so(copied, finished):
  before = _results(copied)
  start = time.monotonic()
  done = _run(copied)
  assert done.returncode == 0, done.stderr
  for stage in ('problems/', 'sample/wc', 'verify/se', 'finetune/', 'curate/'):
    lines = [s for s in done.stdout.splitlines() if s.startswith(stage)]
    assert lines and all('kept' in line for line in lines), stage
  assert _results(copied) == before
  assert time.monotonic() - start < 120


def test_a_report_names_the_device_that_sampled(copied, monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '--xla_force_host_platform_device_count=2')
  done = _run(
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
  done = _run(copied, '--stages=sample', **{'budget.high': 4})
  assert done.returncode == 0, done.stderr
  assert '30 rows are there, going on' in done.stdout
  after = read()
  assert len(before) == 30 and len(after) == 40
  assert before.items() <= after.items()


def test_other_settings_stop_with_the_difference_and_the_remedy(copied):
  done = _run(copied, **{'sampling.temperature': 0.9})
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  message = done.stderr.splitlines()[-3:]
  assert '--redo=sample' in '\n'.join(message)
  assert 'temperature: 0.7 -> 0.9' in done.stderr


def test_every_difference_is_shown_before_any_work(copied):
  """It used to show none where a manifest differed in more than a field."""
  before = (copied / 'config.json').read_bytes()
  done = _run(
    copied, **{'finetune.learning_rates': '(0.1,)', 'finetune.steps_low': 5}
  )
  assert done.returncode == 1
  assert 'learning_rates: [0.0001] -> [0.1]' in done.stderr
  assert 'steps: 4 -> 5' in done.stderr
  remedy = done.stderr.splitlines()[-1]
  assert 'finetune/nano_student-se-low' in remedy
  assert 'finetune/nano_student-reference-high' in remedy
  assert (copied / 'config.json').read_bytes() == before


def test_redo_forgets_what_follows(copied):
  _run(copied, '--redo=sample/se', '--stages=plan')
  gone = ['sample/se', 'verify/se', 'curate/se-low', 'curate/se-high']
  gone += ['finetune/nano_student-se-low', 'evaluate/nano_student-se-high']
  kept = ['sample/wc', 'verify/wc', 'curate/wc_compute_matched-low']
  kept += ['finetune/nano_student-reference-low', 'evaluate/nano_student-base']
  assert not [name for name in gone if (copied / name).exists()]
  assert all((copied / name).exists() for name in kept)
  done = _run(copied, '--redo=sample/../../elsewhere')
  assert done.returncode == 1 and 'no such stage' in done.stderr


def test_lost_samples_take_their_verdicts_along(copied):
  """Else a verdict would stand beside a text that it was not given on."""
  (copied / 'sample' / 'se' / 'part-00000.parquet').unlink()
  done = _run(copied, '--stages=sample,verify')
  assert done.returncode == 0, done.stderr
  assert 'verify/se: kept' not in done.stdout
  assert 'verify/wc: kept' in done.stdout


def test_more_problems_keep_the_pools(copied):
  done = _run(copied, '--stages=prepare,sample', '--redo=curate',
              **{'task.num_train': 11})  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert '30 rows are there, going on' in done.stdout


def test_a_mesh_without_devices_is_refused_before_any_work(tmp_path):
  done = _run(tmp_path / 'run', **{'mesh.tensor': 3})
  assert done.returncode == 2
  assert 'needs 3 devices' in done.stderr
  assert not (tmp_path / 'run' / 'config.json').exists()


def test_redo_forgets_one_stage(copied):
  before = _results(copied)
  done = _run(copied, '--redo=finetune/nano_student-se-low')
  assert done.returncode == 0, done.stderr
  assert _results(copied) == before
  assert 'finetune/nano_student-se-low: forgotten' in done.stdout


@pytest.mark.parametrize('stage', ['sample/wc', 'verify/se'])
def test_a_truncated_shard_is_named(copied, stage):
  part = copied / stage / 'part-00000.parquet'
  part.write_bytes(part.read_bytes()[:-20])
  done = _run(copied)
  assert done.returncode == 1
  assert 'Traceback' not in done.stderr
  assert str(part) in done.stderr and 'Delete that file' in done.stderr
  part.unlink()
  before = (copied / 'report' / 'results.json').read_bytes()
  done = _run(copied)
  assert done.returncode == 0, done.stderr
  after = json.loads((copied / 'report' / 'results.json').read_text())
  assert after['students'] == json.loads(before)['students']


def test_a_workdir_in_use_is_refused(tmp_path):
  with store.Store(tmp_path).lock():
    done = _run(tmp_path)
  assert done.returncode == 1
  assert f'pid {os.getpid()}' in done.stderr


def test_a_stage_before_its_inputs_names_them(tmp_path):
  done = _run(tmp_path, '--stages=sample')
  assert done.returncode == 1
  assert 'run the stage prepare first' in done.stderr


@pytest.mark.parametrize(
  ('field', 'value', 'text'),
  [
    ('task.name', 'gsm9k', 'gsm8k'),
    ('se', 'nano_xl', 'nano_se'),
    ('se', 'gemma2_27b', 'comes without weights'),
    ('checkpoints.se', '/nowhere', 'params.safetensors'),
  ],
)
def test_what_does_not_exist_is_named_before_any_work(
  tmp_path, field, value, text
):
  start = time.monotonic()
  done = _run(tmp_path / 'run', **{field: value})
  assert done.returncode == 2
  assert len(done.stderr.strip().splitlines()) <= 3
  assert text in done.stderr
  assert not (tmp_path / 'run').exists()
  assert time.monotonic() - start < 30


def _stop(workdir, begun, kind, wait_s):
  """Starts a run, and stops it soon after a file `begun` exists."""
  process = subprocess.Popen(
    _command(workdir),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )
  deadline = time.monotonic() + 300
  while not list(workdir.glob(begun)) and time.monotonic() < deadline:
    assert process.poll() is None, f'ended before {begun}'
    time.sleep(0.02)
  time.sleep(wait_s)
  process.send_signal(kind)
  _, errors = process.communicate(timeout=300)
  assert not (workdir / 'report' / 'results.json').exists()
  return process.returncode, errors


def test_kill_9_anywhere_changes_nothing(finished, tmp_path):
  """Stopped in sampling, finetuning and evaluation, a run goes on."""
  workdir, rng = tmp_path / 'run', random.Random(0)
  code, errors = _stop(workdir, 'sample/se/part-*', signal.SIGINT, 0)
  assert code == 130
  assert errors.splitlines()[-1].startswith('stopped; run the same command')
  assert 'Traceback' not in errors
  for begun in (
    'sample/wc/part-*',
    'finetune/*/metrics.jsonl',
    'evaluate/*/*/part-*',
  ):
    _stop(workdir, begun, signal.SIGKILL, rng.random())
  done = _run(workdir)
  assert done.returncode == 0, done.stderr
  assert _results(workdir) == _results(finished[0])


def test_two_replicas_sample_disjoint_shares(finished, tmp_path):
  """Each in its own process; the results are those of one."""
  workdir = tmp_path / 'run'
  runs = [
    subprocess.Popen(
      _command(workdir, '--replicas=2', f'--replica={i}', *flags),
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
      cwd=ROOT,
      env=os.environ | {'PYTHONPATH': str(ROOT)},
    )
    for i, flags in enumerate(([], ['--stages=sample']))
  ]
  outputs = [run.communicate(timeout=600)[0] for run in runs]
  assert [run.returncode for run in runs] == [0, 0], outputs
  assert 'replica 1: done' in outputs[1]
  drawn = {0: set(), 1: set()}
  for part in (workdir / 'sample' / 'wc').glob('part-*.parquet'):
    table = pq.read_table(part)
    about = json.loads(table.schema.metadata[b'wcse_jax'])['info']
    drawn[about['replica']] |= set(table['problem_id'].to_pylist())
    assert int(part.stem[-5:]) % 2 == about['replica']
  assert len(drawn[0]) == len(drawn[1]) == 5 and not drawn[0] & drawn[1]
  ours, one = _results(workdir), _results(finished[0])
  assert ours['ledger']['wc'].pop('samples') == 90
  del one['ledger']['wc']['samples']
  assert ours == one


def test_judge_and_people_are_sources_of_the_false_positive_rate(copied):
  """A judge is asked, a person labels, and the report has both."""
  page = (copied / 'report' / 'label.html').read_text()
  keys = re.findall(r'<article id="(\w+)"', page)
  run = re.search(r'const run = "(\w+)"', page)[1]
  said = dict.fromkeys(keys, 'wrong') | {keys[0]: 'right'}
  labels = copied / 'labels.json'
  labels.write_text(json.dumps({'run': run, 'labels': said}))
  done = _run(
    copied,
    '--stages=verify,report',
    judge='nano_se',
    **{'verify.num_judged': 5},
  )
  assert done.returncode == 0, done.stderr
  assert 'judge/wc' in done.stderr + done.stdout
  results = _results(copied)
  cell = results['arms']['wc_compute_matched']['high']
  assert 0 < cell['fpr_by']['people']['value'] <= 1
  assert cell['fpr'] == cell['fpr_by']['steps']
  assert results['fpr_source'] == {'name': 'steps', 'exact': True}
  assert results['agreement']['steps']['n'] == len(keys)
  judged = pq.read_table(copied / 'judge' / 'wc' / 'part-00000.parquet')
  assert len(judged) == 5 and set(judged['rule'].to_pylist()) == {'judge'}
  page = (copied / 'report' / 'index.html').read_text()
  assert 'who looked at the reasoning' in page and 'agree with people' in page
  labels.write_text(json.dumps({'run': 'another', 'labels': {}}))
  done = _run(copied, '--stages=report')
  assert done.returncode == 1 and 'labels of another run' in done.stderr


_LOADED_ON_EIGHT = """
import json
import jax
from wcse_jax.experiment import config as config_lib
from wcse_jax.stages.machine import Machine
from wcse_jax.finetuning import step

config = config_lib.Config(
  mesh=config_lib.MeshSpec(data=4, tensor=2),
  finetune=config_lib.FinetuneSpec(
    layout=config_lib.LayoutSpec(fsdp=4, tensor=2)
  ),
)
made = Machine(config)

def shares(model):
  matrices = [a for a in jax.tree.leaves(model.params) if a.ndim > 1]
  return sorted({
    (a.nbytes // shard.data.nbytes, len(a.addressable_shards))
    for a in matrices for shard in a.addressable_shards
  })

student = made.model_to_finetune()
state, _ = step.TrainStep(
  student.config, config.finetune, made.train_mesh()
).init(student.params, 0, donate=True)
taken = jax.tree.map(lambda a, b: a is b, state.params, student.params)
print(json.dumps({
  'finetuned': shares(student),
  'sampled': shares(made.load('wc')),
  'evaluated': shares(made.model('student')),
  'copied': sum(not same for same in jax.tree.leaves(taken)),
}))
"""


def test_a_mesh_is_checked_for_who_needs_it(tmp_path):
  """A report once needed the devices of the finetuning before it."""
  wide = config_lib.Config(
    finetune=config_lib.FinetuneSpec(layout=config_lib.LayoutSpec(fsdp=64))
  )
  with pytest.raises(
    config_lib.ConfigError,
    match=r"(?s)layout = '1 x 64 x 1'.*there are.*--coordinator",
  ):
    pipeline.run(wide, tmp_path)
  with pytest.raises(store.StoreError, match='run the stage prepare first'):
    pipeline.run(wide, tmp_path, stages=['report'])
  wide = config_lib.Config(mesh=config_lib.MeshSpec(data=64))
  made = Machine(wide)
  made.check_meshes(['finetune'])
  made.model_to_finetune()  # it once laid out the devices that sample, too


def test_a_mesh_that_leaves_a_host_out_is_told(tmp_path, monkeypatch):
  import jax

  made = Machine(config_lib.Config())
  made.check_meshes(['finetune'])
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  with pytest.raises(
    config_lib.ConfigError, match=r'layout.fsdp.*\n.*1 of 2 h'
  ):
    made.check_meshes(['finetune'])


def test_finetuning_together_keeps_what_was_announced(tmp_path, monkeypatch):
  """The first host, still sampling, once waited without end for the others."""
  spec = replicas.Spec(index=1, count=2)
  with replicas.Replicas(tmp_path, spec) as second:
    second.announce('sampled')
  kept = []
  monkeypatch.setattr(
    replicas.Replicas, 'together', lambda self, _: kept.extend(self._announced)
  )
  together = dataclasses.replace(spec, coordinator='auto')
  config = config_lib.Config()
  pipeline.run(config, tmp_path, ['finetune'], replica=together)
  assert kept == ['sampled']
  pipeline.run(config, tmp_path, ['sample', 'finetune'], replica=together)
  assert kept == ['sampled'], 'what is sampled anew is announced anew'


def test_models_are_read_into_the_layout_of_their_use():
  """Each of 8 devices gets its share of a tensor, and no copy is made."""
  done = subprocess.run(
    [sys.executable, '-c', _LOADED_ON_EIGHT],
    capture_output=True,
    text=True,
    env=os.environ
    | {
      'PYTHONPATH': str(ROOT),
      'XLA_FLAGS': '--xla_force_host_platform_device_count=8',
    },
    check=False,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  assert json.loads(done.stdout.splitlines()[-1]) == {
    'finetuned': [[8, 8]],
    'sampled': [[2, 8]],
    'evaluated': [[2, 8]],
    'copied': 0,
  }


def test_plan_follows_from_the_nominal_sizes():
  config = config_lib.Config()
  made = sizes.plan(config, 300)
  assert made.pools == {Pool('se'): 10, Pool('wc'): 30}


class _SlowSampler:
  """Gives half of the pool's samples, and the rest once the first are verified.

  The samples are those that the run had committed.
  """

  def __init__(self, rows, verified, patience_s=120.0):
    self.ledger = schedule.Ledger(tokens=1, seconds=1.0)
    self._rows = rows
    self._verified = verified
    self._patience_s = patience_s

  def stream(self, requests, generator, expected):
    del expected
    keys = [(generator, r.problem_id, r.sample_index) for r in requests]
    rows = [self._rows[key] for key in keys]
    half = len(rows) // 2
    yield from rows[:half]
    deadline = time.monotonic() + self._patience_s
    while not list(self._verified.glob('part-*')):
      assert time.monotonic() < deadline, 'nothing is verified meanwhile'
      time.sleep(0.02)
    yield from rows[half:]


@pytest.fixture
def sampled_again(copied, monkeypatch):
  """A run of the stages sample and verify of WC alone, with a slow sampler."""
  rows = {
    (row.generator, row.problem_id, row.sample_index): row
    for name in ('se', 'wc')
    for part in (copied / 'sample' / name).glob('part-*.parquet')
    for row in store.from_table(pq.read_table(part), store.records.Sample)
  }
  verdicts = lambda: {
    verdict
    for part in (copied / 'verify' / 'wc').glob('part-*.parquet')
    for verdict in store.from_table(pq.read_table(part), store.records.Verdict)
  }
  wanted = verdicts()
  for stage in ('sample', 'verify'):
    shutil.rmtree(copied / stage / 'wc')
  sampler = _SlowSampler(rows, copied / 'verify' / 'wc')
  monkeypatch.setattr(Machine, 'sampler', lambda *_: sampler)
  values = config_lib.to_config_dict(config_lib.Config())
  values.update_from_flattened_dict(SMALL | {'evaluate.ks': (1, 2)})

  def run():
    pipeline.run(config_lib.freeze(values), copied, stages=('sample', 'verify'))
    made = verdicts()
    assert made == wanted and len(made) == 90

  return run


def test_verifying_streams_behind_sampling(sampled_again):
  sampled_again()


def test_what_verifying_behind_fails_at_is_done_by_its_stage(
  sampled_again, monkeypatch, capsys
):
  graded = verify._graded
  calls = []

  def fail_once(run, samples, graders):
    calls.append(len(samples))
    if len(calls) == 1:
      raise RuntimeError('no room for a worker')
    return graded(run, samples, graders)

  monkeypatch.setattr(verify, '_graded', fail_once)
  sampled_again()
  output = capsys.readouterr().out
  assert 'no room for a worker; the stage verify tries again' in output


def test_arms_mix_pools_keep_few_and_have_temperatures(copied):
  """On the pools that are there, but for the one of another temperature."""
  arms = ('se', 'se@1.2', 'se+wc_compute_matched', 'wc_compute_matched~1')
  done = _run(
    copied,
    student='',
    arms=str(arms),
    **{'budget.low': 2, 'budget.high': 3, 'budget.more': '(4,)'},
  )
  assert done.returncode == 0, done.stderr
  found = _results(copied)['arms']
  assert list(found) == list(arms)
  samples = lambda arm: [c['samples_per_problem'] for c in found[arm].values()]
  assert list(found['se']) == ['low', 'high', '4']
  assert samples('se') == samples('se@1.2') == [2, 3, 4]
  assert samples('se+wc_compute_matched') == [1 + 3, 1 + 4, 2 + 6]
  assert samples('wc_compute_matched~1') == [6, 9, 12]
  one = found['wc_compute_matched~1']['4']
  assert one['diversity'] == {'12': one['coverage']['12']}
  # At most one of each of 10 problems: 12 samples each for so many.
  assert one['cost_per_true']['number']['value'] >= 12
  hot, cold = (
    pq.read_table(copied / 'sample' / name / 'part-00000.parquet')['text']
    for name in ('se@1.2', 'se')
  )
  assert hot.to_pylist() != cold.to_pylist()


def test_seeds_add_students_and_keep_the_first(copied):
  before = _results(copied)['students']['se-low']
  done = _run(copied, **{'finetune.num_seeds': 2, 'arms': "('se',)"})
  assert done.returncode == 0, done.stderr
  kept = [s for s in done.stdout.splitlines() if 'kept, complete' in s]
  assert any(s.startswith('finetune/nano_student-se-low:') for s in kept)
  manifests = copied.glob('evaluate/nano_student-se-low*/*/MANIFEST.json')
  assert len(list(manifests)) == 4
  after = _results(copied)['students']['se-low']
  assert (before['seeds'], after['seeds']) == (1, 2)
  assert after['best_step'] == before['best_step']
  first, second = after['by_seed']
  assert first['pass_at_1'] == before['pass_at_1']['value']
  assert first['validation'] == before['validation']
  mean = (first['pass_at_1'] + second['pass_at_1']) / 2
  assert after['pass_at_1']['value'] == pytest.approx(mean)


def test_validation_chooses_the_learning_rate(copied):
  rates = {'finetune.learning_rates': '(1e-4, 1e-3)'}
  done = _run(copied, '--redo=finetune,evaluate', arms="('se',)", **rates)
  assert done.returncode == 0, done.stderr
  student = _results(copied)['students']['se-low']
  assert student['best_rate'] in (1e-4, 1e-3)
  kept = copied / 'finetune' / 'nano_student-se-low'
  for rate in ('0.0001', '0.001'):
    assert (kept / f'rate-{rate}' / 'checkpoints' / '4').is_dir()
  folder = copied / 'evaluate' / 'nano_student-se-low' / 'validation'
  names = {
    name
    for part in folder.glob('part-*.parquet')
    for name in pq.read_table(part)['generator'].to_pylist()
  }
  assert names == {
    f'se-low@{step}@{rate}' for step in (2, 4) for rate in ('0.0001', '0.001')
  }


def test_a_swallowed_ctrl_c_still_stops_the_run(sampled_again, monkeypatch):
  """As Python swallows it in a destructor."""
  to_table = store.to_table
  swallowed = []

  def interrupted(*args):
    # Once, and here: in another thread, the main one would be interrupted
    # wherever it is.
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and not swallowed:
      with contextlib.suppress(KeyboardInterrupt):
        swallowed.append(args)
        signal.raise_signal(signal.SIGINT)
    return to_table(*args)

  monkeypatch.setattr(store, 'to_table', interrupted)
  with pytest.raises(KeyboardInterrupt):
    sampled_again()


def test_what_another_workdir_finished_is_taken_over(finished, tmp_path):
  """A smaller experiment: nothing of it is computed anew but the report."""
  workdir = tmp_path / 'run'
  done = _run(workdir, f'--reuse={finished[0]}', arms="('se',)")
  assert done.returncode == 0, done.stderr
  taken = {
    line.split(':')[0]
    for line in done.stdout.splitlines()
    if line.endswith(f': taken from {finished[0]}')
  }
  assert taken >= {
    'problems/nano_arithmetic',
    'sample/se',
    'curate/se-low',
    'finetune/nano_student-se-high',
    'evaluate/nano_student-se-high/nano_arithmetic',
  }
  assert done.stderr == ''  # no progress of anything
  before, after = _results(finished[0]), _results(workdir)
  for name in ('base', 'se-low', 'se-high'):
    assert after['students'][name] == before['students'][name]


def test_experiments_share_what_they_have_in_common(finished, tmp_path):
  """`experiments`: two config files, run with what the one naming them sets."""
  source = (ROOT / 'configs' / 'wc_distill.py').read_text()
  sets = "scales.variants('{}', {{'student': '', 'arms': {}}})"
  for name, arms in (('first', ('se',)), ('second', ('se', 'reference'))):
    (tmp_path / f'{name}.py').write_text(
      source.replace("scales.variants('wc_distill')", sets.format(name, arms))
    )
  changed = source.replace(
    "scales.variants('wc_distill')",
    "scales.variants('both', {'experiments': ('first', 'second')})",
  )
  assert changed != source
  (tmp_path / 'both.py').write_text(changed)
  flags = [
    flag for flag in _command(tmp_path / 'run')[2:] if 'wc_distill' not in flag
  ]
  command = [
    sys.executable,
    str(ROOT / 'launch' / 'main.py'),
    f'--config={tmp_path / "both.py"}',
    f'--reuse={finished[0]}',
    '--config.report.confidence=0.9',
    *flags,
  ]
  done = subprocess.run(
    command, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False
  )
  assert done.returncode == 0, done.stderr
  assert 'sample/se: kept' in done.stdout
  results = [
    json.loads((tmp_path / 'run' / name / 'report/results.json').read_text())
    for name in ('first', 'second')
  ]
  assert [list(r['arms']) for r in results] == [['se'], ['se', 'reference']]
  for r in results:
    assert r['run']['config']['report']['confidence'] == 0.9
    assert r['run']['config']['task']['num_train'] == 10
  page = (tmp_path / 'run' / 'report' / 'index.html').read_text()
  assert 'first' in page and 'second' in page


def _taking(workdir, others, **changes):
  """What an experiment takes over from other workdirs: its stages' names."""
  values = config_lib.to_config_dict(config_lib.Config())
  fields = {**SMALL, 'evaluate.ks': (1, 2), **changes}
  values.update_from_flattened_dict(fields)
  experiment = Run(
    config_lib.freeze(values), store.Store(workdir, others=others)
  )
  takeover.take_over(experiment, config_lib.STAGES)
  return experiment, {
    path.parent.relative_to(workdir).as_posix()
    for path in workdir.rglob('MANIFEST.json')
  }


def test_a_checkpoint_that_another_validation_chose_is_not_taken(
  finished, tmp_path
):
  _, taken = _taking(
    tmp_path / 'run', [finished[0]], **{'task.num_validation': 3}
  )
  assert 'finetune/nano_student-se-low' in taken
  assert 'evaluate/nano_student-base/nano_arithmetic' in taken
  assert not [
    name for name in taken if name.startswith('evaluate/') and '-se-' in name
  ]


def test_verdicts_on_other_samples_are_not_taken(finished, tmp_path):
  """Another device may draw other samples with the same settings."""
  experiment, taken = _taking(tmp_path / 'first', [finished[0]])
  assert {'verify/se', 'verify/wc', 'curate/se-low'} <= taken
  drawn = experiment.samples('se')
  odd = experiment.pool_stage('se').at(tmp_path / 'odd' / 'sample' / 'se')
  odd.write_part(
    store.to_table(
      [dataclasses.replace(s, text=f'{s.text} Or not.') for s in drawn],
      store.SAMPLES,
    ),
    store.SAMPLES,
  )
  odd.finish(rows=len(drawn) + 1)
  others = [finished[0], tmp_path / 'odd']
  experiment, taken = _taking(tmp_path / 'second', others)
  assert experiment.samples('se')[0].text.endswith('Or not.')
  assert not taken & {'verify/se', 'verify/wc', 'curate/se-low'}
  assert 'problems/nano_arithmetic' in taken


def test_an_own_task_is_what_its_module_and_its_data_are(tmp_path, monkeypatch):
  monkeypatch.syspath_prepend(str(tmp_path))
  module = tmp_path / 'task_of_a_test.py'
  module.write_text(
    'from wcse_jax import tasks\nTASK = tasks.find("nano_arithmetic")\n'
  )

  def fingerprints(data_dir):
    values = config_lib.to_config_dict(config_lib.Config())
    values.update_from_flattened_dict(
      {'task.name': 'task_of_a_test', 'task.data_dir': data_dir}
    )
    run = Run(config_lib.freeze(values), store.Store(tmp_path))
    return {
      stage.name: stage.fingerprint
      for stage in (run.problems_stage(), *run.costly())
    }

  one, two = fingerprints('one'), fingerprints('two')
  assert not {n for n in one if one[n] == two[n]}
  module.write_text(module.read_text() + '# another grader\n')
  three = fingerprints('one')
  same = {name for name in one if one[name] == three[name]}
  assert same == {'sample/se', 'sample/wc'}
