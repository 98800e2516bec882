"""A kill at any moment loses nothing committed; one run at a time."""

import errno
import os
import pathlib
import random
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from wcse_jax import store

ROWS = pa.schema([pa.field('i', pa.int32(), nullable=False)])
SPEC = {'model': {'name': 'nano_wc', 'ks': (1, 4)}, 'seed': 0}


@pytest.fixture
def workdir(tmp_path):
  return store.Store(tmp_path / 'run')


def written(stage):
  return stage.read_parts()['i'].to_pylist()


def numbers(*values):
  return pa.table({'i': values}, schema=ROWS)


WRITER = """
import pathlib
import sys

class NoPandas:  # pyarrow would spend a second importing it
  def find_spec(self, name, *_):
    if name == 'pandas':
      raise ImportError(name)

sys.meta_path.insert(0, NoPandas())
from wcse_jax import store
import pyarrow as pa

rows = pa.schema([('i', pa.int32())])
work = store.Store(pathlib.Path(sys.argv[1]))
with work.lock():
  stage = work.stage('sample/wc', {})
  table = stage.read_parts()
  pa.table({'i': [0]}).cast(rows)  # imports what casting needs
  start = len(table) if table else 0
  store.write_json(stage.path / 'state.json', {'rows': [start] * 1000})
  print('ready', flush=True)
  for i in range(start, start + 100_000, 1000):
    table = pa.table({'i': range(i, i + 1000)}, schema=rows)
    stage.write_part(table, rows)
    store.write_json(stage.path / 'state.json', {'rows': [i + 1000] * 1000})
"""


def test_kill_at_any_moment_leaves_whole_rows_each_once(workdir):
  """kill -9 a writer again and again; it resumes from what is committed."""
  moments = random.Random(0)
  grown = [0]
  for _ in range(6):
    with subprocess.Popen(
      [sys.executable, '-c', WRITER, workdir.workdir],
      stdout=subprocess.PIPE,
      cwd=pathlib.Path(__file__).parents[1],
    ) as writer:
      assert writer.stdout and writer.stdout.readline() == b'ready\n'
      time.sleep(moments.uniform(0.02, 0.2))
      writer.kill()
    stage = workdir.stage('sample/wc', {})
    table = stage.read_parts()
    rows = table['i'].to_pylist() if table else []
    assert rows == list(range(len(rows))), 'rows lost, torn or written twice'
    if (stage.path / 'state.json').exists():
      state = store.read_json(stage.path / 'state.json')['rows']
      assert len(state) == 1000 and state[0] in (len(rows), len(rows) - 1000)
    grown.append(len(rows))
    with workdir.lock():  # the dead run's lock does not count
      pass
  assert grown == sorted(grown) and grown[-1] > 0


def test_lock_keeps_a_second_run_out_and_names_the_first(workdir):
  with (
    workdir.lock(),
    pytest.raises(store.StoreError, match=rf'pid {os.getpid()} on .* since'),
    store.Store(workdir.workdir).lock(),
  ):
    pass
  with workdir.lock():  # released
    pass


def test_lock_in_an_impossible_place_is_a_clear_error(tmp_path):
  (tmp_path / 'file').write_text('')
  with (
    pytest.raises(store.StoreError, match='--workdir'),
    store.Store(pathlib.Path(tmp_path / 'file' / 'run')).lock(),
  ):
    pass


@pytest.mark.parametrize('name', ['.lock', '.lock-1'])
def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path, name):
  """A stranger's workdir once had any file of the user's truncated."""
  (tmp_path / 'mine').write_text('precious')
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / name).symlink_to(tmp_path / 'mine')
  writer = (1, 2) if name == '.lock-1' else (0, 1)
  with (
    pytest.raises(store.StoreError, match=rf'{name} is a symbolic link'),
    store.Store(tmp_path / 'run', writer).lock(),
  ):
    pass
  (tmp_path / 'run' / name).unlink()  # the remedy
  with store.Store(tmp_path / 'run', writer).lock():
    pass
  assert (tmp_path / 'mine').read_text() == 'precious'


def test_a_finished_stage_is_taken_over_and_lives_on(tmp_path):
  sizes = {'a': 1, 'b': 3, 'c': 2, 'other': 9}
  for name, size in sizes.items():
    spec = SPEC if name != 'other' else {'seed': 1}
    there = store.Store(tmp_path / name).stage('sample/wc', spec)
    there.write_part(numbers(*range(size)), ROWS)
    there.finish(rows=size)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / n for n in sizes])
  stage = mine.stage('sample/wc', SPEC)
  (tmp_path / 'mine/sample/.wc.taken').mkdir(parents=True)  # of a kill
  most = mine.take_over(stage, mine.others)
  assert most == tmp_path / 'b'  # the one with most rows
  assert stage.is_complete() and written(stage) == [0, 1, 2]
  stage.write_part(numbers(3), ROWS)
  stage.finish(rows=4)
  assert written(store.Store(tmp_path / 'b').stage('sample/wc', SPEC)) == [
    0, 1, 2,
  ]  # fmt: skip
  stage.clear()
  assert (tmp_path / 'b/sample/wc/part-00000.parquet').exists()


def test_what_is_unfinished_or_here_already_is_not_taken(tmp_path):
  there = store.Store(tmp_path / 'there').stage('sample/wc', SPEC)
  there.write_part(numbers(0), ROWS)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / 'there'])
  stage = mine.stage('sample/wc', SPEC)
  assert mine.take_over(stage, mine.others) is None and not stage.path.exists()
  stage.write_part(numbers(5), ROWS)
  there.finish(rows=1)
  assert mine.take_over(stage, mine.others) is None and written(stage) == [5]


def test_another_disk_is_copied_from(tmp_path, monkeypatch):
  def refuse(*_):
    raise OSError(errno.EXDEV, 'Invalid cross-device link')

  monkeypatch.setattr(os, 'link', refuse)
  there = store.Store(tmp_path / 'there').stage('sample/wc', SPEC)
  there.write_part(numbers(0), ROWS)
  there.finish(rows=1)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / 'there'])
  stage = mine.stage('sample/wc', SPEC)
  assert mine.take_over(stage, mine.others) == tmp_path / 'there'
  assert written(stage) == [0]
