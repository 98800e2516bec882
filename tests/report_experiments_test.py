"""Several experiments on one page, and in Markdown."""

import html
import json
import re

import golden_results as golden
import pytest

from wcse_jax import report
from wcse_jax.report import experiments, page, templates
from wcse_jax.results import paper, types


@pytest.fixture(name='written', scope='module')
def _written(tmp_path_factory):
  results = golden.experiments(wc_distill=0.06, weak_to_strong=-0.06)
  directory = tmp_path_factory.mktemp('all')
  index = report.write_all({**results, 'demo': golden.alone()}, directory)
  assert index == directory / 'index.html'
  return directory


def rows(table, *starts):
  """The rows of a table whose cells start so."""
  return [
    row
    for row in table.rows
    if all(
      str(cell).startswith(start)
      for cell, start in zip(row, starts, strict=False)
    )
  ]


def test_one_page_holds_all_in_their_order(written):
  assert {path.name for path in written.iterdir()} == {
    *('index.html', 'results.json', 'RESULTS.md')
  }
  text = (written / 'index.html').read_text('utf-8')
  names = re.findall('<details class="experiment"><summary>(\\w+):', text)
  assert names == ['wc_distill', 'weak_to_strong', 'demo']
  assert text.count('<title>') == 1 and '<details open' not in text
  for name in names:
    assert paper.expected(name) in html.unescape(text)
  targets = re.findall(r'\b(?:src|href)\s*=\s*["\']?([^"\'\s>]{1,5})', text)
  assert {target[0] for target in targets} == {'#', 'd'}
  assert not re.search(r'<(?:link|script|iframe)|@import|url\(', text)
  read = json.loads((written / 'results.json').read_text('utf-8'))
  assert list(read['experiments']) == names


def test_verdicts_are_against_the_paper():
  found = {
    name: row
    for name, of in golden.experiments(
      wc_distill=0.06, weak_to_strong=-0.06, wc_self_improve=0.0
    ).items()
    for row in experiments.rows(of, students=True)
    if row.arms == 'WC compute-matched against SE'
    if row.measure == 'pass@1, S = 1'
  }
  assert {name: row.verdict for name, row in found.items()} == {
    'wc_distill': 'agrees',
    'weak_to_strong': 'opposite',
    'wc_self_improve': 'undecided',
  }
  row = found['wc_distill']
  assert row.absolute == '+6.0 points [+2.6, +9.4]'
  assert row.relative == '+15.0% [+6.5, +23.5]'
  assert row.detectable == '4.9 points'
  assert row.paper == '+1.6 ± 5.5 points / +2.9 ± 3.5 points'


def test_where_the_paper_says_nothing_only_the_direction_is_told():
  (row,) = (
    row
    for row in experiments.rows(golden.gain(0.06), students=True)
    if row.arms == 'SE at T=1.2 against SE'
    if row.measure == 'pass@1, S = 1'
  )
  assert (row.paper, row.verdict) == ('-', 'undecided')
  up = golden.compared(
    *(golden.RESULTS, 'pass_at_1', 'se@1.2-low', 'se-low'),
    absolute=golden.estimate(0.3, 0.1),
  )
  verdicts = {
    row.verdict
    for row in experiments.rows(up, students=True)
    if row.arms.startswith('SE at T=1.2 against SE')
  }
  assert verdicts == {'higher', 'undecided'}


def test_data_that_experiments_share_are_told_once():
  results = golden.experiments(wc_distill=0.06, weak_to_strong=-0.06)
  _, data = experiments.comparisons(results)
  assert {row[0] for row in data.rows} == {'wc_distill, weak_to_strong'}
  results['weak_to_strong'] = golden.compared(
    *(results['weak_to_strong'], 'coverage', 'wc_compute_matched-low'),
    'se-low',
    absolute=golden.estimate(0.5, 0.1),
  )
  _, more = experiments.comparisons(results)
  assert len(more.rows) == len(data.rows) + 1


