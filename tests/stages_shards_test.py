"""Shards of rows: Ctrl-C at any moment of a commit loses and doubles none."""

import os
import signal

import made_data
import pytest

from wcse_jax import store
from wcse_jax.runtime import progress
from wcse_jax.stages import shards
from wcse_jax.store import files

ROWS = [[True], [True], [True]]


@pytest.mark.parametrize('signum', progress.STOPS)
@pytest.mark.parametrize('when', ['told', 'written', 'renamed', 'committed'])
def test_a_signal_while_a_shard_is_committed(
  tmp_path, monkeypatch, when, signum
):
  """Rows came twice if it came between their commit and the note of it."""
  rows = made_data.sampled('wc', ROWS).samples
  stage = store.Store(tmp_path).stage('sample/wc', {})
  sent, spent = [], [7]

  def at(moment):
    if moment == when and not sent:
      sent.append(os.kill(os.getpid(), signum))

  def after(moment, call):
    def calling(*arguments):
      result = call(*arguments)
      at(moment)
      return result

    return calling

  def told():
    seconds = {'seconds': spent.pop() if spent else 0}
    at('told')
    return seconds

  monkeypatch.setattr(files.os, 'fsync', after('written', os.fsync))
  monkeypatch.setattr(files.os, 'replace', after('renamed', os.replace))
  write = store.Stage.write_part
  monkeypatch.setattr(store.Stage, 'write_part', after('committed', write))
  with pytest.raises(KeyboardInterrupt), progress.remembering_ctrl_c():
    shards.commit(stage, rows, 3, 2, told)
  assert sent, 'or nothing was tried'
  assert stage.read_parts()['sample_index'].to_pylist() == [0, 0]
  assert sum(info['seconds'] for info in stage.infos()) == 7
  progress._asked_to_stop.clear()
  shards.commit(stage, rows[2:], 1, 2, told)  # as a later run does
  assert stage.read_parts().num_rows == 3


def test_a_second_ctrl_c_is_heard_too():
  with progress.remembering_ctrl_c():
    for _ in range(2):
      with pytest.raises(KeyboardInterrupt), progress.whole():
        os.kill(os.getpid(), signal.SIGINT)
    with progress.whole():  # SIGTERM after it says nothing new
      os.kill(os.getpid(), signal.SIGTERM)
  progress._asked_to_stop.clear()


def test_what_is_committed_is_not_committed_again(tmp_path):
  """An error of what follows a part had its rows written twice."""
  pools = made_data.sampled('wc', [[True], [True]])
  stage = store.Store(tmp_path).stage('sample/wc', {})

  def fail(rows):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    shards.commit(stage, pools.samples, 2, 1, then=fail)
  assert stage.read_parts().num_rows == 1
