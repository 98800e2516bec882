"""The child-process launcher, with small modules in place of real tasks."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from wcse_jax.runtime import children


@pytest.fixture
def module(tmp_path, monkeypatch):
  """Makes a module `scripted` whose `answer(request)` has the given body."""
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))

  def make(body, start=''):
    text = 'import os, sys, time\nfrom wcse_jax.runtime import children\n'
    text += f'{start}\ndef answer(request):\n' + textwrap.indent(body, '  ')
    text += "\nif __name__ == '__main__':\n  children.serve(answer)\n"
    (tmp_path / 'scripted.py').write_text(text)
    return 'scripted'

  return make


def _request(name, request):
  with children.Child(name) as child:
    return child.request(request)


def test_requests_and_answers(module):
  name = module(
    'print("noise"); return {"got": request["x"], "pid": os.getpid()}'
  )
  with children.Child(name) as child:
    first, second = child.request({'x': 'é\n'}), child.request({'x': 2})
  assert (first['got'], second['got']) == ('é\n', 2)
  assert first['pid'] == second['pid'] != os.getpid()


def test_a_child_is_told_its_arguments_and_not_to_take_accelerators(module):
  name = module('return {"is": [sys.argv[1:], os.environ["JAX_PLATFORMS"]]}')
  with children.Child(name, 'a', 'b') as child:
    assert child.request({}) == {'is': [['a', 'b'], 'cpu']}


def test_a_child_imports_before_it_is_asked(module, tmp_path):
  """So that what it imports does not keep waiting who asks later."""
  flag = tmp_path / 'imported'
  name = module('return {}', start=f'open({str(flag)!r}, "w").close()')
  with children.Child(name) as child:
    for _ in range(200):
      if flag.exists():
        break
      time.sleep(0.1)
    assert flag.exists(), 'nothing is imported before a request'
    assert child.request({}) == {}


def test_a_child_that_is_not_asked_ends(module, tmp_path):
  flag = tmp_path / 'pid'
  start = f"""
    open({str(flag)!r} + '~', 'w').write(str(os.getpid()))
    os.rename({str(flag)!r} + '~', {str(flag)!r})
  """
  with children.Child(module('return {}', textwrap.dedent(start))):
    while not flag.exists():
      time.sleep(0.05)
  _wait_until_gone(int(flag.read_text()))


def test_expected_error_is_one_line(module):
  name = module('raise children.TaskError("no file:\\nget it")')
  with pytest.raises(children.TaskError, match='^no file: get it$'):
    _request(name, {})


def test_unexpected_error_names_its_type(module):
  name = module('return {"x": request["y"]}')
  with pytest.raises(children.TaskError, match="^KeyError: 'y'$"):
    _request(name, {})


def test_only_what_is_not_foreseen_leaves_a_traceback(module):
  for body, traceback in (('raise children.TaskError', 0), ('1 / 0', 1)):
    done = subprocess.run(
      [sys.executable, '-m', module(body)],
      input='{}',
      capture_output=True,
      text=True,
      check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count('Traceback') == traceback
    assert done.stderr.splitlines()[-1].startswith('error: ')


def test_death_is_an_error(module):
  name = module('os._exit(7)')
  with pytest.raises(children.TaskError, match='exit code 7'):
    _request(name, {})
  name = module('return {}', start='os._exit(7)')  # before it is asked
  with pytest.raises(children.TaskError, match='exit code 7'):
    _request(name, {})


@pytest.mark.parametrize('body', ['sys.stdout.write("{"); ', ''])
def test_a_killed_child_says_what_to_do(module, body):
  body = f'os.write(1, b"{{"); {body}os.kill(os.getpid(), 9)'
  with pytest.raises(
    children.TaskError, match='exit code -9: .*out of memory.*\nMake room'
  ):
    _request(module(body), {})


def test_what_a_child_leaves_in_temporary_folders_is_removed(
  module, tmp_path, monkeypatch
):
  """Each `prepare` once left an empty folder."""
  folder = tmp_path / 'temporary'
  folder.mkdir()
  monkeypatch.setenv('TMPDIR', str(folder))
  monkeypatch.setattr('tempfile.tempdir', None)
  start = 'import tempfile\nfolder = tempfile.mkdtemp()'
  with children.Child(module('return {"folder": folder}', start)) as child:
    assert os.path.isdir(child.request({})['folder'])
    assert list(folder.iterdir())
  assert not list(folder.iterdir())


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
      'from wcse_jax.runtime import children\n'
      f'try: children.Child({name!r}).request({{}})\n'
      'except KeyboardInterrupt: pass',
    ]
  )
  while not flag.exists():
    assert parent.poll() is None
    time.sleep(0.05)
  parent.send_signal(signum)
  parent.wait()
  _wait_until_gone(int(flag.read_text()))


def test_a_child_ends_with_its_parent_while_it_still_imports(module, tmp_path):
  """It once asked who that was after that, and lived on until then."""
  flag = tmp_path / 'pid'
  start = f"""
    import time
    open({str(flag)!r} + '~', 'w').write(os.environ['TMPDIR'])
    os.rename({str(flag)!r} + '~', {str(flag)!r})
    time.sleep(100)
  """
  name = module('return {}', textwrap.dedent(start))
  parent = subprocess.Popen(
    [
      sys.executable,
      '-c',
      'from wcse_jax.runtime import children\n'
      f'child = children.Child({name!r})\n'
      'print(child._process.pid, flush=True)\n'
      'child.request({})',
    ],
    stdout=subprocess.PIPE,
  )
  assert parent.stdout
  pid = int(parent.stdout.readline())
  while not flag.exists():
    assert parent.poll() is None
    time.sleep(0.05)
  parent.kill()
  parent.communicate()
  _wait_until_gone(pid)
  assert not os.path.exists(flag.read_text())
