"""Several experiments on one page, on made-up results."""

import html
import json
import re

import pytest
import report_test

from wcse_jax import report
from wcse_jax.report import __main__ as command
from wcse_jax.report import collection
from wcse_jax.results import paper, schema


def collected(**gains):
  """Experiments by name, each with WC's gain in pass@1."""
  found = {}
  for name, gain in gains.items():
    found[name] = report_test.fake_results(gain)
    found[name]['run']['name'] = name
  return schema.jsonable(found)


@pytest.fixture(name='written', scope='module')
def _written(tmp_path_factory):
  results = collected(wc_distill=0.06, weak_to_strong=-0.06)
  results['demo'] = schema.jsonable(report_test.demo_results())
  results['demo']['run']['name'] = 'demo'
  directory = tmp_path_factory.mktemp('all')
  index = report.write_all(results, directory)
  assert index == directory / 'index.html'
  return directory


def test_one_page_holds_all_in_their_order(written):
  assert {path.name for path in written.iterdir()} == {
    *('index.html', 'results.json', 'RESULTS.md')
  }
  text = (written / 'index.html').read_text('utf-8')
  names = re.findall('<details class="experiment"><summary>(\\w+):', text)
  assert names == ['wc_distill', 'weak_to_strong', 'demo']
  assert text.count('<title>') == 1 and '<details open' not in text
  for name in names:
    assert paper.EXPECTED.get(name, '') in html.unescape(text)
  targets = re.findall(r'\b(?:src|href)\s*=\s*["\']?([^"\'\s>]{1,5})', text)
  assert {target[0] for target in targets} == {'#', 'd'}
  assert not re.search(r'<(?:link|script|iframe)|@import|url\(', text)
  read = json.loads((written / 'results.json').read_text('utf-8'))
  assert list(read['experiments']) == names


def test_verdicts_are_against_the_paper():
  rows = {
    row.experiments[0]: row
    for row in collection.rows(
      collected(wc_distill=0.06, weak_to_strong=-0.06, wc_self_improve=0.0),
      students=True,
    )
    if row.arms == 'WC compute-matched against SE'
    if row.measure == 'pass@1, low'
  }
  assert {name: row.verdict for name, row in rows.items()} == {
    'wc_distill': 'agrees',
    'weak_to_strong': 'opposite',
    'wc_self_improve': 'undecided',
  }
  row = rows['wc_distill']
  assert row.absolute == '+6.0 points [+2.6, +9.4]'
  assert row.relative == '+17.6% [+7.6, +27.6]'
  assert row.detectable == '4.9 points'
  assert row.paper == '+6% / +4.2%'


def test_where_the_paper_says_nothing_only_the_direction_is_told():
  (row,) = {
    row
    for row in collection.rows(collected(wc_distill=0.0), students=True)
    if row.arms.startswith('human') or row.arms.startswith('reference')
    if row.measure.endswith('low')
  }
  assert (row.paper, row.verdict) == ('-', 'undecided')


def test_data_that_experiments_share_are_told_once():
  results = collected(wc_distill=0.06, weak_to_strong=-0.06)
  rows = collection.rows(results, students=False)
  assert len(rows) == 6
  assert {row.experiments for row in rows} == {('wc_distill', 'weak_to_strong')}
  results['weak_to_strong']['comparisons'][1]['absolute']['value'] += 0.01
  assert len(collection.rows(results, students=False)) == 7


def test_each_student_has_the_papers_own_number():
  results = report_test.fake_results()
  assert paper.student(results) == 'Gemma-7B'
  for role, name in (('wc', 'Gemma2-9B'), ('se', 'Gemma2-27B')):
    results['models']['student']['name'] = results['models'][role]['name']
    assert paper.student(results) == name
  numbers = {c.text for c in paper.claims(results) if c.metric == 'pass_at_1'}
  assert '+4.3% / +1.5%' in numbers
  assert '+6% / +4.2%' not in numbers


def test_other_budgets_than_the_papers_have_no_number():
  results = report_test.fake_results()
  for budget, samples in (('low', 2), ('high', 50)):
    results['arms']['se'][budget]['samples_per_problem'] = samples
  results = {'very_high_budget': schema.jsonable(results)}
  rows = collection.rows(results, students=True)
  assert rows and {row.paper for row in rows} == {'-'}


