"""The certificate's command line: it prints, keeps, and names bad input."""

import json
import types

import pytest

from wcse_jax.verify.certificate import certify


def test_command_line(monkeypatch, tmp_path, capsys):
  made = types.SimpleNamespace(markdown=lambda: 'table', details={'a': 1})
  monkeypatch.setattr(certify, 'certify', lambda arguments: made)
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
