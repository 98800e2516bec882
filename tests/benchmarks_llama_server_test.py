"""llama.cpp's server is built once, or it is said why it cannot be."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def llama_server(monkeypatch, tmp_path):
  monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path))
  import llama_server

  monkeypatch.setattr(llama_server.opponents, 'interpreter', lambda *_: 'x/py')
  return llama_server


def test_what_is_built_is_kept(llama_server, monkeypatch, capsys):
  commands = []

  def run(command, *_):
    commands.append(command)
    pathlib.Path(command[-1]).write_bytes(b'weights')

  def compiled(tools, place):
    assert tools == pathlib.Path('x')
    (place / 'made').write_bytes(b'program')
    return place / 'made'

  monkeypatch.setattr(llama_server.opponents, 'run', run)
  monkeypatch.setattr(llama_server, '_compile', compiled)
  assert llama_server.main() == llama_server.main() == 0
  assert len(commands) == 1
  server, model = map(pathlib.Path, capsys.readouterr().out.split()[-2:])
  assert (server.read_bytes(), model.read_bytes()) == (b'program', b'weights')


def test_a_machine_that_cannot_build_it_is_no_failure(
  llama_server, monkeypatch, capsys
):
  def run(*_):
    raise llama_server.opponents.PeerError('no compiler')

  monkeypatch.setattr(llama_server.opponents, 'run', run)
  assert llama_server.main() == os.EX_TEMPFAIL
  assert 'no compiler' in capsys.readouterr().err
