"""The page of a run."""

import errno
import html
import json
import re
import subprocess
import sys

import golden_results as golden
import pytest

from wcse_jax import report, store
from wcse_jax.experiment.counts import Counted
from wcse_jax.report import costs, page
from wcse_jax.results.types import BreakEven, Winners
from wcse_jax.results.types.comparisons import Matched

RESULTS, SCRIPT = golden.RESULTS, golden.SCRIPT


@pytest.fixture(name='written', scope='module')
def _written(tmp_path_factory):
  directory = tmp_path_factory.mktemp('run') / 'report'
  index = report.write(RESULTS, directory)
  assert index == directory / 'index.html'
  return directory


def rendered(results):
  return page.render(results, [])


def shown(results):
  """The text of the page, white space collapsed."""
  text = re.sub(r'<[^>]+>|&nbsp;|\s+', ' ', rendered(results))
  return re.sub(' +', ' ', html.unescape(text))


def test_writes_every_file_and_nothing_else(written):
  files = {str(p.relative_to(written)) for p in written.rglob('*.*')}
  assert files == {
    'index.html',
    'results.json',
    'figures/coverage_vs_cost.png',
    'figures/diversity_vs_cost.png',
    'figures/false_positive_rate.png',
    'figures/student_accuracy.png',
  }
  for png in (written / 'figures').iterdir():
    assert png.read_bytes().startswith(b'\x89PNG')
  both = golden.WORKDIR / 'report', written
  read, again = ((at / 'results.json').read_text() for at in both)
  assert json.loads(read) == json.loads(again)


def test_page_asks_nothing_of_the_network(written):
  text = (written / 'index.html').read_text('utf-8')
  targets = re.findall(r'\b(?:src|href)\s*=\s*["\']?([^"\'\s>]{1,5})', text)
  assert [of for of in targets if of[0] != '#'] == ['data:'] * 4
  assert not re.search(r'<(?:link|script|iframe)|@import|url\(', text)


def test_each_section_has_a_link_at_the_top():
  text = rendered(RESULTS)
  links = re.findall('<a href="#(.*?)">(.*?)</a>', text)
  assert links == re.findall('<h2 id="(.*?)">(.*?)</h2>', text)
  assert ('the-data', 'The data') in links
  assert '<h2>' not in text
  assert text.index('<nav') < text.index('<h2')


def test_a_page_says_what_its_models_are_called():
  text = rendered(RESULTS)
  assert '<h1>nano_arithmetic: nano_wc (WC) against nano_se (SE) - ' in text
  said = 'others go by names of their own: nano_se (SE) and nano_wc (WC).'
  assert said in shown(RESULTS)
  unnamed = golden.replace(RESULTS, models={}, prices={})
  assert '<h1>nano_arithmetic - wc_distill (nano)</h1>' in rendered(unnamed)
  assert 'names of their own. An arm' in shown(unnamed)


def test_model_text_is_escaped():
  sample = golden.replace(
    RESULTS.samples_to_read[0], problem=SCRIPT, answer=SCRIPT, text=SCRIPT
  )
  results = golden.replace(
    golden.run(RESULTS, command=SCRIPT, config={SCRIPT: SCRIPT}),
    samples_to_read=(sample,),
    ledger={SCRIPT: RESULTS.ledger['wc']},
  )
  text = rendered(golden.cell(results, 'se', 'low', label=SCRIPT))
  assert '<script' not in text
  assert '&lt;script&gt;alert(&quot;Ann &amp; Bob&quot;)' in text


def test_page_sets_the_outcome_beside_the_paper():
  for gain, direction in ((0.06, 'agrees'), (-0.06, 'opposite')):
    row = re.search(
      r'<tr><th scope="row">student pass@1, low</th>.*?</tr>',
      rendered(golden.gain(gain)),
    )
    assert row
    assert '28.2% against 26.6%: +1.6 ± 5.5 points' in row[0]
    assert '72.2% against 69.3%: +2.9 ± 3.5 points' in row[0]
    assert direction in row[0]
  assert '[u]' in rendered(golden.gain(0.06))


def test_unmatched_comparisons_are_labelled():
  text = rendered(RESULTS)
  captions = re.findall('<p class="caption">(.*?)</p>', text)
  assert 'WC number-matched against SE, UNMATCHED in cost' in captions
  assert 'WC compute-matched against SE, at matched cost' in captions
  assert 'SE against base student' in captions
  unmatched = [
    cell for *_, cell in RESULTS.cells if cell.generator and not cell.matched
  ]
  assert len(unmatched) == 5
  assert text.count('<td class="text">UNMATCHED</td>') == len(unmatched)


def test_one_model_without_students(tmp_path):
  text = report.write(golden.alone(), tmp_path).read_text('utf-8')
  assert 'it trained no student' in text
  assert (
    'gemma, high budget: with 3 samples for each of 8 problems, 87.5%'
    ' [62.5, 100.0] of the problems are solved at least once; of single'
  ) in text
  assert re.search(r'at [\d.]+ tokens/s', text)
  assert 'Beside the paper' not in text and 'The students' not in text
  assert {p.name for p in (tmp_path / 'figures').iterdir()} == {
    'coverage_vs_cost.png',
    'diversity_vs_cost.png',
  }


def test_failed_write_keeps_the_former_page(tmp_path, monkeypatch):
  former = report.write(golden.alone(), tmp_path).read_bytes()

  def fail(fd):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr('os.fsync', fail)
  with pytest.raises(store.StoreError, match='No space'):
    report.write(golden.alone(), tmp_path)
  assert (tmp_path / 'index.html').read_bytes() == former
  assert not list(tmp_path.rglob('*.tmp'))


