"""What is written down of a run."""

import contextlib
import dataclasses
import json
import time

import pytest

from wcse_jax.experiment import config as config_lib
from wcse_jax.stages.journal import Journal

TWELVE = dataclasses.replace(
  config_lib.Config(), task=config_lib.TaskSpec(num_train=12)
)


def test_what_changed_is_said_in_a_line(tmp_path, capsys):
  """A forgotten flag made 300 problems of 12, in silence."""
  journal = Journal(tmp_path, '')
  journal.write_config(TWELVE)
  journal.write_config(TWELVE)
  assert capsys.readouterr().out == ''
  journal.write_config(config_lib.Config(arms=('se',), student=''))
  assert capsys.readouterr().out == (
    'other than in the run before: config.student "nano_student" -> "";'
    ' config.arms ["se", "wc_compute_matched", "wc_number_matched",'
    ' "reference"] -> ["se"]; config.task.num_train 12 -> 300\n'
  )
  journal.write_config(config_lib.Config(arms=('se',), student=''))
  assert capsys.readouterr().out == ''


def test_a_field_of_later_had_its_default(tmp_path, capsys):
  journal = Journal(tmp_path, '')
  journal.write_config(TWELVE)
  path = tmp_path / 'config.json'
  written = json.loads(path.read_text())
  del written['config']['report'], written['config']['sampling']['top_p']
  written['config']['of_before'] = {'gone': 1}
  path.write_text(json.dumps(written))
  journal.write_config(TWELVE)
  assert capsys.readouterr().out == ''


def test_a_stage_that_fails_has_taken_its_time(tmp_path):
  journal = Journal(tmp_path, '')
  for _ in range(2):
    with contextlib.suppress(ZeroDivisionError), journal.clock('sample'):
      time.sleep(0.01)
      _ = 1 / 0
  assert journal.seconds['sample'] >= 0.02


@pytest.mark.parametrize('text', ['{', '[]', '{}', '{"config": 3}'])
def test_what_cannot_be_read_is_written_anew(text, tmp_path, capsys):
  (tmp_path / 'config.json').write_text(text)
  Journal(tmp_path, '').write_config(TWELVE)
  assert 'cannot be read' in capsys.readouterr().out
  assert json.loads((tmp_path / 'config.json').read_text())['config']
