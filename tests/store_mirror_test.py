"""A remote workdir: always a state that the folder had; one run at a time."""

import contextlib
import hashlib
import json
import pathlib
import signal
import threading
import time

import pytest

from wcse_jax.store import lease
from wcse_jax.store import mirror as remote

SOON_S = 0.05


@pytest.fixture
def mirror(tmp_path):
  return made(tmp_path, 'here')


def made(tmp_path, name):
  """A mirror of the one copy, in a folder of its own."""
  return remote.Mirror(f'file://{tmp_path}/bucket/run', tmp_path / name)


def taken(mirror):
  mirror.lease.acquire(SOON_S)
  return mirror


def content(mirror):
  return {name: path.read_text() for name, path in mirror._local().items()}


def fill(mirror, files):
  """Makes the folder hold these files, and nothing else."""
  for name, path in mirror._local().items():
    if name not in files:
      path.unlink()
  for name, text in files.items():
    path = mirror.folder / name
    if not path.exists() or path.read_text() != text:
      path.parent.mkdir(parents=True, exist_ok=True)
      path.with_name('.new').write_text(text)
      path.with_name('.new').rename(path)


BEFORE = {
  'config.json': 'one',
  'sample/wc/part-00000.parquet': 'rows',
  'sample/wc/_MANIFEST.json': '1 part',
  'curate/se-low/part-00000.parquet': 'old',
}
AFTER = {
  'config.json': 'another',
  'sample/wc/part-00000.parquet': 'rows',
  'sample/wc/part-00001.parquet': 'more rows',
  'sample/wc/_MANIFEST.json': '2 parts',
  'finetune/s/checkpoints/4/array': 'weights',
}


def test_another_machine_goes_on_with_what_one_left(mirror, tmp_path):
  fill(taken(mirror), BEFORE)
  (mirror.folder / '.lock').write_text('of this machine')
  (mirror.folder / '7.orbax-checkpoint-tmp').mkdir()
  (mirror.folder / '7.orbax-checkpoint-tmp' / 'array').write_text('half')
  mirror.push()
  fill(mirror, AFTER)
  mirror.push()
  mirror.lease.release()
  there = taken(made(tmp_path, 'there'))
  fill(there, {'config.json': 'of an older run', 'report/index.html': 'old'})
  there.pull()
  assert content(there) == AFTER
  copy = tmp_path / 'bucket' / 'run'
  names = {p.relative_to(copy).as_posix() for p in copy.rglob('*')
           if p.is_file()}  # fmt: skip
  listed = json.loads((copy / remote.INDEX).read_text())
  assert listed.keys() == AFTER.keys()
  assert names == {
    *(held_by for held_by, _ in listed.values()), remote.INDEX, lease.LEASE,
  }  # fmt: skip


def test_a_kill_at_any_moment_leaves_a_state_that_was(tmp_path, monkeypatch):
  """Whatever the number of operations before it."""

  class Killed(BaseException):
    pass

  outcomes = []
  for moment in range(30):
    folder = tmp_path / str(moment)
    mirror = taken(made(folder, 'here'))
    fill(mirror, BEFORE)
    mirror.push()
    fill(mirror, AFTER)
    left = [moment]

    def dying(operation, left=left):
      def operate(*args, **kwargs):
        if not left[0]:
          raise Killed
        left[0] -= 1
        return operation(*args, **kwargs)

      return operate

    with monkeypatch.context() as patch:
      for name in ('put_file', 'pipe_file', 'rm_file'):
        patch.setattr(
          mirror._objects._fs, name, dying(getattr(mirror._objects._fs, name))
        )
      try:
        mirror.push()
      except Killed:
        pass
    there = taken(made(folder, 'there'))
    there.pull()
    outcomes.append(content(there))
    assert outcomes[-1] in (BEFORE, AFTER), moment
    if left[0]:
      break
  assert outcomes[0] == BEFORE and outcomes[-1] == AFTER
  assert left[0], 'more operations than moments tried'


def test_what_was_not_pushed_any_more_stays(mirror, tmp_path):
  fill(taken(mirror), BEFORE)
  mirror.push()
  fill(mirror, AFTER)  # and the network is gone
  again = taken(made(tmp_path, 'here'))
  again.pull()
  assert content(again) == AFTER
  again.push()
  there = taken(made(tmp_path, 'there'))
  there.pull()
  assert content(there) == AFTER


