"""A kill at any moment loses nothing committed; bad files say what to do."""

import contextlib
import errno
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import records, store

ROWS = pa.schema([pa.field('i', pa.int32(), nullable=False)])
SPEC = {'model': {'name': 'nano_wc', 'ks': (1, 4)}, 'seed': 0}


@pytest.fixture
def workdir(tmp_path):
  return store.Store(tmp_path / 'run')


def written(stage):
  return stage.read_parts()['i'].to_pylist()


def test_columns_are_those_promised():
  assert store.SAMPLES.names == [
    'generator',
    'problem_id',
    'sample_index',
    'text',
    'num_tokens',
    'num_prompt_tokens',
    'finish_reason',
    'logprob',
  ]
  assert store.VERDICTS.names == [
    'generator',
    'problem_id',
    'sample_index',
    'verdict',
    'answer',
    'rule',
    'sound',
  ]
  assert store.SAMPLES.field('sample_index').type == pa.int32()
  assert store.SAMPLES.field('logprob').type == pa.float64()
  assert [f.name for f in store.VERDICTS if f.nullable] == ['sound']


def test_records_survive_bit_for_bit_and_pandas_reads_them(workdir):
  samples = [
    records.Sample(
      generator='wc',
      problem_id=f'p{i}',
      sample_index=i,
      text=' a\n"é" \U0001f600',
      num_tokens=3,
      num_prompt_tokens=500,
      finish_reason='stop',
      logprob=-0.1 / 3**i,
    )
    for i in range(3)
  ]
  verdicts = [
    records.Verdict(
      generator='wc',
      problem_id='p',
      sample_index=i,
      verdict='unknown',
      answer='',
      rule='timeout',
      sound=sound,
    )
    for i, sound in enumerate((True, False, None))
  ]
  for name, rows, schema in (
    ('sample/wc', samples, store.SAMPLES),
    ('verify/wc', verdicts, store.VERDICTS),
  ):
    stage = workdir.stage(name, SPEC)
    path = stage.write_part(store.to_table(rows, schema), schema)
    assert path == workdir.workdir / name / 'part-00000.parquet'
    assert store.from_table(stage.read_parts(), type(rows[0])) == rows
    frame = pd.read_parquet(path)
    assert list(frame.columns) == schema.names and len(frame) == 3
  assert store.from_table(None, records.Sample) == []


def test_a_missing_column_is_refused(workdir):
  with pytest.raises(pa.ArrowInvalid, match='non-nullable'):
    workdir.stage('sample/wc', SPEC).write_part([{'text': ''}], store.SAMPLES)
  assert workdir.stage('sample/wc', SPEC).read_parts() is None


def test_fingerprint_depends_on_content_not_on_order():
  a = store.fingerprint({'x': 1, 'y': (2, 3)})
  assert a == store.fingerprint({'y': [2, 3], 'x': 1})
  assert a != store.fingerprint({'x': 1, 'y': [3, 2]})
  assert a != store.fingerprint({'x': 1, 'y': (2, 3)}, version=2)
  assert a != store.fingerprint({'x': 1, 'y': (2, 3)}, upstream=['f'])
  assert len(a) == 64


