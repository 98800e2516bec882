"""What came out, in sentences."""

import re

import golden_results as golden
import pytest

from wcse_jax.report import costs, experiments, figures, outcomes, page
from wcse_jax.results import types


def test_a_partial_run_says_so_before_all_else():
  left = types.Partial(
    problems=8,
    samples={'se': 100, 'wc': 150},
    planned={'se': 400, 'wc': 600},
    enough={'usd': 45.0, 'hours': 0.031},
  )
  config = golden.RESULTS.run.config | {'limit': {'usd': 20.0, 'hours': 0.01}}
  results = golden.run(partial=left, config=config)
  said = (
    'PARTIAL: a limit (limit.usd = 20, limit.hours = 0.01) stopped this run'
    ' with 250 of 1,000 samples (25.0%). All below is of the first'
    f' {results.problems["train"]} of 8 problems, which every pool has all'
    ' samples of; no student is finetuned on them. To go on, give about'
    ' --config.limit.usd=45 --config.limit.hours=0.031.'
  )
  assert outcomes.headlines(results)[0] == said
  assert experiments.sentences(results)[0] == said
  shared = golden.run(results, partial=golden.replace(left, enough={}))
  alone = outcomes.headlines(shared)[0]
  assert 'a limit (limit.usd = 20, limit.hours = 0.01) stopped' in alone
  assert alone.endswith('To go on, run the same command again.')
  (read,) = types.decode(types.encode(results)).values()
  assert read == results
  assert not any('PARTIAL' in of for of in outcomes.headlines(golden.RESULTS))


@pytest.mark.parametrize(
  ('gain', 'head', 'sentence'),
  [
    (
      0.06,
      'better at both budgets.',
      'Primary comparison: at the high budget the WC-trained student'
      ' is better than the SE-trained'
      ' one: +6.0 points [+2.6, +9.4] (relative +15.0%); the interval excludes'
      ' zero, so this run can tell (it could have detected 4.9 points).',
    ),
    (
      -0.06,
      'worse at both budgets.',
      'Primary comparison: at the high budget the WC-trained student'
      ' is worse than the SE-trained'
      ' one: -6.0 points [-9.4, -2.6] (relative -15.0%); the interval excludes'
      ' zero, so this run can tell (it could have detected 4.9 points).',
    ),
    (
      0.02,
      'undecided at both budgets.',
      'Primary comparison: at the high budget the WC-trained student'
      ' scores +2.0 points'
      ' [-1.4, +5.4] (relative +5.0%) against the SE-trained one; the interval'
      ' includes zero, so this run cannot tell which is better (it could have'
      ' detected 4.9 points).',
    ),
  ],
)
def test_headline_says_what_came_out(gain, head, sentence):
  results = golden.gain(gain)
  data, students = outcomes.headlines(results)
  assert data == (
    'WC data against SE data at equal sampling cost: coverage undecided at both'
    ' budgets; diversity per solved problem undecided at both budgets; false'
    ' positive rate undecided at both budgets.'
  )
  assert students == (
    f'WC-trained against SE-trained student at equal sampling cost: {head}'
  )
  assert outcomes.main(results)[-1] == sentence
  assert sentence in page.render(results, [])


def test_votes_have_a_sentence():
  """A page said 'undecided' while its own tables decided maj@4."""
  results = golden.gain(0.02)
  student = results.students['se-high']
  student = golden.replace(student, maj_at_k={4: student.pass_at_1})
  votes = [
    golden.replace(
      results.comparison('pass_at_1', f'wc_compute_matched-{budget}', b),
      metric='maj_at_4',
      absolute=golden.estimate(0.05, half),
    )
    for budget, b, half in (('low', 'se-low', 0.06), ('high', 'se-high', 0.04))
  ]
  results = golden.replace(
    results,
    students=results.students | {'se-high': student},
    comparisons=(*results.comparisons, *votes),
  )
  assert outcomes.headlines(results)[2] == (
    'By majority votes of the same students: maj@4 undecided at the low budget,'
    ' better at the high budget.'
  )


def only(results, keep):
  return golden.replace(
    results, comparisons=tuple(filter(keep, results.comparisons))
  )


