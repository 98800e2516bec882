"""Functional MATH: its texts, its files, its families."""

import io
import json
import tarfile

import pytest

from wcse_jax import tasks
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, functional_math, math


def _source(folder):
  return datasets.Source('functional_math', folder)


def _rows(answer):
  return [
    {
      'problem': f'What is {answer} of {i}?',
      'level': 'Level 2',
      'type': 'Algebra',
      'solution': f'\\boxed{{{answer + i}}}',
      'is_static': False,
      'id': f'algebra/{i}',
    }
    for i in range(4)
  ]


def _write_tar(path, rows):
  """As the public form is: a file for each problem, by its id's folder."""
  with tarfile.open(path, 'w:gz') as archive:
    for row in reversed(rows):
      content = json.dumps({k: row[k] for k in row if k != 'id'}).encode()
      for name in (f'{row["id"]}.json', f'{row["id"]}.txt'):
        member = tarfile.TarInfo(f'{path.name[:8]}/test/{name}')
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path, monkeypatch):
  sums = {}
  for answer, name in enumerate(['Oct-2023', 'Dec-2023']):
    rows = _rows(answer)
    content = ''.join(json.dumps(row) + '\n' for row in rows)
    (tmp_path / f'{name}.jsonl').write_text(content)
    sums[name] = math.content_sha256(rows)
  monkeypatch.setattr(functional_math, 'SHA256', sums)
  monkeypatch.setattr(functional_math, 'NUM_FAMILIES', 4)
  return tmp_path


def test_prompt_is_that_of_math():
  info, other = (tasks.find(name) for name in ('functional_math', 'math'))
  assert (info.prefix, info.stop_strings) == (other.prefix, other.stop_strings)


def test_variants_of_a_family_stay_together(folder):
  snapshots = functional_math.read(_source(folder))
  problems = list(functional_math.split_problems(snapshots))
  ids = [problem.problem_id for problem in problems]
  assert ids == sorted(ids)
  assert len(set(ids)) == 8
  families = [functional_math.family(name) for name in ids]
  assert families[::2] == families[1::2]
  assert len(set(families)) == 4
  by_id = {problem.problem_id: problem for problem in problems}
  (name,) = (name for name in ids if name.endswith('algebra-3@Dec-2023'))
  assert by_id[name].gold == '4'
  assert by_id[name].level == 2
  assert by_id[name].prompt == math.TASK.prompt_format.format(
    question='What is 1 of 3?'
  )


def test_one_snapshot_will_do(folder):
  (folder / 'Oct-2023.jsonl').unlink()
  assert list(functional_math.read(_source(folder))) == ['Dec-2023']


def test_the_public_form_holds_the_same(folder):
  """The loader asked for files that nobody publishes."""
  before = functional_math.read(_source(folder))
  for answer, name in enumerate(['Oct-2023', 'Dec-2023']):
    (folder / f'{name}.jsonl').unlink()
    _write_tar(folder / f'{name}.tar.gz', _rows(answer))
  assert functional_math.read(_source(folder)) == before


def test_a_third_snapshot_joins_the_families(folder):
  _write_tar(folder / 'Nov-2023.tar.gz', _rows(2))
  snapshots = functional_math.read(_source(folder))
  assert {*snapshots} == {'Oct-2023', 'Nov-2023', 'Dec-2023'}
  problems = list(functional_math.split_problems(snapshots))
  families = {functional_math.family(p.problem_id) for p in problems}
  assert (len(problems), len(families)) == (12, 4)


def test_a_third_snapshot_of_other_problems_is_refused(folder):
  path = folder / 'Nov-2023.tar.gz'
  _write_tar(path, _rows(2)[:3])
  with pytest.raises(
    TaskError, match=r'Nov-2023.tar.gz: it has 3 problems, no'
  ):
    functional_math.read(_source(folder))
  others = [row | {'id': row['id'].replace('al', 'b')} for row in _rows(2)]
  _write_tar(path, others)
  with pytest.raises(TaskError, match='its problems are others than'):
    functional_math.read(_source(folder))
  path.write_bytes(b'no tar')
  with pytest.raises(
    TaskError, match=r'Nov-2023.tar.gz: ReadError.*get Oct-20'
  ):
    functional_math.read(_source(folder))


def test_missing_and_altered_files_are_named(folder):
  (folder / 'Oct-2023.jsonl').write_text(json.dumps(_rows(7)[0]))
  with pytest.raises(
    TaskError, match='Oct-2023.jsonl: the sha256 of its 1 prob'
  ):
    functional_math.read(_source(folder))
  (folder / 'Oct-2023.jsonl').write_text('{}')
  with pytest.raises(
    TaskError, match="Oct-2023.jsonl: KeyError: 'id'; get Oct"
  ):
    functional_math.read(_source(folder))
  for path in folder.iterdir():
    path.unlink()
  with pytest.raises(
    TaskError, match='none of Oct-2023, Dec-2023, Nov-2023, as'
  ):
    functional_math.read(_source(folder))