def test_other_students_and_tasks_than_the_papers_have_no_number():
  results = schema.jsonable(report_test.fake_results())
  metrics = lambda: {claim.metric for claim in paper.claims(results)}
  assert {'pass_at_1', 'coverage'} <= metrics()
  results['run']['config']['curate'] = {'keep': 'all'}
  assert metrics() == {'coverage', 'diversity', 'fpr'}
  results['run']['task'] = 'mbpp'
  assert metrics() == set()


def test_an_order_of_arms_is_tested_without_se():
  results = report_test.fake_results()
  found = dict(results['comparisons'][0])
  found |= {'a': 'wc_compute_matched-high', 'b': 'wc_compute_matched~1-high'}
  found['absolute'] = {'value': -0.1}
  found['absolute'] |= {'low': -0.2, 'high': -0.05}
  results['comparisons'] = [found]
  results = {'coverage_diversity': schema.jsonable(results)}
  (row,) = collection.rows(results, students=True)
  assert (row.paper, row.verdict) == ('higher', 'opposite')


def test_few_problems_have_a_number_of_their_own():
  """Of their students; of their data the paper says nothing."""
  results = schema.jsonable(report_test.fake_results())
  results['run']['name'] = 'dataset_size'
  found = paper.claims(results)
  assert {(c.metric, c.text) for c in found if c.against == 'se'} == {
    ('pass_at_1', '+12.9% [u]')
  }


def test_one_budget_may_be_high_here_and_low_there():
  """Told by its samples, what two experiments share is told once."""
  results = collected(wc_distill=0.06, very_high_budget=0.06)
  for budgets, of in zip(
    ({'low': 1, 'high': 10}, {'low': 10, 'high': 50}),
    results.values(),
    strict=True,
  ):
    of['run']['config'] = {'budget': {**budgets, 'more': [3]}}
  of = results['very_high_budget']
  of['arms']['se']['low']['samples_per_problem'] = 10
  of['comparisons'] = [
    {
      **row,
      'a': row['a'].replace('high', 'low'),
      'b': row['b'].replace('high', 'low'),
    }
    for row in results['wc_distill']['comparisons']
    if row['a'].endswith('high')
  ]
  shared = [
    row
    for row in collection.rows(results, students=False)
    if len(row.experiments) == 2
  ]
  assert {row.measure for row in shared} >= {'coverage, S = 10'}


def test_other_pairs_of_students_have_a_sentence():
  results = report_test.fake_results()
  found = dict(results['comparisons'][0])
  found |= {'a': 'wc_compute_matched-low', 'b': 'se@1.0-low'}
  results['comparisons'].append(found)
  said = [s for s in collection.sentences(results) if 'se@1.0' in s]
  assert (
    len(said) == 1
    and 'at matched cost, student pass@1, low: +2.1 points' in said[0]
  )


def test_every_student_stands_beside_its_data(written):
  results = collected(wc_distill=0.06, weak_to_strong=-0.06)
  lines = collection.settings(results)
  (base,) = {line[1:4] for line in lines if 'base' in line[2]}
  assert base == ('nano_student', 'base student', '-')
  (line,) = [
    line
    for line in lines
    if line[0] == 'wc_distill' and line[2:4] == ('WC compute-matched', 'high')
  ]
  cell = results['wc_distill']['arms']['wc_compute_matched']['high']
  student = results['wc_distill']['students']['wc_compute_matched-high']
  coverage = max(cell['coverage'].items(), key=lambda item: int(item[0]))[1]
  assert line[6].startswith(f'{100 * coverage["value"]:.1f} [')
  assert line[9].startswith(f'{100 * student["pass_at_1"]["value"]:.1f} [')
  for name in ('index.html', 'RESULTS.md'):
    text = (written / name).read_text('utf-8')
    assert 'Every student, and its data' in text
  assert line[9] in (written / 'RESULTS.md').read_text('utf-8')


def test_the_headline_counts():
  results = collected(wc_distill=0.06)
  # 2 x pass@1 and the number-matched 2, coverage, diversity, FPR at 2 budgets.
  assert collection.headline(results) == (
    '10 comparisons are in the paper, too: 8 came out as there, 0 the other'
    ' way, 2 undecided.'
  )
  demo = {'demo': schema.jsonable(report_test.demo_results())}
  assert collection.headline(demo).startswith('None of these')


