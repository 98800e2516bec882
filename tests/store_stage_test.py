"""Parts, manifests and identities; bad files say what to do."""

import errno
import hashlib
import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
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


def test_a_missing_column_or_value_is_refused(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  with pytest.raises(KeyError, match='generator'):
    stage.write_part(pa.table({'text': ['']}), store.SAMPLES)
  with pytest.raises(ValueError, match='non-nullable'):
    stage.write_part(pa.table({'i': pa.array([None], pa.int32())}), ROWS)
  assert stage.read_parts() is None


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
  stage.write_part(numbers(0, 1), ROWS)
  stage.finish(rows=2)
  assert stage.is_complete() and stage.manifest()['rows'] == 2
  again = workdir.stage('sample/wc', SPEC)
  assert again.write_part(numbers(2), ROWS).name == 'part-00001.parquet'
  again.finish(rows=3)
  assert again.is_complete() and again.manifest()['rows'] == 3
  assert written(again) == [0, 1, 2]


def test_parts_are_read_once_by_who_says_so(workdir):
  """Each round of drawing read all that there was anew."""
  stage, seen = workdir.stage('sample/wc', SPEC), {}
  assert stage.read_parts(seen) is None
  part = stage.write_part(numbers(0, 1), ROWS)
  assert stage.read_parts(seen)['i'].to_pylist() == [0, 1]
  part.write_bytes(b'not looked at again')
  assert stage.read_parts(seen) is None
  later = stage.write_part(numbers(2), ROWS)
  assert stage.read_parts(seen)['i'].to_pylist() == [2]
  shutil.copy(later, later.with_name('part-00007.parquet'))
  assert stage.read_parts(seen) is None, 'what a copy says counts once'


def test_parts_keep_their_order_beyond_five_digits(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  path = stage.write_part(numbers(0), ROWS)
  path.rename(path.with_name('part-99999.parquet'))
  stage.write_part(numbers(1), ROWS)
  stage.write_part(numbers(2), ROWS)
  assert written(stage) == [0, 1, 2]


def test_manifest_has_what_made_it(workdir):
  stage = workdir.stage('curate/se', SPEC, ['abc'], 3)
  store.write_json(stage.path / 'counts.json', {'kept': 1})
  stage.finish(dropped=4)
  manifest = json.loads((stage.path / '_MANIFEST.json').read_text())
  assert manifest['stage'] == 'curate/se'
  assert manifest['fingerprint'] == stage.fingerprint
  assert manifest['spec'] == {
    'model': {'name': 'nano_wc', 'ks': [1, 4]},
    'seed': 0,
  }
  assert (manifest['upstream'], manifest['version']) == (['abc'], 3)
  assert manifest['files'] == ['counts.json'] and manifest['dropped'] == 4
  assert store.read_json(stage.path / 'counts.json') == {'kept': 1}


def test_other_settings_stop_and_show_the_difference(workdir):
  stage = workdir.stage('finetune/a', SPEC)
  stage.write_part(numbers(0), ROWS)
  stage.finish()
  other = workdir.stage('finetune/a', {**SPEC, 'seed': 1}, ['f'])
  with pytest.raises(store.StoreError) as error:
    other.is_complete()
  message = str(error.value)
  assert 'finetune/a/_MANIFEST.json' in message
  assert '  spec.seed: 0 -> 1' in message
  assert '  upstream: [] -> ["f"]' in message
  assert 'nano_wc' not in message  # what did not change
  assert '--redo=finetune/a' in message
  (stage.path / '_MANIFEST.json').unlink()
  with pytest.raises(store.StoreError, match=r'spec\.seed: 0 -> 1'):
    other.read_parts()


def test_clear_makes_room(workdir):
  stage = workdir.stage('finetune/a', SPEC)
  stage.clear()  # nothing there
  stage.write_part(numbers(0), ROWS)
  stage.finish()
  stage.clear()
  other = workdir.stage('finetune/a', {**SPEC, 'seed': 1})
  assert not other.is_complete() and other.read_parts() is None
  assert list(stage.path.parent.iterdir()) == []


def test_a_lost_part_reopens_the_stage_and_costs_only_its_rows(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  for i in range(3):
    stage.write_part(numbers(i), ROWS)
  stage.finish()
  (stage.path / 'part-00001.parquet').unlink()
  assert not stage.is_complete()
  assert written(stage) == [0, 2]
  assert stage.write_part(numbers(1), ROWS).name == 'part-00003.parquet'


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
    stage.write_part(numbers(*range(start, start + 500)), ROWS)
  path = stage.path / 'part-00001.parquet'
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(store.StoreError, match='only its rows') as error:
    stage.read_parts()
  assert str(path) in str(error.value)
  path.unlink()  # the remedy
  assert written(stage) == list(range(500))


def test_a_foreign_parquet_file_is_not_taken_for_a_part(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part(numbers(0), ROWS)
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
  stage.write_part(numbers(0), ROWS)
  stage.finish()
  path = stage.path / '_MANIFEST.json'
  path.write_text(text)
  with pytest.raises(store.StoreError, match='Delete it') as error:
    stage.is_complete()
  assert str(path) in str(error.value)
  path.unlink()
  assert not stage.is_complete() and written(stage) == [0]


def test_an_altered_manifest_is_noticed(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.finish(rows=10)
  path = stage.path / '_MANIFEST.json'
  path.write_text(path.read_text().replace('"rows": 10', '"rows": 11'))
  with pytest.raises(store.StoreError, match='was altered'):
    stage.manifest()


def test_a_full_disk_names_the_file_and_keeps_what_is_paid(
  workdir, monkeypatch
):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part(numbers(0), ROWS)

  def full(fd):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  with monkeypatch.context() as patch:
    patch.setattr(os, 'fsync', full)
    with pytest.raises(store.StoreError) as error:
      stage.write_part(numbers(1), ROWS)
  message = str(error.value)
  assert str(stage.path / 'part-00001.parquet') in message
  assert 'No space left on device while writing' in message
  assert 'Everything committed before stays' in message
  assert [p.name for p in stage.path.iterdir()] == ['part-00000.parquet']
  stage.write_part(numbers(1), ROWS)
  assert written(stage) == [0, 1]


def test_leftovers_of_a_kill_are_ignored_then_removed(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part(numbers(0), ROWS)
  leftover = stage.path / '.part-00001.parquet.tmp'
  leftover.write_bytes(b'PAR1 half')
  assert written(stage) == [0]
  stage.write_part(numbers(1), ROWS)
  stage.finish()
  assert not leftover.exists() and written(stage) == [0, 1]
  assert stage.manifest()['files'] == [
    'part-00000.parquet',
    'part-00001.parquet',
  ]


def finished(workdir):
  """A finished stage with a part, JSON, and folders in it."""
  stage = workdir.stage('evaluate/a', SPEC)
  stage.write_part(numbers(*range(500)), ROWS)
  store.write_json(stage.path / '_metrics.json', ['wrong', 'wrong'])
  (stage.path / 'checkpoints' / '3' / 'params').mkdir(parents=True)
  (stage.path / 'checkpoints' / '3' / 'params' / 'array').write_bytes(b'01')
  (stage.path / 'checkpoints' / '30').mkdir()
  (stage.path / 'checkpoints' / '30' / 'array').write_bytes(b'01')
  stage.finish(rows=500)
  return stage


def flip(path, at=-20):
  data = bytearray(path.read_bytes())
  data[at] ^= 1
  path.write_bytes(data)


def test_a_bit_that_flipped_is_found_when_it_is_read(workdir):
  """It once was read in silence, and changed what was computed from it."""
  stage = finished(workdir)
  step = stage.path / 'checkpoints' / '3'
  assert stage.read_json('_metrics.json') == ['wrong', 'wrong']
  store.check(step / 'params')
  store.check(stage.path / 'checkpoints' / '30' / 'array')
  text = (stage.path / '_metrics.json').read_text()
  (stage.path / '_metrics.json').write_text(text.replace('wrong', 'right', 1))
  with pytest.raises(store.StoreError, match=r'metrics\.json is damaged'):
    stage.read_json('_metrics.json')
  flip(step / 'params' / 'array', 0)
  for path in (step / 'params' / 'array', step / 'params', step):
    with pytest.raises(store.StoreError, match='params/array is damaged'):
      store.check(path)
  store.check(stage.path / 'checkpoints' / '30')
  (step / 'params' / 'array').unlink()
  with pytest.raises(store.StoreError, match='params/array is damaged'):
    store.check(step)
  flip(stage.path / 'part-00000.parquet')  # in what no page checksum covers
  with pytest.raises(store.StoreError, match='only its rows'):
    stage.read_parts()


def test_a_stage_that_an_older_version_finished_is_read(workdir):
  """Its manifest has no digests."""
  stage = finished(workdir)
  path = stage.path / '_MANIFEST.json'
  manifest = json.loads(path.read_text())
  del manifest['digests'], manifest['sha256']
  digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
  path.write_text(json.dumps({**manifest, 'sha256': digest}))
  assert stage.is_complete() and written(stage) == [*range(500)]
  assert stage.read_json('_metrics.json') == ['wrong', 'wrong']
  store.check(stage.path / 'checkpoints')


def test_what_is_discarded_is_no_part_of_a_finished_stage(workdir):
  stage = finished(workdir)
  kept = stage.path / 'checkpoints' / '30'
  store.discard(stage.path, ['checkpoints/3'], kept=30)
  assert not (stage.path / 'checkpoints' / '3').exists()
  store.check(stage.path / 'checkpoints')  # nothing of it is missing
  assert stage.is_complete() and written(stage) == [*range(500)]
  manifest = stage.manifest()
  assert (manifest['kept'], manifest['rows']) == (30, 500)
  flip(kept / 'array', 0)  # what is left is still what it was finished with
  store.discard(stage.path, ['checkpoints/3'], kept=30)
  assert stage.manifest() == manifest
  with pytest.raises(store.StoreError, match='array is damaged'):
    store.check(kept)


def test_what_is_made_again_after_damage_is_whole(workdir):
  """The part has the number of the one that was deleted, and other bytes."""
  stage = finished(workdir)
  stage.write_part(numbers(500), ROWS)
  assert written(stage) == [*range(501)]  # a pool grows
  stage.finish(rows=501)
  (stage.path / 'part-00001.parquet').unlink()  # the remedy
  assert not stage.is_complete()
  stage.write_part(numbers(500), ROWS, {'made': 'again'})
  assert not stage.is_complete() and written(stage) == [*range(501)]
  stage.finish(rows=501)
  assert stage.is_complete() and written(stage) == [*range(501)]


@pytest.mark.parametrize('word', ['Correct', 'right', '', 'correct '])
def test_a_verdict_that_is_none_is_refused(workdir, word):
  stage = workdir.stage('verify/wc', SPEC)
  row = {
    'generator': 'wc', 'problem_id': 'p', 'sample_index': 0, 'answer': '',
    'rule': '', 'sound': None,
  }  # fmt: skip
  rows = [row | {'verdict': 'correct'}, row | {'verdict': word}]
  stage.write_part(pa.Table.from_pylist(rows[:1]), store.VERDICTS)
  assert len(stage.read_parts()) == 1
  stage.write_part(pa.Table.from_pylist(rows), store.VERDICTS)
  with pytest.raises(store.StoreError, match=r'(?s)00001.*verdict says.*only'):
    stage.read_parts()


def test_a_part_that_is_there_twice_counts_once(workdir):
  """A copy once doubled what the ledger says was spent."""
  stage = workdir.stage('sample/wc', SPEC)
  first = stage.write_part(numbers(0, 1), ROWS, {'tokens': 7})
  stage.write_part(numbers(2), ROWS, {'tokens': 8})
  for name in ('part-00002.parquet', 'part-00005.parquet'):
    shutil.copy(first, stage.path / name)
  assert [info['tokens'] for info in stage.infos()] == [7, 8]
  assert written(stage) == [0, 1, 2]
  stage.write_part(numbers(0, 1), ROWS, {'tokens': 9})  # no copy
  assert [info['tokens'] for info in stage.infos()] == [7, 8, 9]


def test_a_folder_of_parts_is_read_as_it_lies_there(workdir):
  """As `pandas.read_parquet` does; what begins with '_' is passed over."""
  stage = workdir.stage('evaluate/se/gsm8k', SPEC)
  stage.write_part(numbers(0, 1), ROWS)
  stage.write_part(numbers(2), ROWS)
  store.write_json(stage.path / '_metrics.json', ['right'])
  stage.finish()
  assert pq.read_table(stage.path)['i'].to_pylist() == [0, 1, 2]


def test_older_names_are_read_and_the_next_finish_renews_them(workdir):
  stage = workdir.stage('sample/wc', SPEC)
  stage.write_part(numbers(0), ROWS)
  stage.finish(rows=1)
  old = stage.path / 'MANIFEST.json'
  (stage.path / '_MANIFEST.json').rename(old)
  store.write_json(stage.path / 'metrics.json', ['right'])
  assert stage.is_complete() and stage.manifest()['rows'] == 1
  assert store.owner(stage.path / 'part-00000.parquet') == stage.path
  assert stage.read_json('_metrics.json') == ['right']
  stage.rewrite(lambda table: table.slice(1))
  assert not stage.is_complete() and not old.exists()
  stage.finish(rows=0)
  (stage.path / '_MANIFEST.json').rename(old)
  stage.write_part(numbers(1), ROWS)
  stage.finish(rows=1)
  assert stage.manifest()['rows'] == 1 and not old.exists()
  assert pq.read_table(stage.path / 'part-00001.parquet').num_rows == 1
