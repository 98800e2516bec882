"""Replicas on one machine: output, exit codes, kills and Ctrl-C."""

import io
import os
import subprocess
import sys
import textwrap
import time

import pytest

from wcse_jax.experiment import config
from wcse_jax.runtime import joint, local, progress

# What the replicas run: `WORK` knows its `index`.
SCRIPT = """
  import os, pathlib, signal, sys, time
  from wcse_jax.runtime import progress
  folder = pathlib.Path(sys.argv[1])
  count, index = (int(word.split('=')[1]) for word in sys.argv[-2:])
  def kill():
    os.kill(os.getpid(), signal.SIGKILL)
  def first_time():
    path = folder / f'started-{index}'
    return not path.exists() and path.write_text('') == 0
"""
PARENT = """
  import pathlib, sys
  from wcse_jax.runtime import local, progress
  try:
    with progress.remembering_ctrl_c():
      sys.exit(local.run(sys.argv[1:], pathlib.Path(sys.argv[2]), 2))
  except KeyboardInterrupt:
    sys.exit(local.STOPPED)
"""


@pytest.fixture
def script(tmp_path):
  def write(work):
    path = tmp_path / 'script.py'
    path.write_text(textwrap.dedent(SCRIPT) + textwrap.dedent(work))
    return [str(path), str(tmp_path)], tmp_path

  return write


def _err(capfd):
  return capfd.readouterr().err.splitlines()


def test_each_is_told_its_number_and_shown_with_it(script, capfd):
  work = """
    print(f'{index} of {count}\\n')
    print('what all say', file=sys.stderr)
    print(f'I am {index}', file=sys.stderr)
  """
  assert local.run(*script(work), 3) == 0
  out, err = capfd.readouterr()
  assert sorted(out.splitlines()) == [
    *('', '', '', '0 of 3', 'replica 1: 1 of 3', 'replica 2: 2 of 3')
  ]
  said = [line.removeprefix('replica 1: ') for line in err.splitlines()]
  assert sum('what all say' in line for line in said) == 1
  assert {'I am 0', 'I am 1', 'replica 2: I am 2'} <= set(said)


def test_the_first_that_fails_stops_the_others(script, capfd):
  work = """
    if index == 1:
      print('error: no', file=sys.stderr)
      sys.exit(2)
    try:
      with progress.remembering_ctrl_c():
        time.sleep(60)
    except KeyboardInterrupt:
      print(progress.STOPPED, file=sys.stderr)
      sys.exit(130)
  """
  begun = time.monotonic()
  assert local.run(*script(work), 2) == 2
  assert time.monotonic() - begun < 30
  assert _err(capfd) == ['replica 1: error: no']


def test_one_that_is_killed_is_started_again(script, capfd):
  work = """
    if first_time() and index == 1:
      kill()
    print('done')
  """
  assert local.run(*script(work), 2) == 0
  out, err = capfd.readouterr()
  assert sorted(out.splitlines()) == ['done', 'replica 1: done']
  assert 'replica 1 was killed (signal 9)' in err
  assert 'started again' in err


def test_one_that_is_killed_twice_is_named(script):
  with pytest.raises(local.LocalError, match='replica 0 was killed') as error:
    local.run(*script('kill() if index == 0 else time.sleep(60)'), 2)
  assert '--config.sampling.slots' in str(error.value)


def test_the_first_is_not_started_again_if_that_did_something_twice(script):
  work = 'kill() if first_time() and index == 0 else time.sleep(60)'
  with pytest.raises(local.LocalError, match='replica 0 was killed'):
    local.run(*script(work), 2, again=False)


@pytest.mark.parametrize('signum', progress.STOPS)
def test_what_stops_one_process_stops_all(script, tmp_path, signum):
  work = """
    try:
      with progress.remembering_ctrl_c():
        (folder / f'ready-{index}').write_text('')
        time.sleep(60)
    except KeyboardInterrupt:
      (folder / f'stopped-{index}').write_text('')
      sys.exit(130)
  """
  process = _parent(script(work)[0], tmp_path)
  process.send_signal(signum)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == local.STOPPED, errors
  assert len([*tmp_path.glob('stopped-*')]) == 2
  assert not errors


