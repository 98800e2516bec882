"""The report, on made-up results."""

import copy
import errno
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from wcse_jax import report, store
from wcse_jax.report import figures, page, summary, wording
from wcse_jax.results import schema

PARAMS = {'wc': 0.6e6, 'se': 1.8e6}
SCRIPT = '<script>alert("Ann & Bob")</script>'


def est(value, half):
  return {'value': value, 'low': value - half, 'high': value + half}


def fake_results(gain=0.021, half=0.034):
  """Results as a run of the nano default would give them.

  Args:
    gain: Absolute pass@1 of the WC- over the SE-trained student.
    half: Half the width of its interval.
  """
  start = {'wc': 0.44, 'se': 0.53}
  labels = {
    'se': 'SE',
    'wc_compute_matched': 'WC compute-matched',
    'wc_number_matched': 'WC number-matched',
  }
  num_samples = {
    ('se', 'low'): 1,
    ('se', 'high'): 10,
    ('wc_compute_matched', 'low'): 3,
    ('wc_compute_matched', 'high'): 30,
    ('wc_number_matched', 'low'): 1,
    ('wc_number_matched', 'high'): 10,
  }
  arms = {}
  for (arm, budget), n in num_samples.items():
    generator = arm[:2]
    p = start[generator]
    ks = [k for k in (1, 3, 5, 10, 30) if k <= n]
    coverage = {k: est(min(p * k**0.2, 0.97), 0.05 / k**0.3) for k in ks}
    spread = 0.71 if generator == 'wc' else 0.55
    arms.setdefault(arm, {})[budget] = {
      'generator': generator,
      'label': labels[arm],
      'samples_per_problem': n,
      'samples': 300 * n,
      'coverage': coverage,
      'diversity': {k: est(p * k**spread, 0.05 * k**0.5) for k in ks},
      'fpr': est(0.14 if generator == 'wc' else 0.08, 0.02),
      'accuracy': est(p, 0.03),
      'unknown': 2 if budget == 'high' else 0,
      'coverage_upper': {k: c['value'] + 0.002 for k, c in coverage.items()},
      'cost_flops': 300 * n * 41.3 * 2 * PARAMS[generator],
      'cost': {
        'samples': 300 * n,
        'tokens': 300 * n * 42,
        'prompt_tokens': 300 * n * 310,
        'rule_flops': 300 * n * 41.3 * 2 * PARAMS[generator],
        'decode_flops': 300 * n * 43.1 * 2.2 * PARAMS[generator],
        'truncated_flops': 0.0,
        'prefill_flops': 300 * 310 * 2.2 * PARAMS[generator],
        'idle_flops': 300 * n * 3.0 * PARAMS[generator],
        'sampling_flops': 300 * (n * 98 + 682) * PARAMS[generator],
        'device_seconds': 3.1 * n,
        'verify_seconds': 0.4 * n,
        'training_flops': 1.1e12,
        'usd': None,
      },
      'cost_per_true': {
        'number': est(1 / p, 0.2),
        'flops': est(98 * PARAMS[generator] / p, 8e6),
      },
      'matched': arm != 'wc_number_matched',
      'examples': int(300 * n * p),
      'by_level': {
        level: {'coverage': est(0.97 - 0.12 * level, 0.06)}
        for level in range(1, 6)
      },
    }
  arms['reference'] = {
    budget: {
      'generator': None,
      'label': 'reference solutions',
      'samples_per_problem': 1,
      'samples': 300,
      'coverage': {},
      'diversity': {},
      'fpr': None,
      'accuracy': None,
      'unknown': 0,
      'coverage_upper': {},
      'cost_flops': None,
      'cost': None,
      'matched': False,
      'examples': 300,
    }
    for budget in ('low', 'high')
  }
  accuracy = {
    'base': 0.221,
    'se-low': 0.341,
    'se-high': 0.421,
    'wc_compute_matched-low': 0.341 + gain,
    'wc_compute_matched-high': 0.421 + gain,
    'wc_number_matched-low': 0.318,
    'wc_number_matched-high': 0.402,
    'reference-low': 0.372,
    'reference-high': 0.377,
  }
  students = {}
  for name, value in accuracy.items():
    arm, budget = name.split('-') if '-' in name else ('', '')
    students[name] = {
      'arm': arm or 'base',
      'budget': budget,
      'examples': arms[arm][budget]['examples'] if arm else 0,
      'steps': {'low': 100, 'high': 600, '': 0}[budget],
      'best_step': {'low': 90, 'high': 540, '': 0}[budget],
      'pass_at_1': est(value, 0.055),
      'maj_at_k': {k: est(value + 0.01 * k**0.6, 0.05) for k in (1, 4, 8)},
      'coverage_at_k': {k: est(value * k**0.25, 0.05) for k in (1, 4, 8)},
      'by_level': {
        level: {'pass_at_1': est(value + 0.1 * (3 - level), 0.11)}
        for level in range(1, 6)
      },
      'validation': [[90, value - 0.01], [540, value + 0.01]],
    }
  comparisons = []
  for arm in ('wc_compute_matched', 'wc_number_matched', 'reference'):
    for budget in ('low', 'high'):
      a, b = f'{arm}-{budget}', f'se-{budget}'
      matched = arm == 'wc_compute_matched'
      metrics = {'pass_at_1': (accuracy[a] - accuracy[b], half, accuracy[b])}
      if matched:
        metrics |= {
          'coverage': (0.041, 0.03, 0.7),
          'diversity': (1.31, 0.2, 1.2),
          'fpr': (0.06, 0.02, 0.08),
        }
      for metric, (value, width, base) in metrics.items():
        comparisons.append(
          {
            'a': a,
            'b': b,
            'metric': metric,
            'absolute': est(value, width),
            'relative': est(value / base, width / base),
            'mde': 1.43 * width,
            'matched': matched,
          }
        )
  return {
    'schema_version': schema.VERSION,
    'run': {
      'name': 'wc_distill',
      'scale': 'nano',
      'task': 'nano_arithmetic',
      'command': 'python -m launch.main --config=configs/wc_distill.py',
      'started': '2026-11-03 10:12',
      'device': 'cpu, 2 cores',
      'versions': {'jax': '0.12.0.1', 'flax': '0.12.12'},
      'git': '1a2b3c4',
      'seconds': {'prepare': 21.3, 'sample': 141.0, 'finetune': 160.2},
      'config': {'seed': 0, 'report': {'confidence': 0.95}},
    },
    'models': {
      name: {
        'name': f'nano_{name}',
        'nominal_params': int(params),
        'exact_params': int(params * 1.04),
        'non_embedding_params': int(params),
      }
      for name, params in (*PARAMS.items(), ('student', 0.5e6))
    },
    'problems': {'train': 300, 'validation': 100, 'test': 300},
    'arms': arms,
    'students': students,
    'comparisons': comparisons,
    'samples_to_read': [
      {
        'kind': kind,
        'generator': 'wc',
        'problem': 'Ann has 3 boxes of 12 pens and gives 7 away. How many?',
        'text': ' 3 * 12 = 36\n36 - 7 = 29\nThe answer is 29.' + SCRIPT,
        'gold': '29',
        'answer': '29',
      }
      for kind in ('correct', 'false positive', 'wrong')
    ],
    'ledger': {
      generator: {
        'planned_samples': n * 300,
        'samples': n * 300,
        'tokens': n * 300 * 42,
        'prompt_tokens': n * 300 * 310,
        'tokens_per_s': 4120.3,
        'seconds': n * 3.1,
        'duplicates_rate': 0.184,
        'slots_busy': 0.943,
        'spent': {'tokens': n * 300 * 42, 'refill_idle': n * 311},
      }
      for generator, n in (('wc', 30), ('se', 10))
    },
  }


