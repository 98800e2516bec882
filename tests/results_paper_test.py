"""What the paper says of a run's setting."""

import golden_results as golden

from wcse_jax.report import experiments
from wcse_jax.results import paper


def test_each_student_has_the_papers_own_number():
  results = golden.gain(0.06)
  assert paper.student(results) == 'Gemma-7B'
  for role, name in (('wc', 'Gemma2-9B'), ('se', 'Gemma2-27B')):
    models = results.models | {'student': results.models[role]}
    results = golden.replace(results, models=models)
    assert paper.student(results) == name
  numbers = {c.text for c in paper.claims(results) if c.metric == 'pass_at_1'}
  assert '+4.3% / +1.5%' in numbers
  assert '+6% / +4.2%' not in numbers


def test_other_budgets_than_the_papers_have_no_number():
  """The run's are of 2 and 3 samples."""
  assert paper.claims(golden.RESULTS) == []
  rows = [*experiments.rows(golden.RESULTS, students=True)]
  assert rows and {row.paper for row in rows} == {'-'}


def metrics(results):
  return {claim.metric for claim in paper.claims(results)}


def test_other_students_and_tasks_than_the_papers_have_no_number():
  results = golden.gain(0.06)
  assert {'pass_at_1', 'coverage'} <= metrics(results)
  config = results.run.config | {'curate': {'keep': 'all'}}
  results = golden.run(results, config=config)
  assert metrics(results) == {'coverage', 'diversity', 'fpr'}
  assert metrics(golden.run(results, task='mbpp')) == set()


def test_an_order_of_arms_is_tested_without_se():
  arms = 'wc_compute_matched-high', 'wc_compute_matched~1-high'
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
  assert said == {('higher', 'opposite'), ('-', 'undecided')}


def test_few_problems_have_a_number_of_their_own():
  """Of their students; of their data the paper says nothing."""
  found = paper.claims(golden.gain(0.06, name='dataset_size'))
  assert {(c.metric, c.text) for c in found if c.against == 'se'} == {
    ('pass_at_1', '+12.9% [u]')
  }
