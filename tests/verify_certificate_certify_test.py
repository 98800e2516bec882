"""The certificate: it counts, lists what is missed, and names bad input."""

import json
import types

import pytest

from wcse_jax.verify.certificate import certify, hostile


@pytest.fixture
def problems(monkeypatch):
  monkeypatch.setattr(
    hostile, 'inputs', lambda: [('a', '5', '\\boxed{6}'), ('b', '5', '')]
  )
  return [
    certify.Problem('train:1', '', '\\frac{1}{2}', 'So \\boxed{0.5}.'),
    certify.Problem('train:2', '', '', 'So \\boxed{}.'),
    certify.Problem('train:3', '', '3', 'So \\boxed{4}.'),
    certify.Problem('train:4', '', '0.5', 'So \\boxed{\\frac12}.'),
    *(
      certify.Problem(f'test:{i}', '', str(i), f'\\boxed{{{i}}}')
      for i in range(10, 20)
    ),
  ]


def test_what_is_missed_is_counted_and_listed(problems, monkeypatch):
  peers = {'yes': lambda pair: True, 'absent': None}
  monkeypatch.setattr(certify, '_peers', lambda task: peers)
  monkeypatch.setattr(certify.hard_pairs, 'EQUAL_GOLDS', ())
  certify._equal_golds.cache_clear()
  certificate = certify.Certificate(
    'math', problems, workers=1, random_pairs=200, peer_pairs=5
  )
  certificate.run()
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
  assert details['hostile inputs']['longest_s'] < certify.TIMEOUT_S
  assert json.loads(json.dumps(details))
  table = certificate.markdown()
  assert '| gold against gold | 13 (1 more without gold) | 13 | 5 of 5 |' in (
    table
  )
  assert 'not installed' in table
  assert 'accepted: 2 to look at' in table
  assert "without gold: ['train:2']" in table


def test_a_peer_that_fails_says_no():
  def peer(pair):
    raise RecursionError

  pair = certify.Pair('a', '5', '\\boxed{5}', '', True)
  said, _ = certify._ask(peer, [pair])
  assert said == [False]


def test_command_line(problems, monkeypatch, tmp_path, capsys):
  made = types.SimpleNamespace(markdown=lambda: 'table', details={'a': 1})
  monkeypatch.setitem(certify.CERTIFICATES, 'math', lambda arguments: made)
  path = tmp_path / 'details.json'
  certify.main(['--task=math', '--data_dir=x', f'--json={path}'])
  assert capsys.readouterr().out == 'table\n'
  assert json.loads(path.read_text()) == {'a': 1}


def test_missing_data_is_one_line(tmp_path, monkeypatch):
  with pytest.raises(SystemExit, match='error: .*there is no train.jsonl'):
    certify.main(['--task=math', f'--data_dir={tmp_path}'])
  monkeypatch.delenv('WCSE_DATA_DIR', raising=False)
  with pytest.raises(SystemExit):
    certify.main(['--task=math'])
