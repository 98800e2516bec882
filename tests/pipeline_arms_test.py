"""A small run with other arms, judges, seeds and learning rates."""

import json
import re

import pyarrow.parquet as pq
import pytest
import small_run


def test_judge_and_people_are_sources_of_the_false_positive_rate(copied):
  """A judge is asked, a person labels, and the report has both."""
  page = (copied / 'report' / 'label.html').read_text()
  keys = re.findall(r'<article id="(\w+)"', page)
  run = re.search(r'const run = "(\w+)"', page)[1]
  said = dict.fromkeys(keys, 'wrong') | {keys[0]: 'right'}
  labels = copied / 'labels.json'
  labels.write_text(json.dumps({'run': run, 'labels': said}))
  done = small_run.run(
    copied,
    '--stages=verify,report',
    judge='nano_se',
    **{'verify.num_judged': 5},
  )
  assert done.returncode == 0, done.stderr
  assert 'judge/wc' in done.stderr + done.stdout
  results = small_run.results(copied)
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
  done = small_run.run(copied, '--stages=report')
  assert done.returncode == 1 and 'labels of another run' in done.stderr


def test_arms_mix_pools_keep_few_and_have_temperatures(copied):
  """On the pools that are there, but for the one of another temperature."""
  arms = ('se', 'se@1.2', 'se+wc_compute_matched', 'wc_compute_matched~1')
  done = small_run.run(
    copied,
    student='',
    arms=str(arms),
    **{'budget.low': 2, 'budget.high': 3, 'budget.more': '(4,)'},
  )
  assert done.returncode == 0, done.stderr
  found = small_run.results(copied)['arms']
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
  before = small_run.results(copied)['students']['se-low']
  done = small_run.run(copied, **{'finetune.num_seeds': 2, 'arms': "('se',)"})
  assert done.returncode == 0, done.stderr
  kept = [s for s in done.stdout.splitlines() if 'kept, complete' in s]
  assert any(s.startswith('finetune/nano_student-se-low:') for s in kept)
  manifests = copied.glob('evaluate/nano_student-se-low*/*/_MANIFEST.json')
  assert len(list(manifests)) == 4
  after = small_run.results(copied)['students']['se-low']
  assert (before['seeds'], after['seeds']) == (1, 2)
  assert after['best_step'] == before['best_step']
  first, second = after['by_seed']
  assert first['pass_at_1'] == before['pass_at_1']['value']
  assert first['validation'] == before['validation']
  mean = (first['pass_at_1'] + second['pass_at_1']) / 2
  assert after['pass_at_1']['value'] == pytest.approx(mean)


def test_validation_chooses_the_learning_rate(copied):
  rates = {'finetune.learning_rates': '(1e-4, 1e-3)'}
  done = small_run.run(
    copied, '--redo=finetune,evaluate', arms="('se',)", **rates
  )
  assert done.returncode == 0, done.stderr
  student = small_run.results(copied)['students']['se-low']
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


@pytest.mark.slow
def test_seeds_learn_from_samples_of_their_own(copied):
  """Independent pools as a level, drawn behind what is there."""
  done = small_run.run(
    copied,
    '--redo=evaluate',
    arms=str(('se', 'reference')),
    **{
      'finetune.num_seeds': 2,
      'budget.pool_per_seed': True,
      'task.skip_test': 6,
    },
  )
  assert done.returncode == 0, done.stderr
  said = done.stdout
  assert 'curate/se-high: kept' in said and 'finetune/se-high-seed1' not in said
  manifest = json.loads((copied / 'sample/se/_MANIFEST.json').read_text())
  assert manifest['rows'] == 10 * 3 * 2
  for name, indices in (('se-high', {0, 1, 2}), ('se-high-seed1', {3, 4, 5})):
    path = copied / 'curate' / name / 'examples.parquet'
    assert set(pq.read_table(path)['sample_index'].to_pylist()) <= indices
  assert not (copied / 'curate' / 'reference-high-seed1').exists()
  results = small_run.results(copied)
  assert {
    name: len(of['by_seed']) for name, of in results['students'].items()
  } == {'base': 1, 'se-low': 2, 'se-high': 2, 'reference-high': 2}
  assert results['arms']['se']['high']['samples_per_problem'] == 3
  page = (copied / 'report' / 'index.html').read_text()
  assert 'learned from samples of its own' in page
  # The first six test problems were passed over.
  student = copied / 'evaluate' / 'nano_student-se-high-seed1'
  metrics = (student / 'nano_arithmetic' / '_metrics.json').read_text()
  answers = json.loads(metrics)['answers']
  ids = [int(of['problem_id'].split('/')[-1]) for of in answers]
  assert ids == [*range(6, 12)]


def test_more_test_problems_than_are_left_are_refused(tmp_path):
  few = {'task.skip_test': 19_995}
  done = small_run.run(tmp_path, '--stages=prepare', **few)
  assert done.returncode == 2
  assert 'config.task.num_test = 6' in done.stderr
  assert '5 test problems behind config.task.skip_test = 19,995' in done.stderr