def demo_results():
  """As the demo of one real model gives them: no students, one arm."""
  results = fake_results()
  cell = results['arms']['se']['high']
  cell |= {'label': 'gemma3_270m', 'samples_per_problem': 4, 'samples': 64}
  cell['coverage'] = {k: est(0.1 * k, 0.09) for k in (1, 2, 4)}
  cell['diversity'] = {k: est(0.09 * k, 0.07) for k in (1, 2, 4)}
  cell |= {'fpr': None, 'by_level': {}, 'coverage_upper': {}}
  for name in ('students', 'comparisons', 'samples_to_read'):
    del results[name]
  results['models'] = {'se': results['models']['se']}
  results['ledger'] = {'se': results['ledger']['se']}
  results['problems'] = {'train': 16}
  return results | {'arms': {'se': {'high': cell}}}


@pytest.fixture(name='written', scope='module')
def _written(tmp_path_factory):
  directory = tmp_path_factory.mktemp('run') / 'report'
  index = report.write(fake_results(), directory)
  assert index == directory / 'index.html'
  return directory


def rendered(results):
  return page.render(schema.jsonable(results), [])


def test_writes_every_file_and_nothing_else(written):
  files = {str(p.relative_to(written)) for p in written.rglob('*.*')}
  assert files == {
    'index.html',
    'results.json',
    'figures/coverage_vs_cost.png',
    'figures/diversity_vs_cost.png',
    'figures/false_positive_rate.png',
    'figures/student_accuracy.png',
    'figures/validation.png',
  }
  for png in (written / 'figures').iterdir():
    assert png.read_bytes().startswith(b'\x89PNG')