def test_markdown_has_a_sentence_for_each_and_every_row(written):
  text = (written / 'RESULTS.md').read_text('utf-8')
  assert '**wc_distill** (nano_arithmetic, nano, 1 seed).' in text
  assert f'- Expected: {paper.EXPECTED["weak_to_strong"]}' in text
  assert (
    '- At the high budget the WC-trained student is worse than the SE-trained'
    ' one: -6.0 points [-9.4, -2.6]'
  ) in text
  assert (
    '- WC compute-matched data against SE data, low budget: coverage +4.1'
    ' points [+1.1, +7.1], diversity +1.31 [+1.11, +1.51], false positive rate'
    ' +6.0 points [+4.0, +8.0].'
  ) in text
  assert 'gemma3_270m, high budget: with 4 samples' in text
  tables = text.partition('## What each arm costs')
  command = report_test.fake_results()['run']['command']
  assert text.count(command) == 1  # the same for all
  table = [line for line in tables[0].splitlines() if line.startswith('| ')]
  assert {line.count(' | ') for line in table} == {7, 10}
  assert (
    '| wc_distill, weak_to_strong | SE | low | matched | 300 | 44.6 GFLOP |'
  ) in tables[2]
  read = json.loads((written / 'results.json').read_text('utf-8'))
  rows = [
    row
    for students in (True, False)
    for row in collection.rows(read['experiments'], students=students)
  ]
  students = collection.settings(read['experiments'])
  assert len(table) == len(rows) + len(students) + 6  # three heads


def test_model_text_is_escaped_in_all():
  results = collected(wc_distill=0.0)
  of = results.pop('wc_distill')
  of['arms']['wc_compute_matched']['low']['label'] = report_test.SCRIPT + '|'
  of['run'] |= {'name': report_test.SCRIPT, 'command': report_test.SCRIPT}
  results = {report_test.SCRIPT: of}
  text = collection.render(results, {})
  assert '<script' not in text and '&lt;script' in text
  markdown = collection.markdown(results).splitlines()
  rows = [line for line in markdown if line.startswith('| <script')]
  assert {line.count(' | ') for line in rows} == {7, 10, 15}


def test_the_command_writes_pages_anew(tmp_path, capsys):
  for name, gain in (('wc_distill', 0.06), ('weak_to_strong', 0.0)):
    (results,) = collected(**{name: gain}).values()
    results |= {'arms': {}, 'students': {}}  # no figures
    report.write(results, tmp_path / name / 'report')
  workdirs = [str(tmp_path / n) for n in ('weak_to_strong', 'wc_distill')]
  assert command.main([str(tmp_path / 'all'), *workdirs]) == 0
  everything = json.loads((tmp_path / 'all' / 'results.json').read_text())
  assert list(everything['experiments']) == ['weak_to_strong', 'wc_distill']
  assert command.main([str(tmp_path / 'one'), workdirs[1]]) == 0
  for name in ('index.html', 'results.json'):
    again = (tmp_path / 'one' / name).read_bytes()
    assert again == (tmp_path / 'wc_distill' / 'report' / name).read_bytes()
  capsys.readouterr()
  assert command.main([str(tmp_path / 'x'), workdirs[0], str(tmp_path)]) == 1
  assert 'run the stage report there first' in capsys.readouterr().err
  assert command.main([str(tmp_path / 'out'), 'gs://b/run']) == 1
  assert 'of its run and --stages=report' in capsys.readouterr().err
  assert command.main([str(tmp_path / 'x'), *workdirs, *workdirs]) == 0
  assert command.main([str(tmp_path / 'x'), *workdirs[:1] * 3]) == 1
  assert 'give each once' in capsys.readouterr().err


def test_the_command_takes_a_workdir_of_many_experiments_apart(tmp_path):
  """That of configs/paper.py has the results of all in one file."""
  results = collected(wc_distill=0.06, weak_to_strong=0.0, demo=0.0)
  for of in results.values():
    of |= {'arms': {}, 'students': {}}  # no figures
  report.write(results.pop('demo'), tmp_path / 'demo' / 'report')
  report.write_all(results, tmp_path / 'paper' / 'report')
  workdirs = [str(tmp_path / name) for name in ('paper', 'demo')]
  assert command.main([str(tmp_path / 'one'), workdirs[0]]) == 0
  for name in ('index.html', 'results.json', 'RESULTS.md'):
    again = (tmp_path / 'one' / name).read_bytes()
    assert again == (tmp_path / 'paper' / 'report' / name).read_bytes()
  assert command.main([str(tmp_path / 'all'), *workdirs]) == 0
  everything = json.loads((tmp_path / 'all' / 'results.json').read_text())
  assert list(everything['experiments']) == [
    *('wc_distill', 'weak_to_strong', 'demo')
  ]
