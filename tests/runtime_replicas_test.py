"""Replicas: disjoint shares, announcements, and one that dies."""

import contextlib
import functools
import itertools
import multiprocessing
import os
import pathlib
import subprocess
import sys
import textwrap
import threading
import time

import jax
import pytest

from wcse_jax.experiment import config
from wcse_jax.runtime import replicas


def _spec(index, count=2, timeout_s=1.0):
  return replicas.Spec(index=index, count=count, timeout_s=timeout_s)


def test_shares_are_disjoint_and_whole():
  shares = [_spec(i, 3).share(list(range(10))) for i in range(3)]
  assert sorted(itertools.chain(*shares)) == list(range(10))
  assert {len(share) for share in shares} == {3, 4}


def test_an_index_out_of_range_is_named():
  with pytest.raises(replicas.ReplicaError, match='replica 2 of 2'):
    _spec(2)


def test_one_alone_waits_for_nobody_and_writes_nothing(tmp_path):
  with replicas.Replicas(tmp_path, replicas.Spec()) as alone:
    alone.announce('sampled')
    alone.wait('sampled')
  assert not list(tmp_path.iterdir())


def test_wait_ends_when_all_have_announced(tmp_path):
  with (
    replicas.Replicas(tmp_path, _spec(0)) as first,
    replicas.Replicas(tmp_path, _spec(1)) as second,
  ):
    second.announce('prepared')
    first.wait('prepared')
    first.announce('sampled')
    second.wait('sampled', [0])


def test_a_live_replica_is_waited_for_beyond_the_timeout(tmp_path):
  with replicas.Replicas(tmp_path, _spec(0, timeout_s=2.0)) as first:
    late = subprocess.Popen(_program(tmp_path, sleep_s=6))
    first_seen = tmp_path / 'replicas' / '1.json'
    while not first_seen.exists():
      time.sleep(0.01)
    start = time.monotonic()
    first.wait('sampled')
    assert time.monotonic() - start > 3.0, 'longer than the timeout'
    assert late.wait(timeout=300) == 0


def test_a_killed_replica_is_named_in_bounded_time(tmp_path):
  dies = subprocess.Popen(_program(tmp_path, sleep_s=60))
  while not (tmp_path / 'replicas' / '1.json').exists():
    time.sleep(0.01)
  dies.kill()
  start = time.monotonic()
  with (
    replicas.Replicas(tmp_path, _spec(0)) as first,
    pytest.raises(replicas.ReplicaError) as caught,
  ):
    first.wait('sampled')
  assert time.monotonic() - start < 60
  assert f'replica 1 of 2 (pid {dies.pid} on ' in str(caught.value)
  assert '--replica=1 --replicas=2' in str(caught.value)
  assert '--workdir' not in str(caught.value)
  dies.wait()


def test_one_that_never_came_is_named(tmp_path):
  with (
    replicas.Replicas(tmp_path, _spec(0, timeout_s=0.3)) as first,
    pytest.raises(
      replicas.ReplicaError,
      match='replica 1 of 2 gave no .*, or its --workdir is not this folder',
    ),
  ):
    first.wait('sampled')


def _program(workdir, sleep_s):
  code = f"""
    import pathlib, time
    from wcse_jax.runtime import replicas
    spec = replicas.Spec(index=1, count=2, timeout_s=0.5)
    with replicas.Replicas(pathlib.Path({str(workdir)!r}), spec) as mine:
      time.sleep({sleep_s})
      mine.announce('sampled')
  """
  return [sys.executable, '-c', textwrap.dedent(code)]


@pytest.mark.parametrize(
  ('theirs', 'count', 'said'),
  [
    ({'config.sampling.temperature': '0.9'}, 2, 'sampling.temperature: 0.9, '),
    ({'config.sampling.temperature': '0.7'}, 3, '--replicas: 3, here 2'),
    ({'jax': '0.1'}, 2, 'version of jax: 0.1, here 0.2.*install the'),
  ],
)
@pytest.mark.parametrize('index', [0, 1])
def test_other_settings_are_refused_and_named(
  tmp_path, theirs, count, said, index
):
  """Both once wrote into one pool, and one of them waited for ever."""
  mine = {'config.sampling.temperature': '0.7', 'jax': '0.2'}
  other = replicas.Replicas(
    tmp_path, _spec(1 - index, count, 2.0), settings=theirs
  )
  with (
    other,
    replicas.Replicas(tmp_path, _spec(index, 2, 2.0), settings=mine) as first,
  ):
    other.announce('sampled')
    with pytest.raises(replicas.ReplicaError, match=f'(?s){said}') as error:
      first.wait('sampled', [1 - index])
    with pytest.raises(replicas.ReplicaError, match=f'(?s){said}'):
      [first.is_lost(1 - index) or other.announce('again') for _ in range(9)]
  assert f'replica {1 - index}' in str(error.value)