def test_unmatched_students_are_called_so():
  results = only(golden.RESULTS, lambda c: c.a.startswith('wc_number'))
  assert all('UNMATCHED' in line for line in outcomes.headlines(results))
  assert outcomes.main(results)[-1].startswith(
    'Exploratory, unmatched (the two did not cost the same)'
  )


def test_students_are_set_beside_what_they_were():
  results = golden.compared(
    *(golden.RESULTS, 'pass_at_1', 'se-low', 'base'),
    absolute=golden.estimate(0.06, 0.01),
  )
  results = only(results, lambda c: (c.a, c.b) == ('se-low', 'base'))
  assert outcomes.headlines(results) == [
    'Finetuned against before: SE better at the low budget.'
  ]
  text = page.render(results, [])
  assert '<p class="caption">SE against base student</p>' in text
  assert '<th scope="row">student pass@1, low</th>' in text


def test_other_pairs_of_students_have_a_sentence():
  results = golden.compared(
    *(golden.RESULTS, 'pass_at_1', 'wc_compute_matched-low', 'se@1.2-low'),
    absolute=golden.estimate(0.021, 0.034),
  )
  assert (
    'WC compute-matched against SE at T=1.2, at matched cost, student pass@1,'
    ' low: +2.1 points [-1.3, +5.5].'
  ) in outcomes.of_others(results)
  told = [c for _, c in outcomes.student_comparisons(results)]
  assert len(told) == 2
  assert len(outcomes.of_others(results)) == 27  # of 29 pairs of arms


def test_data_have_a_sentence_for_each_budget():
  low, _ = outcomes.of_data(golden.RESULTS)
  assert low.startswith(
    'WC compute-matched data against SE data, low budget: coverage +0.0 points'
  )
  assert (
    ', diversity per solved problem +0.00 [' in low
    and ', false positive rate -4.5 ' in low
  )


def test_generators_may_have_other_names():
  names = {'wc': 'small', 'se': 'large', 'WC': 'small', 'SE': 'large'}
  own = re.compile(r'(?<![A-Za-z_])(wc|se|WC|SE)(?!_samples|[A-Za-z])')
  renamed = lambda text: own.sub(lambda match: names[match[1]], text)
  told = lambda results: [
    *outcomes.headlines(results),
    *outcomes.main(results),
    *outcomes.of_data(results),
    *outcomes.of_others(results),
    *map(str, costs.winners(results)),
  ]
  before = golden.gain(0.06)
  expected = [renamed(text) for text in told(before)]
  (results,) = types.decode(renamed(types.encode(before))).values()
  budget = results.run.config['budget'] | {'anchor': 'large'}
  results = golden.run(results, config=results.run.config | {'budget': budget})
  assert told(results) == expected
  assert 'small-trained against large-trained' in told(results)[1]
  pictures = figures.draw(results)
  assert {picture.name for picture in pictures} == {
    picture.name for picture in figures.draw(before)
  }
  text = page.render_all({'demo': results}, {'demo': pictures})
  assert 'a truly correct sample of large is' in text
  assert 'small against large, matched in each way' in text


def test_one_comparison_is_primary():
  """The others are exploratory: nothing corrects them for their number."""
  primary = [c for c in golden.RESULTS.comparisons if c.primary]
  assert [(c.metric, c.a, c.b) for c in primary] == [
    ('pass_at_1', 'wc_compute_matched-high', 'se-high')
  ]
  low = outcomes.main(golden.RESULTS)[-2]
  assert low.startswith('Exploratory: at the low budget')
  text = page.render(golden.RESULTS, [])
  assert text.count('student pass@1, high (primary)') == 1


@pytest.mark.parametrize(
  ('gain', 'half', 'can_tell'),
  [(0.05, 0.02, True), (0.01, 0.02, False), (-0.05, 0.02, False)],
)
def test_students_without_headroom_are_named(gain, half, can_tell):
  """What no human-written data improve, no other data can be seen to."""
  results = golden.compared(
    *(golden.RESULTS, 'pass_at_1', 'reference-high', 'base'),
    absolute=golden.estimate(gain, half),
  )
  said = [line for line in outcomes.main(results) if 'cannot tell:' in line]
  assert bool(said) != can_tell
  if said:
    assert 'Finetune for more steps' in said[0]
