"""JSON and Parquet of another shape: it is named, with the remedy."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import store
from wcse_jax.models import lora
from wcse_jax.models.formats import huggingface
from wcse_jax.models.formats.folder import CheckpointError
from wcse_jax.records import Sample, Verdict
from wcse_jax.runtime import replicas
from wcse_jax.stages.journal import Journal
from wcse_jax.store.files import read_config
from wcse_jax.tasks import math
from wcse_jax.tpu import compilation

SHAPES = {
  'nothing': b'',
  'a list': b'[]',
  'null': b'null',
  'a number': b'7',
  'a text': b'"x"',
  'a list of objects': b'[{"a": 1}]',
  'nan': b'{"a": NaN}',
  'deep': b'[' * 100_000,
  'bytes': b'\xff\xfe\x00',
  'long': b'{"a": ' + b'9' * 5000 + b'}',
}
shapes = pytest.mark.parametrize('data', SHAPES.values(), ids=SHAPES)


def write(path, data):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(data)
  return path


@shapes
def test_what_the_store_reads_is_named(tmp_path, data):
  stage = store.Store(tmp_path).stage('sample/wc', {'a': 1})
  for name, read in (
    ('sample/wc/_MANIFEST.json', stage.is_complete),
    ('sample/wc/_CLAIM.json', stage.claim),
    ('config.json', lambda: read_config(tmp_path)),
    ('seconds.json', lambda: Journal(tmp_path, '').seconds),
  ):
    path = write(tmp_path / name, data)
    with pytest.raises(store.StoreError) as error:
      read()
    assert str(path) in str(error.value), name
    assert 'Delete it' in str(error.value)
    path.unlink()


@pytest.mark.parametrize(
  'data', [b'{}', b'{"config": []}', b'{"config": null}', b'{"other": {}}']
)
def test_a_config_that_is_none_is_named(tmp_path, data):
  path = write(tmp_path / 'config.json', data)
  with pytest.raises(store.StoreError, match='has no config') as error:
    read_config(tmp_path)
  assert str(path) in str(error.value)


@pytest.mark.parametrize(
  'data', [b'{"plan": "x"}', b'{"plan": -1}', b'{"plan": 1e999}', b'{"a": []}']
)
def test_seconds_that_are_none_are_named(tmp_path, data):
  write(tmp_path / 'seconds.json', data)
  with pytest.raises(store.StoreError, match=r'seconds\.json'):
    _ = Journal(tmp_path, '').seconds


@shapes
def test_a_replica_of_another_shape_gives_no_sign_of_life(tmp_path, data):
  team = replicas.Replicas(tmp_path, replicas.Spec(count=2, timeout_s=0.2))
  write(tmp_path / 'replicas' / '1.json', data)
  with pytest.raises(replicas.ReplicaError, match='gave no sign of life'):
    team.wait('samples')


def test_a_replica_that_says_more_is_read(tmp_path):
  state = {'host': 'h', 'pid': 1, 'alive': 0.0, 'announced': ['x'], 'new': {}}
  write(tmp_path / 'replicas' / '1.json', json.dumps(state).encode())
  replicas.Replicas(tmp_path, replicas.Spec(count=2)).wait('x')


@shapes
def test_adapters_and_folders_of_another_shape_are_named(tmp_path, data):
  write(tmp_path / lora.RECORD / 'metadata', data)
  with pytest.raises(CheckpointError, match='metadata'):
    lora.record(tmp_path)
  write(tmp_path / 'config.json', data)
  with pytest.raises(CheckpointError, match=r'config\.json'):
    huggingface.Weights(tmp_path)


@shapes
def test_what_was_compiled_is_made_anew_if_it_is_damaged(
  tmp_path, monkeypatch, data
):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path))
  monkeypatch.setattr(compilation, 'key', lambda *_: 'key')
  monkeypatch.setattr(compilation, '_compile', lambda lowered: None)
  for content in (gzip.compress(data), data, gzip.compress(data)[:-9]):
    write(tmp_path / 'plans' / 'key.json.gz', content)
    assert compilation.compile_for(None, None) is None


@pytest.mark.parametrize(
  'rows', [{'i': [1]}, {'problem_id': ['p'], 'sample_index': ['0']}]
)
def test_rows_of_another_shape_are_named(rows):
  with pytest.raises(store.StoreError, match='--redo'):
    store.from_table(pa.table(rows), Sample)
  assert store.from_table(None, Verdict) == []
  assert store.from_table(store.to_table([], store.VERDICTS), Verdict) == []


def test_a_part_of_another_shape_is_named(tmp_path):
  stage = store.Store(tmp_path).stage('sample/wc', {'a': 1})
  for about in (None, b'7', b'[]', b'{}', b'{"info": 7}', b'[' * 100_000):
    table = pa.table({'i': [1]})
    if about is not None:
      table = table.replace_schema_metadata({b'wcse_jax': about})
    path = tmp_path / 'sample' / 'wc' / 'part-00000.parquet'
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    for read in (stage.read_parts, stage.infos):
      with pytest.raises(store.StoreError) as error:
        read()
      assert str(path) in str(error.value)


@pytest.mark.parametrize(
  'rows', [b'[]', b'7', b'{"problem": 7}', b'{"problem": null}', b'[' * 10**5]
)
def test_official_files_of_another_shape_are_named(tmp_path, rows):
  path = write(tmp_path / 'train.jsonl', rows)
  with pytest.raises(math.TaskError) as error:
    math.read(tmp_path, 'train')
  assert str(path) in str(error.value)