def test_a_failed_push_is_made_up_for(mirror, tmp_path, monkeypatch):
  fill(taken(mirror), BEFORE)

  def refuse(path, *_, **__):
    raise PermissionError(403, 'storage.objects.create denied', path)

  with monkeypatch.context() as patch:
    patch.setattr(mirror._objects._fs, 'pipe_file', refuse)
    with pytest.raises(
      remote.RemoteError, match=r'(?s)403.*Storage Object Admin'
    ):
      mirror.push()
  mirror.push()
  there = taken(made(tmp_path, 'there'))
  there.pull()
  assert content(there) == BEFORE


def test_who_lost_the_lease_stops_and_writes_nothing(mirror, tmp_path):
  stolen, renew = threading.Event(), mirror.lease._renew

  def renew_later(**kwargs):
    if not kwargs:  # not the first time
      stolen.wait()
    renew(**kwargs)

  mirror.lease._renew = renew_later
  other = made(tmp_path, 'there')

  def run():
    with mirror.lease.held(renew_s=SOON_S), mirror.kept_up(scan_s=1000):
      fill(mirror, BEFORE)
      other.lease.acquire(SOON_S)  # as if this run had been silent for long
      other.pull()
      fill(other, {'config.json': 'theirs'})
      other.push()
      stolen.set()
      time.sleep(60)

  # A process that was started in the background may ignore Ctrl-C.
  before = signal.signal(signal.SIGINT, signal.default_int_handler)
  try:
    with pytest.raises(remote.RemoteError, match='taken over by another run'):
      run()
  finally:
    signal.signal(signal.SIGINT, before)
  index = tmp_path / 'bucket' / 'run' / remote.INDEX
  assert list(json.loads(index.read_text())) == ['config.json']
  other.push()  # it still has the lease


def test_what_changes_during_a_push_is_left_to_the_next(mirror, tmp_path):
  """A checkpoint that is dropped, a stage that is cleared and made anew."""
  fill(taken(mirror), BEFORE)
  upload = mirror._objects._fs.put_file

  def upload_meanwhile(*args):
    fill(mirror, AFTER)
    upload(*args)

  mirror._objects._fs.put_file = upload_meanwhile
  try:
    mirror.push()
  finally:
    mirror._objects._fs.put_file = upload
  there = taken(made(tmp_path, 'there'))
  there.pull()
  assert content(there) == BEFORE
  taken(mirror).push()
  there.pull()
  assert content(there) == AFTER


def test_a_log_is_there_though_it_never_rests(mirror, tmp_path, monkeypatch):
  """It was pushed only once nothing was written while it was copied."""
  fill(taken(mirror), BEFORE)
  log = mirror.folder / 'sample' / 'wc' / '_purchases.jsonl'
  log.write_text('0\n')
  upload = mirror._objects._fs.put_file

  def upload_meanwhile(*args):
    with log.open('a') as file:
      file.write('more\n')
    upload(*args)

  monkeypatch.setattr(mirror._objects._fs, 'put_file', upload_meanwhile)
  for _ in range(3):
    before = log.read_text()
    mirror.push()
    there = made(tmp_path, 'there')
    there.pull()
    found = content(there)['sample/wc/_purchases.jsonl']
    assert found.startswith(before) and log.read_text().startswith(found)
    assert len(found) < len(log.read_text())
  assert not [*mirror.folder.rglob('*.copy')]


def test_a_push_that_failed_goes_on_where_it_stopped(mirror, monkeypatch):
  fill(taken(mirror), {f'{i}.json': str(i) for i in range(10)})
  upload, calls = mirror._objects._fs.put_file, []

  def upload_at_times(*args):
    calls.append(args)
    if len(calls) % 4 == 0:
      raise TimeoutError('the network')
    upload(*args)

  monkeypatch.setattr(mirror._objects._fs, 'put_file', upload_at_times)
  for _ in range(3):
    with pytest.raises(remote.RemoteError, match='the network'):
      mirror.push()
  mirror.push()
  assert len(calls) == 13 and len(mirror._index) == 10


