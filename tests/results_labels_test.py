"""Labels: blind, seeded, read back, refused if they are of another run."""

import json

import pytest

from wcse_jax.records import Problem, Sample
from wcse_jax.results import labels

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
  found = labels.agreement(people, source, seed=0)
  assert found['value'] == pytest.approx(1 / 3) and found['n'] == 3
  counts = ('right_right', 'wrong_right', 'right_wrong', 'wrong_wrong')
  assert [found[name] for name in counts] == [1, 1, 1, 0]
  assert labels.agreement(people, {}, seed=0) is None