def test_page_asks_nothing_of_the_network(written):
  text = (written / 'index.html').read_text('utf-8')
  targets = re.findall(r'\b(?:src|href)\s*=\s*["\']?([^"\'\s>]{1,5})', text)
  assert targets == ['data:'] * 5
  assert not re.search(r'<(?:link|script|iframe)|@import|url\(', text)


def test_model_text_is_escaped():
  results = fake_results()
  results['run']['name'] = results['ledger']['wc']['tokens_per_s'] = None
  results['ledger'][SCRIPT] = results['ledger'].pop('wc')
  results['arms']['se']['low']['label'] = SCRIPT
  results['samples_to_read'][0] |= {'problem': SCRIPT, 'answer': SCRIPT}
  results['run'] |= {'command': SCRIPT, 'config': {SCRIPT: SCRIPT}}
  text = rendered(results)
  assert '<script' not in text
  assert '&lt;script&gt;alert(&quot;Ann &amp; Bob&quot;)' in text


def test_results_round_trip(written):
  read = json.loads((written / 'results.json').read_text('utf-8'))
  assert read == schema.jsonable(fake_results())
  assert schema.jsonable(read) == read


@pytest.mark.parametrize(
  ('name', 'exact', 'said'),
  [
    ('steps', True, 'an exact check of the steps'),
    ('steps', False, 'a check of the steps that does not see every fault'),
    ('judge', False, 'a language model'),
    ('people', False, 'people'),
  ],
)
def test_who_says_what_a_false_positive_is(name, exact, said):
  """A rate of slips in equations passed for that of wrong reasoning."""
  results = fake_results() | {'fpr_source': {'name': name, 'exact': exact}}
  assert f'False positives are by {said}.' in rendered(results)
  text = summary.text(results)
  assert (f'FPR by {said}.' in text) != exact
  pictures = {p.name: p.caption for p in figures.draw(results)}
  caption = pictures['false_positive_rate']
  assert ('whose steps do not hold' if exact else f'by {said}:') in caption
  assert 'FPR by' not in summary.text(results | {'fpr_source': None})


def test_nan_and_infinity_are_never_written(tmp_path):
  results = fake_results()
  cell = results['arms']['wc_compute_matched']['high']
  cell['coverage'][3] = dict.fromkeys(('value', 'low', 'high'), np.nan)
  cell['diversity'][5]['high'] = float('inf')
  results['comparisons'][0]['relative'] = est(np.float32('nan'), 1.0)
  results['comparisons'][4]['absolute'] = est(float('nan'), 1.0)
  results['students']['se-low']['pass_at_1'] = est(float('nan'), 1)
  results['ledger']['wc']['samples'] = np.int64(7)
  report.write(results, tmp_path)

  def refuse(constant):
    raise AssertionError(f'results.json holds {constant}')

  text = (tmp_path / 'results.json').read_text('utf-8')
  read = json.loads(text, parse_constant=refuse)
  assert read['arms']['wc_compute_matched']['high']['coverage']['3'] == {
    'value': None,
    'low': None,
    'high': None,
  }
  assert read['ledger']['wc']['samples'] == 7
  shown = re.sub('base64,[^"]*', '', (tmp_path / 'index.html').read_text())
  assert not re.search(r'\b(?:nan|inf|None)\b', shown)
  assert not re.search(r'\b(?:nan|inf|None)\b', summary.text(results))


