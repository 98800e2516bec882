"""Where official files come from, and what is said if they do not."""

import dataclasses
import gzip
import hashlib
import http.server
import pathlib
import threading

import pytest

from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets

_NOWHERE = 'http://127.0.0.1:9/folder/'  # the port of no service


def _source(source_dir='', download=str):
  return datasets.Source('gsm8k', str(source_dir), download)


@pytest.fixture
def replaced(monkeypatch):
  """Replaces fields of what is known of GSM8K."""

  def replace(**fields):
    dataset = dataclasses.replace(datasets.DATASETS['gsm8k'], **fields)
    monkeypatch.setitem(datasets.DATASETS, 'gsm8k', dataset)

  return replace


def test_folder_that_is_given_or_shared(tmp_path, monkeypatch):
  monkeypatch.setenv('WCSE_DATA_DIR', str(tmp_path / 'shared'))
  (tmp_path / 'shared' / 'gsm8k').mkdir(parents=True)
  for source_dir, folder in (
    (tmp_path / 'mine', tmp_path / 'mine'),  # reading it tells what it lacks
    ('', tmp_path / 'shared' / 'gsm8k'),
  ):
    assert _source(source_dir).folder() == folder
    assert _source(source_dir).path('test.jsonl') == folder / 'test.jsonl'


@pytest.mark.parametrize('shared', ['', 'without_the_task'])
def test_no_folder_and_no_network(tmp_path, monkeypatch, shared, replaced):
  replaced(url=_NOWHERE)
  monkeypatch.setenv('WCSE_DATA_DIR', shared and str(tmp_path / shared))
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'gsm8k').mkdir()  # of no shared folder
  start = 'config.task.data_dir: none is given, and '
  end = '; give the folder with the files of gsm8k, or set WCSE_DATA_DIR'
  with pytest.raises(TaskError, match=f'{start}there is no download{end}'):
    _source().folder()
  with pytest.raises(TaskError, match=f'{start}{_NOWHERE}a cannot .*{end}'):
    _source().path('a')
  message = f'{start}nothing is downloaded here{end}'
  with pytest.raises(TaskError, match=message):
    _source(download=None).path('a')


def test_download(tmp_path, monkeypatch, replaced):
  monkeypatch.delenv('WCSE_DATA_DIR', raising=False)
  (tmp_path / 'test.jsonl').write_text('{}')

  class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
      super().__init__(*args, directory=str(tmp_path))

    def log_message(self, *args):
      pass

  download = lambda url: f'/kept/{url.rpartition("/")[2]}'
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    replaced(url=f'http://127.0.0.1:{server.server_port}/')
    source = _source(download=download)
    assert source.path('test.jsonl') == pathlib.Path('/kept/test.jsonl')
    with pytest.raises(TaskError, match='none.jsonl cannot be reached'):
      source.path('none.jsonl')
    server.shutdown()


def test_content_is_checked(tmp_path, replaced):
  path = tmp_path / 'a'
  replaced(sha256={'a': '0'}, remedy='get it')
  with pytest.raises(TaskError, match=f'{path}: No such file.*; get it'):
    _source(tmp_path).rows('a')
  path.write_bytes(b'1')
  digest = hashlib.sha256(b'1').hexdigest()
  with pytest.raises(TaskError, match=f'{digest}, not 0: .*altered; get'):
    _source(tmp_path).rows('a')
  replaced(sha256={'a': digest})
  assert _source(tmp_path).rows('a') == [1]


def test_rows_are_json_lines_and_may_be_compressed(tmp_path, replaced):
  content = b'{"a": 1}\n{"a": 2}\n'
  for written in (content, gzip.compress(content)):
    (tmp_path / 'a').write_bytes(written)  # a download may have any name
    replaced(sha256={'a': hashlib.sha256(written).hexdigest()})
    assert _source(tmp_path).rows('a') == [{'a': 1}, {'a': 2}]


def test_checksums_of_all_official_files():
  """A data set with files says where to get them, and what they are."""
  for name, dataset in datasets.DATASETS.items():
    assert bool(dataset.sha256) == bool(dataset.remedy), name
    assert all(len(sum_) == 64 for sum_ in dataset.sha256.values()), name