def test_they_end_with_the_process_that_started_them(script, tmp_path):
  work = """
    (folder / f'ready-{index}').write_text(str(os.getpid()))
    time.sleep(60)
  """
  process = _parent(script(work)[0], tmp_path)
  pids = [int(path.read_text()) for path in tmp_path.glob('ready-*')]
  process.kill()
  process.communicate()
  deadline = time.monotonic() + 30
  while any(map(_is_alive, pids)):
    assert time.monotonic() < deadline
    time.sleep(0.05)


def _parent(words, folder):
  """Starts a process that runs a script as two, which are ready."""
  process = subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(PARENT), *words],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  deadline = time.monotonic() + 60
  while len([p for p in folder.glob('ready-*') if p.exists()]) < 2:
    assert time.monotonic() < deadline and process.poll() is None
    time.sleep(0.05)
  time.sleep(0.2)
  return process


def _is_alive(pid):
  try:
    os.kill(pid, 0)
  except OSError:
    return False
  with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
    return stat.read().rpartition(')')[2].split()[0] != 'Z'


def test_bars_of_a_stage_are_added_up(monkeypatch):
  told = io.StringIO()
  monkeypatch.setattr(progress, '_told', told)
  with progress.bar('sample/wc', 10, 'samples') as bar:
    bar.update(4)
    bar.refresh()
    lines = told.getvalue().replace('\r', '\n').splitlines()
    shown = io.StringIO()
    both = joint.Joint(shown)
    both._every_s = 0
    both.follow(lines, 0)
    both.follow(['sample/wc\t1\t5\tsamples', 'nonsense', ''], 1)
  assert shown.getvalue().splitlines()[-1] == 'sample 5/15 samples'
  finished = told.getvalue().replace('\r', '\n').splitlines()
  assert progress.read(finished[-1]) == ('sample/wc', 4, 10, 'samples')


def test_bars_know_what_is_to_do_and_never_go_back(monkeypatch):
  """Totals grew as students came, and a second checkpoint took the first's."""
  clock = iter(range(0, 10_000, 30))
  monkeypatch.setattr(joint.time, 'monotonic', lambda: next(clock))
  shown = io.StringIO()
  both = joint.Joint(shown)
  both._every_s = 0
  lines = [
    'evaluate\t0\t100\tsamples',
    *(f'evaluate/a/validation\t{n}\t20\tsamples' for n in (10, 20, 5)),
    'evaluate/a/test\t15\t30\tsamples',
  ]
  both.follow(lines, 0)
  said = shown.getvalue().splitlines()
  assert [line.split(' samples')[0] for line in said] == [
    *('evaluate 10/100', 'evaluate 20/100', 'evaluate 25/100'),
    'evaluate 40/100',
  ]
  assert said[0].endswith('samples') and said[-1].endswith(' min left')
  both.follow(['evaluate\t0\t50\tsamples'], 0)  # of the next experiment
  last = shown.getvalue().splitlines()[-1]
  assert last.startswith('evaluate 40/150 samples, ')


def test_a_stage_that_waits_for_another_takes_no_time(monkeypatch):
  """Of a second experiment's evaluation 10,887 minutes were left."""
  now = 0.0
  monkeypatch.setattr(joint.time, 'monotonic', lambda: now)
  shown = io.StringIO()
  both = joint.Joint(shown)
  for at, line in (
    (0, 'evaluate/a\t100\t100\tsamples'),  # of the first
    (10, 'evaluate\t0\t200\tsamples'),
    *((20 + 10 * n, f'finetune/b\t{n}\t100\tbatches') for n in range(100)),
    (1020, 'evaluate/b\t10\t100\tsamples'),
    (1030, 'evaluate/b\t20\t100\tsamples'),
  ):
    now = at
    both.follow([line], 0)
  last = shown.getvalue().splitlines()[-1]
  assert last.startswith('evaluate 120/200 samples, 1.3 min left')