def test_an_index_whose_answer_was_lost(mirror, tmp_path, monkeypatch):
  """It is there; what it lists may not be overwritten."""
  fill(taken(mirror), BEFORE)
  write = mirror._objects._fs.pipe_file

  def write_and_fail(path, *args, **kwargs):
    write(path, *args, **kwargs)
    raise TimeoutError('the answer')

  with monkeypatch.context() as patch:
    patch.setattr(mirror._objects._fs, 'pipe_file', write_and_fail)
    with pytest.raises(remote.RemoteError, match='the answer'):
      mirror.push()
  fill(mirror, AFTER)

  def die(*_, **__):
    raise ZeroDivisionError

  with monkeypatch.context() as patch:
    patch.setattr(mirror._objects, 'write', die)  # before the next index
    with pytest.raises(ZeroDivisionError):
      mirror.push()
  there = taken(made(tmp_path, 'there'))
  there.pull()
  assert content(there) == BEFORE


def test_no_empty_folder_is_left_that_looks_like_a_checkpoint(mirror, tmp_path):
  fill(taken(mirror), BEFORE)
  mirror.push()
  there = taken(made(tmp_path, 'there'))
  fill(there, {'finetune/s/checkpoints/30/array': 'of an older run'})
  there.pull()
  assert not (there.folder / 'finetune').exists()


def test_an_error_of_the_run_comes_through_and_its_files_too(
  tmp_path, monkeypatch
):
  monkeypatch.setenv('WCSE_CACHE_DIR', str(tmp_path / 'cache'))
  url = f'file://{tmp_path}/bucket/run'

  def fail():
    with remote.local(url, pathlib.Path('unused')) as folder:
      (folder / 'config.json').write_text('one')
      raise ZeroDivisionError

  with pytest.raises(ZeroDivisionError):
    fail()
  copy = tmp_path / 'bucket' / 'run'
  ((held_by, _),) = json.loads((copy / remote.INDEX).read_text()).values()
  assert (copy / held_by).read_text() == 'one'
  assert not (copy / lease.LEASE).exists()


def test_a_local_workdir_is_itself(tmp_path):
  with remote.local('', tmp_path / 'run') as folder:
    assert folder == tmp_path / 'run'


@pytest.mark.parametrize('damage', ['gone', 'altered'])
def test_a_damaged_copy_is_named(mirror, tmp_path, damage):
  fill(taken(mirror), BEFORE)
  mirror.push()
  (part,) = (tmp_path / 'bucket/run/sample/wc').glob('part-*')
  part.unlink() if damage == 'gone' else part.write_text('rotten')
  with pytest.raises(
    remote.RemoteError, match=r'part-00000.parquet\.\w+ is missing or altered'
  ):
    taken(made(tmp_path, 'there')).pull()


def test_a_copy_that_is_gone_does_not_cost_the_local_one(mirror, tmp_path):
  fill(taken(mirror), BEFORE)
  mirror.push()
  (tmp_path / 'bucket/run' / remote.INDEX).unlink()
  again = made(tmp_path, 'here')
  with pytest.raises(remote.RemoteError, match='delete that folder'):
    taken(again).pull()
  assert content(again) == BEFORE


def test_a_damaged_index_is_named(mirror, tmp_path):
  taken(mirror)
  (tmp_path / 'bucket/run' / remote.INDEX).write_text('{')
  with pytest.raises(remote.RemoteError, match=r'INDEX\.json is damaged'):
    mirror.pull()


@pytest.mark.parametrize('end', [0, 1])
@pytest.mark.parametrize(
  'name',
  ['../evil', '/no/evil', 'a/../../b', 'a//b', '.index', '', 'a\n', '\ud800'],
)
def test_an_index_of_a_stranger_stays_in_the_folder(
  mirror, tmp_path, end, name
):
  """It once overwrote any file that the user may write."""
  fill(taken(mirror), {'a': 'one'})
  mirror.push()
  path = tmp_path / 'bucket/run' / remote.INDEX
  ((own, (held_by, digest)),) = json.loads(path.read_text()).items()
  entry = {name: [held_by, digest]} if end else {own: [name, digest]}
  path.write_text(json.dumps(entry))
  there = taken(made(tmp_path, 'there'))
  with pytest.raises(remote.RemoteError, match='is no file inside'):
    there.pull()
  assert not there.folder.exists()


@pytest.mark.parametrize(
  'index', ['[]', '{"a": 1}', '{"a": ["a"]}', '{"a": ["a", 1]}', '1', '"']
)
def test_an_index_of_another_shape_is_named(mirror, tmp_path, index):
  taken(mirror)
  (tmp_path / 'bucket/run' / remote.INDEX).write_text(index)
  with pytest.raises(remote.RemoteError, match=r'INDEX\.json is damaged'):
    mirror.pull()