def test_one_budget_may_be_high_here_and_low_there():
  """Told by its samples, what two experiments share is told once."""
  here = golden.gain(0.06)
  config = here.run.config | {'budget': {'low': 10, 'high': 50, 'more': [5]}}
  there = golden.replace(
    golden.run(here, name='very_high_budget', config=config),
    comparisons=tuple(
      golden.replace(
        of,
        a=of.a.replace('high', 'low'),
        b=of.b.replace('high', 'low'),
      )
      for of in here.comparisons
      if of.a.endswith('-high') and not of.b.endswith('-low')
    ),
  )
  _, data = experiments.comparisons({'here': here, 'there': there})
  shared = {row[2] for row in data.rows if row[0] == 'here, there'}
  assert 'diversity per problem, S = 10' in shared


def test_every_student_stands_beside_its_data(written):
  results = golden.experiments(wc_distill=0.06, weak_to_strong=-0.06)
  table = experiments.students(results)
  both = 'wc_distill, weak_to_strong'
  ((*_, seeds, examples, _, _, _, _, _),) = rows(
    table, both, 'nano_student', 'base'
  )
  assert (seeds, examples) == ('-', '-')
  line, _ = rows(table, both, 'nano_student', 'WC compute-matched', '10')
  cell = golden.RESULTS.arms['wc_compute_matched']['high']
  student = golden.RESULTS.students['wc_compute_matched-high']
  assert str(line[6]).startswith(f'{100 * cell.coverage[9].value:.1f} [')
  assert str(line[9]).startswith(f'{100 * student.pass_at_1.value:.1f} [')
  for name in ('index.html', 'RESULTS.md'):
    text = (written / name).read_text('utf-8')
    assert 'Every student, and its data' in text
  assert str(line[9]) in (written / 'RESULTS.md').read_text('utf-8')


def test_the_headline_counts():
  """Seven pairs of students, and eleven of data, are in the paper, too."""
  assert experiments.headline(golden.experiments(wc_distill=0.06)) == (
    '18 comparisons are in the paper, too: 2 came out as there, 0 the other'
    ' way, 16 undecided.'
  )
  demo = {'demo': golden.alone()}
  assert experiments.headline(demo).startswith('None of these')


def test_markdown_has_a_sentence_for_each_and_every_row(written):
  text = (written / 'RESULTS.md').read_text('utf-8')
  assert '**wc_distill** (nano_arithmetic, nano, 1 seed).' in text
  assert f'- Expected: {paper.expected("weak_to_strong")}' in text
  assert (
    '- Primary comparison: at the high budget the WC-trained student is worse'
    ' than the SE-trained one: -6.0 points [-9.4, -2.6]'
  ) in text
  assert '- WC compute-matched data against SE data, low budget: cov' in text
  assert 'gemma, high budget: with 3 samples' in text
  before, _, costs = text.partition('## What each arm costs')
  assert text.count(golden.RESULTS.run.command) == 1  # the same for all
  assert '| wc_distill, weak_to_strong | SE | low | matched | 16 |' in costs
  read = types.decode((written / 'results.json').read_bytes())
  tables = [
    experiments.students(read),
    *experiments.comparisons(read),
    experiments.winners(read),
  ]
  lines = [line for line in before.splitlines() if line.startswith('| ')]
  assert len(lines) == sum(2 + len(table.rows) for table in tables)
  widths = {line.count(' | ') for line in lines}
  assert widths == {len(table.header) - 1 for table in tables}


def test_model_text_is_escaped_in_all():
  of = golden.cell(
    golden.run(name=golden.SCRIPT, command=golden.SCRIPT),
    *('wc_compute_matched', 'low'),
    label=golden.SCRIPT + '|',
  )
  results = {golden.SCRIPT: of}
  text = page.render_all(results, {})
  assert '<script' not in text and '&lt;script' in text
  lines = templates.render('results.md', results=results).splitlines()
  found = [line for line in lines if line.startswith('| &lt;script')]
  assert {line.count(' | ') for line in found} == {7, 10, 15}
