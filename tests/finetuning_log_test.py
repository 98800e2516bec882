"""Metrics survive a kill, whenever it comes."""

import json

import pytest

from wcse_jax import store
from wcse_jax.finetuning import log


def logged(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def written(folder, steps):
  made = log.Log(folder, 0)
  for step in range(1, steps + 1):
    made.write(step, {'loss': 1 / step})
  made.close()
  return folder / 'metrics.jsonl'


def test_lines_of_later_steps_and_cut_ones_are_dropped(tmp_path):
  path = written(tmp_path, 4)
  with path.open('a') as file:
    file.write('3\n{"step": "2"}\n{"loss": 1}\n{"step": 1, "lo')
  made = log.Log(tmp_path, 2)
  assert [row['step'] for row in logged(path)] == [1, 2]
  made.write(3, {'loss': 0.1})
  made.close()
  assert [row['step'] for row in logged(path)] == [1, 2, 3]
  assert len([*tmp_path.glob('events.*')]) == 1


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('start', [2, 4])
@pytest.mark.parametrize('killed_at', ['commit', '_write_event'])
def test_a_kill_while_starting_again_loses_nothing(
  start, killed_at, tmp_path, monkeypatch
):
  """The file was emptied, and written again line by line."""
  path = written(tmp_path, 4)
  path.write_text(path.read_text() + '{"step": 5')

  def kill(*_, **__):
    raise KeyboardInterrupt

  owner = store if killed_at == 'commit' else log.Log
  monkeypatch.setattr(owner, killed_at, kill)
  with pytest.raises(KeyboardInterrupt):
    log.Log(tmp_path, start)
  assert [row['step'] for row in logged_whole(path)][:start] == [1, 2, 3, 4][
    :start
  ]
  assert [*tmp_path.glob('events.*')]


def test_what_is_whole_is_not_written_again(tmp_path):
  path = written(tmp_path, 4)
  before = path.stat()
  log.Log(tmp_path, 4).close()
  after = path.stat()
  assert (before.st_ino, before.st_mtime_ns) == (
    after.st_ino,
    after.st_mtime_ns,
  )


def logged_whole(path):
  lines = path.read_text().splitlines()
  return [json.loads(line) for line in lines if line.endswith('}')]