def test_nor_does_one_that_waits_after_it_went_on_for_a_moment(monkeypatch):
  """What came late of the first experiment began the wait of the second's."""
  now = 0.0
  monkeypatch.setattr(joint.time, 'monotonic', lambda: now)
  shown = io.StringIO()
  both = joint.Joint(shown)
  for at, line in (
    (0, 'evaluate/a\t98\t100\tsamples'),
    (10, 'evaluate\t0\t200\tsamples'),
    (20, 'evaluate/a\t100\t100\tsamples'),
    *((30 + 10 * n, f'finetune/b\t{n}\t100\tbatches') for n in range(100)),
  ):
    now = at
    both.follow([line], 0)
  last = shown.getvalue().splitlines()[-1]
  assert (
    last == 'evaluate 100/200 samples; finetune 99/100 batches, 0.2 min left'
  )


def test_the_rest_of_a_run_is_scaled_by_what_it_took_so_far(monkeypatch):
  now = 0.0
  monkeypatch.setattr(joint.time, 'monotonic', lambda: now)
  shown = io.StringIO()
  both = joint.Joint(shown)
  told = io.StringIO()
  monkeypatch.setattr(progress, '_told', told)
  progress.foretell({'sample': 60, 'finetune': 240, 'evaluate': 120})
  progress.expect('sample', 100, 'samples')
  both.follow(told.getvalue().splitlines(), 0)

  def said(at, line):
    nonlocal now
    now = at
    both.follow([line], 0)
    return shown.getvalue().splitlines()[-1]

  said(20, 'sample/wc\t10\t100\tsamples')
  # 2 seconds each instead of 0.6, so the others take three times as long.
  last = said(100, 'sample/wc\t50\t100\tsamples')
  assert last == 'sample 50/100 samples, 1.7 min left; in all 22 min left'
  both.follow(['finetune\t0\t40\tbatches', 'evaluate\t0\t9\tsamples'], 0)
  said(200, 'sample/wc\t100\t100\tsamples')
  said(210, 'finetune/a\t1\t40\tbatches')
  last = said(400, 'finetune/a\t20\t40\tbatches')
  assert last == 'finetune 20/40 batches, 3.3 min left; in all 6.7 min left'
  said(410, 'evaluate/a\t1\t9\tsamples')
  last = said(610, 'evaluate/a\t5\t9\tsamples')
  assert last.endswith('evaluate 5/9 samples, 3.3 min left')  # no more to come
  said(620, 'finetune/a\t40\t40\tbatches')
  said(630, 'evaluate/a\t9\t9\tsamples')
  both.follow(['foretold/sample\t0\t0\ts'], 0)  # no time at all
  said(640, 'sample/wc\t100\t100\tsamples')
  progress.foretell({'sample': 30, 'evaluate': 60})  # the next experiment's
  both.follow(told.getvalue().splitlines()[-2:], 0)
  both.follow(['sample\t0\t50\tsamples'], 0)
  said(700, 'sample/se\t10\t50\tsamples')
  last = said(730, 'sample/se\t40\t50\tsamples')  # 1 s each instead of 0.6
  assert last == 'sample 140/150 samples, 0.2 min left; in all 1.8 min left'


def test_as_many_as_the_machine_has_cores_for(monkeypatch):
  monkeypatch.setattr(local.signs, 'cores', lambda: [0, 1, 4, 5, 6])
  assert [local.number(n) for n in (1, 2, 5)] == [5, 2, 1]
  with pytest.raises(config.ConfigError, match='cpu_threads = 6\n.*give 5 or'):
    local.number(6)


def test_what_is_not_to_do_any_more_ends_a_bar(monkeypatch):
  """Of samples at most, those that were never needed were waited for."""
  told, shown = io.StringIO(), io.StringIO()
  monkeypatch.setattr(progress, '_told', told)
  both = joint.Joint(shown)
  both._every_s = 0
  progress.expect('sample', 40, 'samples at most')
  both.follow(told.getvalue().splitlines(), 0)
  both.follow(['sample/wc\t25\t25\tsamples'], 0)
  assert shown.getvalue().splitlines()[-1] == 'sample 25/40 samples at most'
  told.truncate(0)
  progress.spare('sample', 12)
  both.follow(told.getvalue().strip('\0').splitlines(), 0)
  assert shown.getvalue().splitlines()[-1] == 'sample 25/28 samples at most'
  progress.spare('sample', 3)
  both.follow(told.getvalue().strip('\0').splitlines()[1:], 0)
  assert both._text() == '', 'it is done'