@pytest.mark.parametrize(
  ('gain', 'half', 'head', 'sentence'),
  [
    (
      0.06,
      0.034,
      'better at the low budget, better at the high budget.',
      'At the high budget the WC-trained student is better than the SE-trained'
      ' one: +6.0 points [+2.6, +9.4] (relative +14.3%); the interval excludes'
      ' zero, so this run can tell (it could have detected 4.9 points).',
    ),
    (
      -0.06,
      0.034,
      'worse at the low budget, worse at the high budget.',
      'At the high budget the WC-trained student is worse than the SE-trained'
      ' one: -6.0 points [-9.4, -2.6] (relative -14.3%); the interval excludes'
      ' zero, so this run can tell (it could have detected 4.9 points).',
    ),
    (
      0.021,
      0.034,
      'undecided at the low budget, undecided at the high budget.',
      'At the high budget the WC-trained student scores +2.1 points'
      ' [-1.3, +5.5] (relative +5.0%) against the SE-trained one; the interval'
      ' includes zero, so this run cannot tell which is better (it could have'
      ' detected 4.9 points).',
    ),
  ],
)
def test_headline_says_what_came_out(gain, half, head, sentence):
  results = fake_results(gain, half)
  assert wording.headline(results).endswith(head)
  assert wording.outcomes(results)[1] == sentence
  assert sentence in rendered(results)


def test_page_sets_the_outcome_beside_the_paper():
  for gain, direction in ((0.06, 'agrees'), (-0.06, 'opposite')):
    row = re.search(
      r'<tr><th scope="row">student pass@1, low</th>.*?</tr>',
      rendered(fake_results(gain)),
    )
    assert row
    assert '+4.2%' in row[0]
    assert direction in row[0]
  assert '[u]' in rendered(fake_results())


def test_unmatched_comparisons_are_labelled():
  results = fake_results()
  text = rendered(results)
  captions = re.findall('<p class="caption">(.*?)</p>', text)
  assert 'WC number-matched against SE, UNMATCHED in cost' in captions
  assert 'WC compute-matched against SE, at matched cost' in captions
  assert text.count('<td class="text">UNMATCHED</td>') == 2  # low, high
  results['comparisons'] = [
    c for c in results['comparisons'] if c['a'].startswith('wc_number')
  ]
  assert 'UNMATCHED' in wording.headline(results)
  assert wording.outcomes(results)[0].startswith('Unmatched')


def test_students_are_set_beside_what_they_were():
  results = fake_results(0.06)
  found = wording.find(results, 'pass_at_1', 'wc_compute_matched', 'low')
  results['comparisons'] = [dict(found or {}, a='se-low', b='base')]
  assert wording.headline(results) == (
    'Finetuned against before: SE better at the low budget.'
  )
  text = rendered(results)
  assert '<p class="caption">SE against base student</p>' in text
  assert '<th scope="row">student pass@1, low</th>' in text


def test_one_model_without_students(tmp_path):
  results = demo_results()
  text = report.write(results, tmp_path).read_text('utf-8')
  assert 'it trained no student' in text
  sentence = (
    'gemma3_270m, high budget: with 4 samples for each of 16 problems,'
    ' 40.0% [31.0, 49.0] of the problems are solved at least once;'
  )
  assert sentence in text
  assert '4,120.3 tokens/s' in text
  assert 'Beside the paper' not in text
  assert {p.name for p in (tmp_path / 'figures').iterdir()} == {
    'coverage_vs_cost.png',
    'diversity_vs_cost.png',
  }


def test_empty_results_still_give_a_page(tmp_path):
  results = {'schema_version': 1, 'run': fake_results()['run'], 'arms': {}}
  assert 'Run it again' in report.write(results, tmp_path).read_text('utf-8')
  assert summary.text(results)


@pytest.mark.parametrize('results', [fake_results(), demo_results()])
def test_summary_fits_a_terminal(results):
  results = copy.deepcopy(results)
  results['arms']['se']['high']['label'] = 'a label that goes on and on ' * 4
  results['run']['name'] = 'wc_' * 50
  text = summary.text(results)
  assert text.isascii()
  assert max(map(len, text.splitlines())) <= summary.WIDTH
  assert wording.outcomes(results)[0][:40] in text


def test_summary_shows_estimates_with_intervals():
  text = summary.text(fake_results())
  assert re.search(r'^SE +high +10 +84\.0 \[81\.5,86\.5\]', text, re.M), text
  assert re.search(
    r'^WC compute-matched +high +3,960 +44\.2 \[38\.7,49\.7\]', text, re.M
  ), text


