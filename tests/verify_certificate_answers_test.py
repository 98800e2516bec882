"""Certificates of answers: what is missed is counted and listed."""

import json

import pytest

from wcse_jax.verify.certificate import answers, hard_pairs, hostile, peers


def _problem(name, gold, solution):
  return peers.Pair(name, gold, solution, question='', right=True)


@pytest.fixture
def problems(monkeypatch):
  monkeypatch.setattr(
    hostile, 'inputs', lambda: [('a', '5', '\\boxed{6}'), ('b', '5', '')]
  )
  return [
    _problem('train:1', '\\frac{1}{2}', 'So \\boxed{0.5}.'),
    _problem('train:2', '', 'So \\boxed{}.'),
    _problem('train:3', '3', 'So \\boxed{4}.'),
    _problem('train:4', '0.5', 'So \\boxed{\\frac12}.'),
    *(_problem(f'test:{i}', str(i), f'\\boxed{{{i}}}') for i in range(10, 20)),
  ]


def test_what_is_missed_is_counted_and_listed(problems, monkeypatch):
  others = {'yes': lambda pair: True, 'absent': None}
  monkeypatch.setattr(peers, 'find', lambda task: others)
  monkeypatch.setattr(hard_pairs, 'equal_golds', list)
  certificate = answers.Checks(
    'math', problems, workers=1, random_pairs=200, peer_pairs=5
  ).run()
  details = certificate.details
  golds = details['gold against gold']
  assert (golds['misses'], golds['without_gold']) == ([], ['train:2'])
  (miss,) = details['reference solution against gold']['misses']
  assert miss[0] == 'train:3'
  assert miss[-3:] == ['wrong', '4', 'numeric']
  others = details['gold of another problem']
  assert others['misses'] == []
  assert set(others['to_check']) == {
    ('\\frac{1}{2}', '\\boxed{0.5}'),
    ('0.5', '\\boxed{\\frac{1}{2}}'),
  }
  assert len(details['hard pairs']['yes']['misses']) > 100
  assert details['hostile inputs']['by_rule'] == {
    'wrong: numeric': 1,
    'wrong: no_answer': 1,
  }
  assert details['hostile inputs']['longest_s'] < answers.TIMEOUT_S
  assert json.loads(json.dumps(details))
  table = certificate.markdown()
  assert '| gold against gold | 13 (1 more without gold) | 13 | 5 of 5 |' in (
    table
  )
  assert 'not installed' in table
  assert 'accepted: 2 to look at' in table
  assert "without gold: ['train:2']" in table