@pytest.mark.parametrize('operation', ['put_file', 'pipe_file', 'rm_file'])
def test_a_writer_that_wakes_up_late_spoils_nothing(
  tmp_path, monkeypatch, operation
):
  """A suspended run once wrote over an object that the next one had listed."""
  mirror, other = made(tmp_path, 'here'), made(tmp_path, 'there')
  fill(taken(mirror), BEFORE)
  mirror.push()
  fill(mirror, AFTER)
  theirs = AFTER | {
    'config.json': 'theirs',
    'finetune/s/checkpoints/4/array': '3',
  }
  theirs['sample/wc/part-00001.parquet'] = 'others'
  operate, woken = getattr(mirror._objects._fs, operation), []

  def sleeping(path, *args, **kwargs):
    if not woken:
      woken.append(path)
      other.lease.acquire(SOON_S)
      other.pull()
      fill(other, theirs)
      other.push()
    return operate(path, *args, **kwargs)

  mirror._objects._fs = type(mirror._objects._fs)(skip_instance_cache=True)
  monkeypatch.setattr(mirror._objects._fs, operation, sleeping)
  with contextlib.suppress(remote.RemoteError):  # that it has lost the lease
    mirror.push()
  assert woken
  other.push()
  third = taken(made(tmp_path, 'third'))
  third.pull()
  assert content(third) == theirs


def test_a_copy_named_as_before_is_read_and_goes_on(mirror, tmp_path):
  """Objects were named as the files; of files that change, by 8 digits."""
  copy = tmp_path / 'bucket' / 'run'
  index = {}
  for name, text in BEFORE.items():
    digest = hashlib.md5(text.encode()).hexdigest()
    held_by = f'{name}.{digest[:8]}' if name == 'config.json' else name
    index[name] = held_by, digest
    (copy / held_by).parent.mkdir(parents=True, exist_ok=True)
    (copy / held_by).write_text(text)
  (copy / remote.INDEX).write_text(json.dumps(index))
  taken(mirror).pull()
  assert content(mirror) == BEFORE
  fill(mirror, AFTER)
  mirror.push()
  there = taken(made(tmp_path, 'there'))
  there.pull()
  assert content(there) == AFTER
  assert (copy / 'sample/wc/part-00000.parquet').exists()  # not copied again
  assert not (copy / 'sample/wc/_MANIFEST.json').exists()


def test_what_killed_runs_left_is_removed_by_the_next(mirror, tmp_path):
  """Of 30 kills there once were 233 objects, of which 8 were listed."""
  fill(taken(mirror), BEFORE)
  mirror.push()
  copy = tmp_path / 'bucket' / 'run'
  kept = {
    'notes.txt': 'of the user',
    'inner/INDEX.json': '{}',
    f'inner/a.{"0" * 32}': 'of a workdir within this',
    'other/LEASE.json': '{}',
    f'other/a.{"0" * 32}': 'of another that is beginning',
  }
  left = {
    f'sample/wc/part-00001.parquet.{"0" * 32}': 'half',
    'config.json.01234567': 'of an older version',
    'sample/wc/_MANIFEST.json': 'of an older version',
  }
  for name, text in (kept | left).items():
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text(text)
  there = taken(made(tmp_path, 'there'))
  there.pull()
  there.push()
  assert not [name for name in left if (copy / name).exists()]
  assert not [name for name in kept if not (copy / name).exists()]
  third = taken(made(tmp_path, 'third'))
  third.pull()
  assert content(third) == BEFORE


def test_what_grows_while_it_is_copied_leaves_nothing(mirror, tmp_path):
  """A log is appended to: what was copied has not the sum of its name."""
  fill(taken(mirror), BEFORE)
  upload = mirror._objects._fs.put_file

  def upload_meanwhile(path, *args):
    with (mirror.folder / 'config.json').open('a') as file:
      file.write('more')
    upload(path, *args)

  mirror._objects._fs.put_file = upload_meanwhile
  try:
    mirror.push()
  finally:
    mirror._objects._fs.put_file = upload
  mirror.push()
  objects = [p.name for p in (tmp_path / 'bucket/run').glob('config.json*')]
  assert len(objects) == 1