def test_importing_the_report_stays_light():
  code = (
    'import sys, wcse_jax.report.page, wcse_jax.report.terminal;'
    'print({"jax", "tensorflow", "matplotlib"} & set(sys.modules))'
  )
  out = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert out.stdout.strip() == 'set()'


def test_overlap_and_problems_without_gold_are_named():
  assert 'Overlap of training' not in shown(golden.alone())
  worst = {'test_id': 'q/1', 'train_id': 'p/2', 'share': 0.75}
  (of,) = RESULTS.overlap.values()
  of = golden.replace(of, worst=(type('Worst', (), worst),))
  results = golden.replace(
    RESULTS,
    overlap={'test': of},
    no_gold={'train': ('p/5342', 'p/5344'), 'test': ()},
  )
  text = shown(results)
  assert 'share a run of 13 words' in text and 'q/1, 75.0% in p/2' in text
  assert 'Without a gold answer that can be read: p/5342, p/5344.' in text


def matched(matching, winner, note=''):
  return Matched(
    matching=matching,
    anchor_samples=1,
    other_samples=3,
    absolute=golden.estimate(0.04, 0.03),
    relative=golden.estimate(0.1, 0.03),
    winner=winner,
    note=note,
  )


def test_costs_and_winners_are_shown():
  rows = (
    matched('number', 'se'),
    matched('flops', 'wc'),
    matched('measured', 'wc', '4.6 samples of WC would match'),
    matched('price', None, 'a cost is not known'),
    matched('seconds', None, 'a cost is not known'),
  )
  results = golden.replace(
    RESULTS,
    winners=tuple(
      Winners(budget='low', metric=metric, flips=True, rows=rows)
      for metric in ('coverage', 'pass_at_1')
    ),
    break_even=(
      BreakEven(
        a='wc_compute_matched-low',
        b='se-low',
        fpr={'flops': golden.estimate(0.628, 0.05)},
      ),
    ),
  )
  results = golden.cell(
    results,
    'se',
    'low',
    cost_per_true={'number': golden.estimate(1.89, 0.2)}
    | {'flops': golden.estimate(333e6, 8e6)},
  )
  text = shown(results)
  # With fewer samples than are paid for: data that win, win; students may not.
  assert 'coverage low SE WC WC, on less - - yes' in text
  assert 'pass@1 low SE WC - - - yes' in text
  assert '4.6 samples of WC would match' in text
  assert (
    'WC compute-matched, low 4.5% [0.0, 66.3] - 62.8% [57.8, 67.8] - - -'
  ) in text
  assert 'SE, low 1.89 [1.69, 2.09] 333 MFLOP [325, 341] - - -' in text
  assert 'SE low matched 16 2.02 GFLOP' in text


def test_what_was_measured_is_the_sum_of_its_parts():
  """Padding stood beside prefill, truncation within decoding, all as parts."""
  table = costs.spent(RESULTS)
  rows = [dict(zip(table.header, row, strict=True)) for row in table.rows]
  parts = [name for name in table.header if name[0] in '=+']
  assert len(rows) > 3 and len(parts) == 4
  for row in rows:
    (total, unit), *terms = (row[name].split() for name in ('measured', *parts))
    assert {of for _, of in terms} == {unit}  # or people cannot add them
    added = sum(float(term) for term, _ in terms)
    assert added == pytest.approx(float(total), rel=0.01)


def test_a_small_amount_of_dollars_is_no_zero_and_no_power_of_ten():
  cost = golden.replace(RESULTS.arms['se']['low'].cost, usd=1.3e-5)
  text = shown(golden.cell(RESULTS, 'se', 'low', cost=cost))
  assert ' $0.000013 ' in text and 'e-05' not in text


def test_what_p_counts_stands_beside_what_it_would_be_otherwise():
  by = {'nominal': 9, 'active': 8, 'read': None}
  row = Counted(arm='wc_compute_matched', budget='high', samples=by)
  results = golden.replace(RESULTS, counted=(row,))
  table = costs.by_count(results)
  assert table.header[2:6] == (
    'nominal',
    'non-embedding',
    *('active', 'weights read'),
  )
  assert table.rows == [
    ('WC compute-matched', 'high', '9', '-', '8', '-', 'yes')
  ]
  text = shown(results)
  assert "this run's counts nominal parameters" in text
  spec = {'budget': {'params': 'active'}, 'sampling': {'slots': 7}}
  text = shown(golden.run(results, config=RESULTS.run.config | spec))
  assert "this run's counts active parameters" in text
  assert 'The rule 2PW takes the active ones' in text and '7 rows' in text


def test_each_seed_is_shown():
  assert 'each seed' not in rendered(RESULTS)
  student = RESULTS.students['se-low']
  seeds = tuple(
    golden.replace(student.by_seed[0], pass_at_1=value, best_step=step)
    for value, step in ((0.31, 20), (0.35, 90), (0.363, 90))
  )
  student = golden.replace(student, by_seed=seeds)
  results = golden.replace(
    RESULTS, students=RESULTS.students | {'se-low': student}
  )
  text = rendered(
    golden.compared(
      *(results, 'pass_at_1', 'wc_compute_matched-low', 'se-low'),
      by_seed=(0.01, -0.02, 0.073),
    )
  )
  assert '31.0, 35.0, 36.3' in text and '20, 90, 90' in text
  assert '+1.0, -2.0, +7.3' in text