def test_failed_write_keeps_the_former_page(tmp_path, monkeypatch):
  former = report.write(demo_results(), tmp_path).read_bytes()

  def fail(fd):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr('os.fsync', fail)
  with pytest.raises(store.StoreError, match='No space'):
    report.write(fake_results(), tmp_path)
  assert (tmp_path / 'index.html').read_bytes() == former
  assert not list(tmp_path.rglob('*.tmp'))


def test_importing_the_report_stays_light():
  code = (
    'import sys, wcse_jax.report.page, wcse_jax.report.summary;'
    'print({"jax", "tensorflow", "matplotlib"} & set(sys.modules))'
  )
  out = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert out.stdout.strip() == 'set()'


def test_overlap_and_problems_without_gold_are_named():
  results = fake_results()
  assert 'Overlap of training' not in page.render(results, [])
  results['overlap'] = {
    'test': {
      'n': 13,
      'train': 300,
      'test': 300,
      'pairs': 9,
      'test_overlapping': 7,
      'test_more_than_half': 2,
      'test_whole': 1,
      'worst': [{'test_id': 'q/1', 'train_id': 'p/2', 'share': 0.75}],
    }
  }
  results['no_gold'] = {'train': ['p/5342', 'p/5344'], 'test': []}
  text = page.render(results, [])
  assert 'share a run of 13 words' in text and 'q/1, 75.0% in p/2' in text
  assert 'Without a gold answer that can be read: p/5342, p/5344.' in text


def winner(matching, winner, note=''):
  return {
    'matching': matching,
    'se_samples': 1,
    'wc_samples': 3,
    'absolute': est(0.04, 0.03),
    'relative': est(0.1, 0.03),
    'winner': winner,
    'note': note,
  }


def test_costs_and_winners_are_shown():
  results = fake_results()
  results['winners'] = [
    {
      'metric': metric,
      'budget': 'low',
      'flips': True,
      'rows': [
        winner('number', 'se'),
        winner('flops', 'wc'),
        winner('measured', 'wc', '4.6 samples of WC would match'),
      ],
    }
    for metric in ('coverage', 'pass_at_1')
  ]
  results['break_even'] = [
    {
      'a': 'wc_compute_matched-low',
      'b': 'se-low',
      'fpr': {'flops': est(0.628, 0.05)},
    }
  ]
  text = re.sub(r'<[^>]+>|&nbsp;|\s+', ' ', rendered(results))
  text = re.sub(' +', ' ', text)
  # With fewer samples than are paid for: data that win, win; students may not.
  assert 'coverage low SE WC WC, on less - - yes' in text
  assert 'pass@1 low SE WC - - - yes' in text
  assert '4.6 samples of WC would match' in text
  assert (
    'WC compute-matched, low 14.0% [12.0, 16.0] - 62.8% [57.8, 67.8] - - -'
  ) in text
  assert 'SE, low 1.89 [1.69, 2.09] 333 MFLOP [325, 341] - - -' in text
  assert 'SE low matched 300 44.6 GFLOP' in text


def test_budgets_are_told_apart_without_colour(monkeypatch):
  results = fake_results()
  for budgets in results['arms'].values():
    budgets['3'] = dict(budgets['low'])
  drawn = []
  monkeypatch.setattr(figures, '_png', drawn.append)
  monkeypatch.setattr(figures, 'Picture', dict)
  figures.draw(schema.jsonable(results))
  fills = {
    (line.get_fillstyle(), line.get_markerfacecolor())
    for line in drawn[2].axes[0].get_lines()
    if 'budget' in str(line.get_label())
  }
  assert len(fills) == 3


def test_other_arms_differ_from_one_another():
  styles = figures._styles(['se', 'se@1.0', 'se@1.3', 'se+wc_compute_matched'])
  assert len({style['marker'] for style in styles.values()}) == 4
  assert styles['se'] == figures._styles(['se@1.0', 'se'])['se']


def test_each_seed_is_shown():
  results = fake_results()
  assert 'each seed' not in rendered(results)
  results['students']['se-low']['by_seed'] = [
    {'pass_at_1': value, 'best_step': step}
    for value, step in ((0.31, 20), (0.35, 90), (0.363, 90))
  ]
  results['comparisons'][0]['by_seed'] = [0.01, -0.02, 0.073]
  text = rendered(results)
  assert '31.0, 35.0, 36.3' in text and '20, 90, 90' in text
  assert '+1.0, -2.0, +7.3' in text
