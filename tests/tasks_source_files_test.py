"""Where official files come from, and what is said if they do not."""

import gzip
import hashlib
import http.server
import pathlib
import threading

import pytest

from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import source_files

_NOWHERE = 'http://127.0.0.1:9/folder/test.jsonl'  # the port of no service


def _source(source_dir=''):
  return source_files.Source('gsm8k', str(source_dir), str)


def test_folder_that_is_given_or_shared(tmp_path, monkeypatch):
  monkeypatch.setenv('WCSE_DATA_DIR', str(tmp_path / 'shared'))
  (tmp_path / 'shared' / 'gsm8k').mkdir(parents=True)
  for source_dir, folder in (
    (tmp_path / 'mine', tmp_path / 'mine'),  # reading it tells what it lacks
    ('', tmp_path / 'shared' / 'gsm8k'),
  ):
    assert _source(source_dir).folder() == folder
    assert _source(source_dir).path(_NOWHERE) == folder / 'test.jsonl'


@pytest.mark.parametrize('shared', ['', 'without_the_task'])
def test_no_folder_and_no_network(tmp_path, monkeypatch, shared):
  monkeypatch.setenv('WCSE_DATA_DIR', shared and str(tmp_path / shared))
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'gsm8k').mkdir()  # of no shared folder
  start = 'config.task.data_dir: none is given, and '
  end = '; give the folder with the files of gsm8k, or set WCSE_DATA_DIR'
  with pytest.raises(TaskError, match=f'{start}there is no download{end}'):
    _source().folder()
  with pytest.raises(TaskError, match=f'{start}{_NOWHERE} cannot .*{end}'):
    _source().path(_NOWHERE)
  message = f'{start}nothing is downloaded here{end}'
  with pytest.raises(TaskError, match=message):
    source_files.Source('gsm8k', '', None).path(_NOWHERE)


def test_download(tmp_path, monkeypatch):
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
    url = f'http://127.0.0.1:{server.server_port}/test.jsonl'
    source = source_files.Source('gsm8k', '', download)
    assert source.path(url) == pathlib.Path('/kept/test.jsonl')
    with pytest.raises(TaskError, match='none.jsonl cannot be reached'):
      source.path(url.replace('test', 'none'))
    server.shutdown()


def test_content_is_checked(tmp_path):
  path = tmp_path / 'a'
  with pytest.raises(TaskError, match=f'{path}: No such file.*; get it'):
    source_files.read(path, '', 'get it')
  path.write_bytes(b'x')
  digest = hashlib.sha256(b'x').hexdigest()
  assert source_files.read(path, digest, 'get it') == b'x'
  with pytest.raises(TaskError, match=f'{digest}, not 0: .*altered; get'):
    source_files.read(path, '0', 'get it')


def test_rows_are_json_lines_and_may_be_compressed(tmp_path):
  content = b'{"a": 1}\n{"a": 2}\n'
  path = tmp_path / 'a'  # a download may have any name
  for written in (content, gzip.compress(content)):
    path.write_bytes(written)
    digest = hashlib.sha256(written).hexdigest()
    assert source_files.rows(path, digest, '') == [{'a': 1}, {'a': 2}]
