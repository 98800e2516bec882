"""Labels: blind, seeded, read back, refused if they are of another run."""

import json

import made_data as made
import pytest

from wcse_jax.records import Problem, Sample
from wcse_jax.results import labels
from wcse_jax.results.intervals import Intervals

PROBLEMS = {
  f'p{i}': Problem(
    problem_id=f'p{i}',
    split='train',
    question=f'What is {i} < 9 & more?',
    prompt='',
    solution='',
    gold=str(i),
    level=1,
  )
  for i in range(100)
}


def _samples(generator):
  return [
    Sample(
      generator=generator,
      problem_id=problem_id,
      sample_index=0,
      text=f' solved by {problem_id}',
      num_tokens=3,
      num_prompt_tokens=3,
      finish_reason='stop',
      logprob=-1.0,
    )
    for problem_id in PROBLEMS
  ]


WC, SE = _samples('genwc'), _samples('gense')


def test_the_page_is_blind_seeded_and_mixed():
  few = labels.chosen('run', {'wc': WC, 'se': SE}, each=5)
  assert sorted(s.generator for s in few) == ['gense'] * 5 + ['genwc'] * 5
  assert few == labels.chosen('run', {'wc': WC[::-1], 'se': SE}, each=5)
  assert few != labels.chosen('other', {'wc': WC, 'se': SE}, each=5)
  page = labels.page('run', few, PROBLEMS)
  assert 'genwc' not in page and 'gense' not in page, 'blind'
  assert 'http' not in page, 'no request'
  assert page.count('<article') == 10 and '&lt; 9 &amp; more' in page
  assert labels.key('run', few[0]) in page


def _write(tmp_path, content):
  path = tmp_path / 'labels.json'
  path.write_text(json.dumps(content))
  return path


def test_labels_are_read_by_sample(tmp_path):
  said = {
    labels.key('run', WC[3]): 'right',
    labels.key('run', SE[4]): 'wrong',
    labels.key('run', SE[5]): 'unsure',
  }
  path = _write(tmp_path, {'run': 'run', 'labels': said})
  assert labels.read(path, 'run', WC + SE) == {
    ('genwc', 'p3', 0): True,
    ('gense', 'p4', 0): False,
  }
  assert labels.read(tmp_path / 'none.json', 'run', WC) == {}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'run': 'other', 'labels': {}}, 'labels of another run'),
    ({'run': 'run', 'labels': {'abc': 'right'}}, 'no such sample'),
    ({'run': 'run', 'labels': {labels.key('run', WC[0]): 'ok'}}, "is 'ok'"),
    (['run'], 'no label file'),
    ({'labels': {}}, 'no label file'),
  ],
)
def test_bad_label_files_are_named(tmp_path, content, message):
  path = _write(tmp_path, content)
  with pytest.raises(labels.LabelError, match=message) as caught:
    labels.read(path, 'run', WC)
  assert str(path) in str(caught.value)


def test_agreement_counts_what_both_looked_at():
  people = {'a': True, 'b': False, 'c': True, 'd': False}
  source = {'a': True, 'b': True, 'c': False, 'e': True}
  intervals = Intervals(seed=0, num_resamples=200, confidence=0.95)
  found = labels.agreement(people, source, intervals)
  assert found.value == pytest.approx(1 / 3) and found.n == 3
  assert (found.right_right, found.wrong_right) == (1, 1)
  assert (found.right_wrong, found.wrong_wrong) == (1, 0)


def test_only_sources_that_looked_at_the_same_samples_agree():
  pools = {
    made.WC: made.sampled('wc', [[True], [False]]),
    made.SE: made.sampled('se', [[True], [True]]),
  }
  arms = ('se', 'wc_number_matched')
  said = {('wc', 'p/1', 0): True, ('se', 'p/0', 0): True}
  data = made.read(pools, arms, 1, 1, labels=said)
  (found,) = labels.agreements(data).values()
  assert (found.n, found.right_right, found.right_wrong) == (2, 1, 1)
  assert labels.agreements(made.read(pools, arms, 1, 1)) == {}