def test_what_a_run_with_other_settings_left_says_nothing(tmp_path):
  mine = {'config.seed': '1'}
  with replicas.Replicas(
    tmp_path, _spec(1), settings={'config.seed': '0'}
  ) as r:
    r.announce('sampled')
  with replicas.Replicas(tmp_path, _spec(0, 2, 4.0), settings=mine) as first:
    again = replicas.Replicas(tmp_path, _spec(1, 2, 4.0), settings=mine)

    def start():
      with again:
        again.announce('sampled')

    threading.Timer(1.5, start).start()
    begun = time.monotonic()
    first.wait('sampled')
  assert time.monotonic() - begun > 1


@pytest.mark.parametrize('text', ['[]', '1', '{}', '{"announced": 1}', '{'])
def test_a_sign_of_life_of_another_shape_is_none(tmp_path, text):
  (tmp_path / 'replicas').mkdir()
  (tmp_path / 'replicas' / '1.json').write_text(text)
  with (
    replicas.Replicas(tmp_path, _spec(0)) as first,
    pytest.raises(replicas.ReplicaError, match='gave no sign of life'),
  ):
    first.wait('sampled')


# --- work that is shared ------------------------------------------------------


def test_one_that_has_ended_is_lost_at_once(tmp_path):
  with replicas.Replicas(tmp_path, _spec(0, timeout_s=600)) as first:
    assert not first.is_lost(0)
    assert not first.is_lost(1), 'it may be about to come'
    with replicas.Replicas(tmp_path, _spec(1, timeout_s=600)):
      assert not first.is_lost(1)
    assert first.is_lost(1)


def test_the_end_of_the_run_before_says_nothing(tmp_path):
  """It may be about to come again."""
  with replicas.Replicas(tmp_path, _spec(1)):
    pass
  time.sleep(0.05)
  with replicas.Replicas(tmp_path, _spec(0, timeout_s=600)) as first:
    assert not first.is_lost(1)


def test_a_silent_one_is_lost_after_the_timeout(tmp_path):
  dies = subprocess.Popen(_program(tmp_path, sleep_s=60))
  while not (tmp_path / 'replicas' / '1.json').exists():
    time.sleep(0.01)
  with replicas.Replicas(tmp_path, _spec(0, timeout_s=2.0)) as first:
    end = time.monotonic() + 4
    while time.monotonic() < end:
      assert not first.is_lost(1), 'it is alive'
      first.pause()
    dies.kill()
    dies.wait()
    begun = time.monotonic()
    while not first.is_lost(1):
      first.pause()
      assert time.monotonic() - begun < 30


def test_what_is_taken_over_is_seen_by_all_until_it_starts_again(tmp_path):
  def taken(index):
    with replicas.Replicas(tmp_path, _spec(index)) as one:
      return one.taken()

  with replicas.Replicas(tmp_path, _spec(0)) as first:
    first.take('se-high', 1)
  assert taken(1) == {0: {'se-high': 1}, 1: {}}
  assert taken(0) == {0: {}, 1: {}}


@pytest.mark.skipif(
  not hasattr(os, 'sched_getaffinity'), reason='the system cannot'
)
def test_more_on_a_machine_than_it_has_cores_are_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {3})
  with (
    replicas.Replicas(tmp_path, _spec(0, timeout_s=4.0)) as first,
    replicas.Replicas(tmp_path, _spec(1, timeout_s=4.0)),
    pytest.raises(replicas.ReplicaError) as error,
  ):
    first.wait('sampled')
  text = str(error.value)
  assert '--replicas=2: 2 of them' in text and 'has 1 core for them' in text
  assert '--replicas=auto' in text


# --- together -----------------------------------------------------------------


@contextlib.contextmanager
def _another(workdir, then=lambda other: None, timeout_s=1.0):
  """Meets who works together, does `then`, and is silent from then on."""

  def live():
    with replicas.Replicas(workdir, _together(1, timeout_s)) as other:
      other._meet()
      then(other)

  thread = threading.Thread(target=live)
  thread.start()
  try:
    yield thread
  finally:
    thread.join()


def _together(index, timeout_s=1.0):
  return replicas.Spec(
    index=index, count=2, timeout_s=timeout_s, coordinator='here:1'
  )


def _finish(other):
  other.announce(replicas._DONE)


