"""The child-process launcher, with small modules in place of real tasks."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from wcse_jax.runtime import children as child


@pytest.fixture
def module(tmp_path, monkeypatch):
  """Makes a module `scripted` whose `run(request)` has the given body."""
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))

  def make(body):
    text = (
      'import os, sys, time\nfrom wcse_jax.runtime import children as child\n'
    )
    text += 'def run(request):\n' + textwrap.indent(body, '  ')
    text += "\nif __name__ == '__main__':\n  child.serve(run)\n"
    (tmp_path / 'scripted.py').write_text(text)
    return 'scripted'

  return make


def test_request_and_result(module, tmp_path):
  name = module('print("noise"); return {"got": request["x"]}')
  log = tmp_path / 'log'
  assert child.run_child(name, {'x': 'é\n'}, log) == {'got': 'é\n'}


def test_expected_error_is_one_line(module, tmp_path):
  name = module('raise child.TaskError("no file:\\nget it")')
  log = tmp_path / 'log'
  with pytest.raises(child.TaskError, match='^no file: get it$'):
    child.run_child(name, {}, log)
  assert log.read_text() == 'error: no file: get it\n'  # no traceback


def test_unexpected_error_names_its_type_and_logs_the_traceback(
  module, tmp_path
):
  name = module('return {"x": request["y"]}')
  with pytest.raises(child.TaskError, match="KeyError: 'y'"):
    child.run_child(name, {}, tmp_path / 'log')
  assert 'Traceback' in (tmp_path / 'log').read_text()


def test_death_is_an_error(module, tmp_path):
  name = module('os._exit(7)')
  with pytest.raises(child.TaskError, match='exit code 7; see .*log'):
    child.run_child(name, {}, tmp_path / 'log')


def _wait_until_gone(pid):
  for _ in range(100):
    try:
      os.kill(pid, 0)
    except ProcessLookupError:
      return
    time.sleep(0.1)
  pytest.fail(f'the child {pid} lives on')


@pytest.mark.parametrize('signum', [signal.SIGINT, signal.SIGKILL])
def test_child_ends_with_its_parent(module, tmp_path, signum):
  flag = tmp_path / 'pid'
  body = f"""
    open({str(flag)!r} + '~', 'w').write(str(os.getpid()))
    os.rename({str(flag)!r} + '~', {str(flag)!r})
    time.sleep(100)
  """
  name = module(textwrap.dedent(body).strip())
  parent = subprocess.Popen(
    [
      sys.executable,
      '-c',
      'from wcse_jax.runtime import children as child\n'
      f'try: child.run_child({name!r}, {{}})\n'
      'except KeyboardInterrupt: pass',
    ]
  )
  while not flag.exists():
    assert parent.poll() is None
    time.sleep(0.05)
  parent.send_signal(signum)
  parent.wait()
  _wait_until_gone(int(flag.read_text()))