def test_parts_number_on_and_pools_grow(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  assert stage.read_parts() is None and not stage.is_complete()
  stage.write_part([{'i': 0}, {'i': 1}], ROWS)
  stage.finish(rows=2)
  assert stage.is_complete() and stage.manifest()['rows'] == 2
  again = workdir.stage('sample/wc', SPEC)
  assert again.write_part([{'i': 2}], ROWS).name == 'part-00001.parquet'
  again.finish(rows=3)
  assert again.is_complete() and again.manifest()['rows'] == 3
  assert written(again) == [0, 1, 2]


def test_parts_keep_their_order_beyond_five_digits(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  path = stage.write_part([{'i': 0}], ROWS)
  path.rename(path.with_name('part-99999.parquet'))
  stage.write_part([{'i': 1}], ROWS)
  stage.write_part([{'i': 2}], ROWS)
  assert written(stage) == [0, 1, 2]


def test_manifest_has_what_made_it(workdir):
  stage = workdir.stage('curate/se', SPEC, ['abc'], 3)
  stage.write_json('counts.json', {'kept': 1})
  stage.finish(dropped=4)
  manifest = json.loads((stage.path / 'MANIFEST.json').read_text())
  assert manifest['stage'] == 'curate/se'
  assert manifest['fingerprint'] == stage.fingerprint
  assert manifest['spec'] == {
    'model': {'name': 'nano_wc', 'ks': [1, 4]},
    'seed': 0,
  }
  assert (manifest['upstream'], manifest['version']) == (['abc'], 3)
  assert manifest['files'] == ['counts.json'] and manifest['dropped'] == 4
  assert stage.read_json('counts.json') == {'kept': 1}


def test_other_settings_stop_and_show_the_difference(workdir):
  stage = workdir.stage('finetune/a', SPEC)
  stage.write_part([{'i': 0}], ROWS)
  stage.finish()
  other = workdir.stage('finetune/a', {**SPEC, 'seed': 1}, ['f'])
  with pytest.raises(store.StoreError) as error:
    other.is_complete()
  message = str(error.value)
  assert 'finetune/a/MANIFEST.json' in message
  assert '  spec.seed: 0 -> 1' in message
  assert '  upstream: [] -> ["f"]' in message
  assert 'nano_wc' not in message  # what did not change
  assert '--redo=finetune/a' in message
  (stage.path / 'MANIFEST.json').unlink()
  with pytest.raises(store.StoreError, match=r'spec\.seed: 0 -> 1'):
    other.read_parts()


def test_clear_makes_room(workdir):
  stage = workdir.stage('finetune/a', SPEC)
  stage.clear()  # nothing there
  stage.write_part([{'i': 0}], ROWS)
  stage.finish()
  stage.clear()
  other = workdir.stage('finetune/a', {**SPEC, 'seed': 1})
  assert not other.is_complete() and other.read_parts() is None
  assert list(stage.path.parent.iterdir()) == []


def test_a_lost_part_reopens_the_stage_and_costs_only_its_rows(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  for i in range(3):
    stage.write_part([{'i': i}], ROWS)
  stage.finish()
  (stage.path / 'part-00001.parquet').unlink()
  assert not stage.is_complete()
  assert written(stage) == [0, 2]
  assert stage.write_part([{'i': 1}], ROWS).name == 'part-00003.parquet'


def damage_truncate(data):
  return data[: len(data) // 2]


def damage_empty(data):
  return b''


def damage_bit(data):
  middle = data.index(b'PAR1') + 60
  return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize('damage', [damage_truncate, damage_empty, damage_bit])
def test_a_damaged_part_names_itself_and_the_remedy(workdir, damage):
  stage = workdir.stage('sample/wc', SPEC)
  for start in (0, 500):
    stage.write_part([{'i': start + i} for i in range(500)], ROWS)
  path = stage.path / 'part-00001.parquet'
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(store.StoreError, match='only its rows') as error:
    stage.read_parts()
  assert str(path) in str(error.value)
  path.unlink()  # the remedy
  assert written(stage) == list(range(500))


def test_a_foreign_parquet_file_is_not_taken_for_a_part(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part([{'i': 0}], ROWS)
  pq.write_table(
    pa.table({'i': [1]}, schema=ROWS), stage.path / 'part-00001.parquet'
  )
  with pytest.raises(store.StoreError, match=r'part-00001\.parquet is damaged'):
    stage.read_parts()


@pytest.mark.parametrize(
  'text', ['', '{"fingerprint": ', '[]', '{}', '{"sha256": 1}']
)
def test_an_unreadable_manifest_names_itself_and_the_remedy(workdir, text):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part([{'i': 0}], ROWS)
  stage.finish()
  path = stage.path / 'MANIFEST.json'
  path.write_text(text)
  with pytest.raises(store.StoreError, match='Delete it') as error:
    stage.is_complete()
  assert str(path) in str(error.value)
  path.unlink()
  assert not stage.is_complete() and written(stage) == [0]


def test_an_altered_manifest_is_noticed(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.finish(rows=10)
  path = stage.path / 'MANIFEST.json'
  path.write_text(path.read_text().replace('"rows": 10', '"rows": 11'))
  with pytest.raises(store.StoreError, match='was altered'):
    stage.manifest()


def test_missing_or_damaged_json_is_an_error(workdir):
  stage = workdir.stage('report', SPEC)
  with pytest.raises(store.StoreError, match=r'results\.json cannot be read'):
    stage.read_json('results.json')
  with pytest.raises(ValueError, match='JSON'):
    stage.write_json('results.json', float('nan'))


def test_a_full_disk_names_the_file_and_keeps_what_is_paid(
  workdir, monkeypatch
):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part([{'i': 0}], ROWS)

  def full(fd):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with monkeypatch.context() as patch:
    patch.setattr(os, 'fsync', full)
    with pytest.raises(store.StoreError) as error:
      stage.write_part([{'i': 1}], ROWS)
  message = str(error.value)
  assert str(stage.path / 'part-00001.parquet') in message
  assert 'No space left on device while writing' in message
  assert 'Everything committed before stays' in message
  assert [p.name for p in stage.path.iterdir()] == ['part-00000.parquet']
  stage.write_part([{'i': 1}], ROWS)
  assert written(stage) == [0, 1]


def test_leftovers_of_a_kill_are_ignored_then_removed(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part([{'i': 0}], ROWS)
  leftover = stage.path / '.part-00001.parquet.tmp'
  leftover.write_bytes(b'PAR1 half')
  assert written(stage) == [0]
  stage.write_part([{'i': 1}], ROWS)
  stage.finish()
  assert not leftover.exists() and written(stage) == [0, 1]
  assert stage.manifest()['files'] == [
    'part-00000.parquet',
    'part-00001.parquet',
  ]


@pytest.mark.parametrize('calls', [0, 1, 2, 3])
def test_commit_dies_with_the_old_file_or_the_new_whole(
  tmp_path, monkeypatch, calls
):
  """Death after each of fsync(file), rename, fsync(folder)."""
  path = store.commit(tmp_path / 'file', b'old')
  done = []

  class Killed(BaseException):
    pass

  def dying(name):
    original = getattr(os, name)

    def call(*args):
      if len(done) == calls:
        raise Killed
      done.append(name)
      return original(*args)

    return call

  with monkeypatch.context() as patch, contextlib.suppress(Killed):
    for name in ('fsync', 'replace'):
      patch.setattr(os, name, dying(name))
    store.commit(path, b'new')
  assert done == ['fsync', 'replace', 'fsync'][:calls]
  assert path.read_bytes() == (b'new' if 'replace' in done else b'old')


WRITER = """
import sys

class NoPandas:  # pyarrow would spend a second importing it
  def find_spec(self, name, *_):
    if name == 'pandas':
      raise ImportError(name)

sys.meta_path.insert(0, NoPandas())
from wcse_jax import store
import pyarrow as pa

rows = pa.schema([('i', pa.int32())])
work = store.Store(sys.argv[1])
with work.lock():
  stage = work.stage('sample/wc', {})
  table = stage.read_parts()
  pa.array([0])
  start = len(table) if table else 0
  print('ready', flush=True)
  for i in range(start, start + 100_000, 1000):
    stage.write_part([{'i': j} for j in range(i, i + 1000)], rows)
    stage.write_json('state.json', {'rows': [i + 1000] * 1000})
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
      state = stage.read_json('state.json')['rows']
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


def test_a_finished_stage_is_taken_over_and_lives_on(tmp_path):
  sizes = {'a': 1, 'b': 3, 'c': 2, 'other': 9}
  for name, size in sizes.items():
    spec = SPEC if name != 'other' else {'seed': 1}
    there = store.Store(tmp_path / name).stage('sample/wc', spec)
    there.write_part([{'i': i} for i in range(size)], ROWS)
    there.finish(rows=size)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / n for n in sizes])
  stage = mine.stage('sample/wc', SPEC)
  (tmp_path / 'mine/sample/.wc.taken').mkdir(parents=True)  # of a kill
  assert mine.take_over(stage) == tmp_path / 'b'  # the one with most rows
  assert stage.is_complete() and written(stage) == [0, 1, 2]
  stage.write_part([{'i': 3}], ROWS)
  stage.finish(rows=4)
  assert written(store.Store(tmp_path / 'b').stage('sample/wc', SPEC)) == [
    0, 1, 2,
  ]  # fmt: skip
  stage.clear()
  assert (tmp_path / 'b/sample/wc/part-00000.parquet').exists()


def test_what_is_unfinished_or_here_already_is_not_taken(tmp_path):
  there = store.Store(tmp_path / 'there').stage('sample/wc', SPEC)
  there.write_part([{'i': 0}], ROWS)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / 'there'])
  stage = mine.stage('sample/wc', SPEC)
  assert mine.take_over(stage) is None and not stage.path.exists()
  stage.write_part([{'i': 5}], ROWS)
  there.finish(rows=1)
  assert mine.take_over(stage) is None and written(stage) == [5]


def test_another_disk_is_copied_from(tmp_path, monkeypatch):
  def refuse(*_):
    raise OSError(errno.EXDEV, 'Invalid cross-device link')

  monkeypatch.setattr(os, 'link', refuse)
  there = store.Store(tmp_path / 'there').stage('sample/wc', SPEC)
  there.write_part([{'i': 0}], ROWS)
  there.finish(rows=1)
  mine = store.Store(tmp_path / 'mine', others=[tmp_path / 'there'])
  stage = mine.stage('sample/wc', SPEC)
  assert mine.take_over(stage) == tmp_path / 'there'
  assert written(stage) == [0]
