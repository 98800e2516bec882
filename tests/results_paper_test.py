"""What the paper says of a run's setting."""

import golden_results as golden
import pytest

from wcse_jax.report import experiments
from wcse_jax.results import paper
from wcse_jax.results.types import data as types


def reported(results, metric='pass_at_1'):
  """What the paper reports on MATH, by sides."""
  return {
    (claim.comparison.a, claim.comparison.b): claim.of.get('math')
    for claim in paper.claims(results)
    if claim.comparison.metric == metric
  }


WC, SE = 'wc_compute_matched', 'se'


def test_each_student_has_the_papers_own_numbers():
  results = golden.gain(0.06)
  students = {'Gemma-7B': (0.282, 0.266)}
  assert paper.student(results) == 'Gemma-7B'
  for role, name, both in (
    ('wc', 'Gemma2-9B', (0.382, 0.368)),
    ('se', 'Gemma2-27B', (0.436, 0.412)),
  ):
    models = results.models | {'student': results.models[role]}
    other = golden.replace(results, models=models)
    assert paper.student(other) == name
    students[name] = both
    found = reported(other)[f'{WC}-low', f'{SE}-low']
    assert (found.a, found.b) == pytest.approx(both)
  found = reported(results)[f'{WC}-low', f'{SE}-low']
  assert (found.a, found.b) == pytest.approx(students['Gemma-7B'])
  assert found.half_width == pytest.approx(0.0552, abs=1e-4)
  own = golden.replace(
    results,
    models=results.models
    | {'student': golden.replace(results.models['student'], name='gemma2_27b')},
  )
  assert paper.student(own) == 'Gemma2-27B'


def test_other_budgets_than_the_papers_have_no_number():
  """The run's are of 2 and 3 samples."""
  assert paper.claims(golden.RESULTS) == []
  rows = [*experiments.rows(golden.RESULTS, students=True)]
  assert rows and {row.paper for row in rows} == {'-'}


def test_number_matched_students_are_of_the_low_budget():
  found = reported(golden.gain(0.06))
  sides = {sides for sides in found if sides[0].startswith('wc_number')}
  assert sides == {('wc_number_matched-low', 'se-low')}
  assert set(reported(golden.gain(0.06), 'coverage')) >= {
    (f'wc_number_matched-{budget}', f'se-{budget}')
    for budget in ('low', 'high')
  }


def metrics(results):
  return {claim.comparison.metric for claim in paper.claims(results)}


def test_other_students_and_tasks_than_the_papers_have_no_number():
  results = golden.gain(0.06)
  of_data = {'coverage', 'diversity_per_solved', 'fpr'}
  assert metrics(results) == {'pass_at_1'} | of_data
  config = results.run.config | {'curate': {'keep': 'all'}}
  results = golden.run(results, config=config)
  assert metrics(results) == of_data
  assert metrics(golden.run(results, task='mbpp')) == set()


def test_diversity_is_compared_of_solved_problems_alone():
  """A page set its diversity per problem beside the paper's, of solved ones."""
  results = golden.gain(0.06)
  assert reported(results, 'diversity') == {}
  found = reported(results, 'diversity_per_solved')
  high = found[f'{WC}-high', f'{SE}-high']
  assert (high.a, high.b, high.half_width) == (11.4, 5.05, None)


def test_false_positives_are_by_who_says_so():
  results = golden.gain(0.06)
  by = lambda name: reported(
    golden.replace(results, fpr_source=types.Source(name=name, exact=False)),
    'fpr',
  )[f'{WC}-high', f'{SE}-high']
  assert (by('people').a, by('people').n) == (0.24, 50)
  assert (by('judge').a, by('judge').n) == (0.243, 500)


def test_what_the_paper_finds_equal_has_no_verdict():
  """Of the 9B on GSM8K, at the high budget: 81.0 and 81.0."""
  models = golden.RESULTS.models
  results = golden.replace(
    golden.gain(0.06), models=models | {'student': models['wc']}
  )
  on = lambda task: {
    claim.comparison.a: claim.expected
    for claim in paper.claims(golden.run(results, task=task))
    if claim.comparison.metric == 'pass_at_1'
  }
  assert on('gsm8k')[f'{WC}-high'] == 0
  assert on('math')[f'{WC}-high'] == 1
  assert on('nano_arithmetic')[f'{WC}-high'] == 0
  assert on('gsm8k')[f'{WC}-low'] == 1
  (claim,) = (
    claim
    for claim in paper.claims(golden.run(results, task='gsm8k'))
    if (claim.comparison.metric, claim.comparison.a)
    == ('pass_at_1', f'{WC}-high')
    and claim.comparison.b == 'se-high'
  )
  assert paper.verdict(claim, 1) == '-'


def test_a_pair_of_arms_is_tested_without_se():
  arms = f'{WC}-high', f'{WC}~1-high'
  results = golden.compared(
    *(golden.gain(0.0), 'pass_at_1', *arms),
    absolute=golden.estimate(-0.1, 0.05),
  )
  label = 'WC compute-matched against WC compute-matched, 1 kept'
  said = {
    (row.paper, row.verdict)
    for row in experiments.rows(results, students=True)
    if row.arms == label
  }
  assert said == {('+3.8 ± 5.7 points / -', 'opposite')}


def test_few_problems_have_numbers_of_their_own():
  """Of their students; of their data the paper says nothing."""
  for role, both in (
    ('student', (0.262, 0.232)),
    ('wc', (0.374, 0.356)),
    ('se', (0.448, 0.402)),
  ):
    results = golden.gain(0.06, name='dataset_size')
    models = results.models | {'student': results.models[role]}
    results = golden.replace(results, models=models)
    assert metrics(results) == {'pass_at_1'}
    ((sides, found),) = reported(results).items()
    assert sides == (f'{WC}-high', f'{SE}-high')
    assert (found.a, found.b) == pytest.approx(both)