def _write(path):
  path.write_text(f'{os.getpid()}')


def _marked(path, work):
  """Tells its process, then works."""
  _write(path)
  work()


def _raise(error):
  raise error


def _cannot_save():
  """Fails as checkpoints do when JAX's runtime has."""
  of_jax = jax.errors.JaxRuntimeError('closed by peer')
  raise config.ConfigError('a', 1, 'make room') from of_jax


def test_work_together_is_done_by_a_process_of_its_own(tmp_path):
  with (
    _another(tmp_path, _finish),
    replicas.Replicas(tmp_path, _together(0)) as first,
  ):
    first.together(functools.partial(_write, tmp_path / 'done'))
  assert int((tmp_path / 'done').read_text()) != os.getpid()
  state = (tmp_path / 'replicas' / '0.json').read_text()
  assert replicas._DONE in state, 'the others need not look after it any more'


LOST = {
  'hangs': functools.partial(time.sleep, 600),
  'is aborted': os.abort,
  'cannot save': _cannot_save,
}


@pytest.mark.parametrize('work', LOST)
def test_work_that_waits_for_a_lost_one_is_ended(tmp_path, capfd, work):
  marker = tmp_path / 'marker'

  def then(other):
    """Lives as long as the work does, unless that hangs."""
    while not marker.exists() or not (pid := marker.read_text()):
      time.sleep(0.01)
    while work != 'hangs' and pathlib.Path(f'/proc/{pid}').exists():
      time.sleep(0.01)

  with (
    _another(tmp_path, then),
    replicas.Replicas(tmp_path, _together(0)) as first,
    pytest.raises(replicas.ReplicaError, match=r'replica 1 of 2 \(pid \d+ on'),
  ):
    first.together(functools.partial(_marked, marker, LOST[work]))
  assert not multiprocessing.active_children()
  assert not capfd.readouterr().err, 'who was lost is all that there is to say'


def test_one_that_was_started_again_is_lost(tmp_path, monkeypatch):
  """Alive in time, it would be waited for without end: it waits as well."""
  with (
    _another(tmp_path) as before,
    replicas.Replicas(tmp_path, _together(0, timeout_s=600)) as first,
  ):
    meet, again = first._meet, replicas.Replicas(tmp_path, _together(1))

    def met():
      runs = meet()
      before.join()
      again._write()
      return runs

    monkeypatch.setattr(first, '_meet', met)
    with pytest.raises(replicas.ReplicaError, match='1 of 2 .* started again'):
      first.together(functools.partial(time.sleep, 600))


def test_what_went_wrong_in_work_together_is_told(tmp_path, capfd):
  own = config.ConfigError(
    'finetune.layout.fsdp', 64, 'there are too few ' * 10_000
  )
  bug = ZeroDivisionError(f'{"long " * 100_000}a bug')  # more than a pipe holds
  for error, kind, told in (
    (own, config.ConfigError, 'fsdp = 64\nthere are too'),
    (bug, replicas.ReplicaError, 'replica 0 .*code 1;'),
  ):
    with (
      _another(tmp_path, _finish),
      replicas.Replicas(tmp_path, _together(0)) as first,
      pytest.raises(kind, match=told),
    ):
      first.together(functools.partial(_raise, error))
  assert capfd.readouterr().err.endswith('long a bug\n')


def test_work_together_waits_for_all_to_be_started(tmp_path):
  """What an earlier run has left does not count."""
  with (
    _another(tmp_path, _finish),
    replicas.Replicas(tmp_path, _together(0)) as first,
  ):
    first._meet()
  with (
    replicas.Replicas(tmp_path, _together(0, timeout_s=0.3)) as first,
    pytest.raises(
      replicas.ReplicaError, match='replica 1 of 2 .* gave no sign'
    ),
  ):
    first.together(functools.partial(_write, tmp_path / 'done'))
  assert not (tmp_path / 'done').exists()


def test_what_was_announced_holds_while_finetuning_together(tmp_path):
  """One that went on to finetune was waited for without end."""
  with replicas.Replicas(tmp_path, _spec(1)) as second:
    second.announce('sampled')
  with (
    replicas.Replicas(tmp_path, _spec(0)) as first,
    replicas.Replicas(tmp_path, _together(1), keep=True) as second,
  ):
    second.announce(f'{replicas._READY} with {first._run_name}')
    first.wait('sampled')
  with replicas.Replicas(tmp_path, _together(1), keep=True) as second:
    assert second._announced == ['sampled'], 'they meet anew'
  with replicas.Replicas(tmp_path, _spec(1)) as second:
    assert not second._announced, 'it samples anew'
