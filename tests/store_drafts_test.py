"""Drafts: two writers of one stage, neither of which damages anything."""

import pyarrow as pa
import pytest

from wcse_jax import store
from wcse_jax.store import drafts

ROWS = pa.schema([('n', pa.int64())])
NAME = 'finetune/a'


def _stage(workdir, index=0, count=2, seed=0):
  return store.Store(workdir, (index, count)).stage(NAME, {'seed': seed})


def _write(made, *numbers):
  for number in numbers:
    made.write_part(pa.table({'n': [number]}), ROWS)


def _rows(stage):
  table = stage.read_parts()
  return table['n'].to_pylist() if table else None


def _names(workdir):
  return sorted(path.name for path in (workdir / 'finetune').iterdir())


def test_alone_a_stage_is_made_in_its_place(tmp_path):
  stage = _stage(tmp_path, 0, 1)
  made = drafts.begin(stage)
  _write(made, 1)
  made.finish()
  drafts.put(stage, made)
  assert made is stage and stage.is_complete()
  assert _names(tmp_path) == ['a']


def test_the_first_of_two_has_made_it(tmp_path):
  first, second = _stage(tmp_path, 0), _stage(tmp_path, 1)
  one, other = drafts.begin(first), drafts.begin(second)
  for made in (one, other):  # by turns, in the same files if they were shared
    _write(made, 1)
  for made in (one, other):
    _write(made, 2)
    made.finish()
  drafts.put(second, other)
  manifest = first.manifest()
  drafts.put(first, one)
  assert first.is_complete() and first.manifest() == manifest
  assert _rows(first) == [1, 2]
  assert _names(tmp_path) == ['a'], 'the other draft is dropped'
  assert {p.name for p in first.path.iterdir()} == {
    *('_MANIFEST.json', 'part-00000.parquet', 'part-00001.parquet')
  }, 'as if one alone had made it'


@pytest.mark.parametrize('count', [1, 2])
def test_what_others_have_left_is_gone_on_with(tmp_path, count):
  """Theirs stays as it is: they may be alive."""
  theirs = drafts.begin(_stage(tmp_path, 1))
  theirs.claim()
  _write(theirs, 1)
  log = theirs.path / 'metrics.jsonl'
  log.write_text('1\n')
  (theirs.path / '.part-00001.parquet.tmp').write_text('half')
  stage = _stage(tmp_path, 0, count)
  made = drafts.begin(stage)
  assert _rows(made) == [1]
  with (made.path / log.name).open('a') as file:
    file.write('2\n')
  assert log.read_text() == '1\n'
  _write(made, 2)
  made.finish()
  drafts.put(stage, made)
  assert _rows(stage) == [1, 2] and _rows(theirs) == [1]
  drafts.drop(stage)
  assert _names(tmp_path) == ['a']


def test_what_one_alone_has_begun_is_gone_on_with(tmp_path):
  _write(_stage(tmp_path, 0, 1), 1)
  stage = _stage(tmp_path, 1)
  made = drafts.begin(stage)
  assert _rows(made) == [1]
  _write(made, 2)
  made.finish()
  drafts.put(stage, made)
  assert stage.is_complete() and _rows(stage) == [1, 2]
  assert _names(tmp_path) == ['a']


def test_its_own_draft_is_gone_on_with_whatever_others_have(tmp_path):
  mine = drafts.begin(_stage(tmp_path, 0))
  _write(mine, 1)
  _write(drafts.begin(_stage(tmp_path, 1)), 2, 3, 4)
  assert _rows(drafts.begin(_stage(tmp_path, 0))) == [1]


def test_a_draft_of_other_settings_is_none(tmp_path):
  _write(drafts.begin(_stage(tmp_path, 0, seed=1)), 1)
  made = drafts.begin(_stage(tmp_path, 0))
  assert _rows(made) is None
  assert _rows(drafts.begin(_stage(tmp_path, 1))) is None


def test_a_stage_of_other_settings_is_not_replaced(tmp_path):
  other = _stage(tmp_path, 0, 1, seed=1)
  _write(other, 1)
  other.finish()
  stage = _stage(tmp_path, 0)
  made = drafts.begin(stage)
  _write(made, 2)
  made.finish()
  with pytest.raises(store.StoreError, match=r'spec\.seed: 1 -> 0'):
    drafts.put(stage, made)
  assert _rows(other) == [1]


def test_a_file_that_goes_meanwhile_costs_the_copy_alone(tmp_path, monkeypatch):
  _write(drafts.begin(_stage(tmp_path, 1)), 1)

  def gone(source, target):
    raise FileNotFoundError(source)

  monkeypatch.setattr(drafts, '_link', gone)
  made = drafts.begin(_stage(tmp_path, 0))
  assert _rows(made) is None
  assert _names(tmp_path) == ['.a.draft-1']
