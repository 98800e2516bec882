"""Functional MATH: its texts, its files, its families."""

import hashlib
import json

import pytest

from wcse_jax import tasks
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks import datasets, functional_math, math

_SHA256 = datasets.DATASETS['functional_math'].sha256


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


@pytest.fixture
def folder(tmp_path, monkeypatch):
  for answer, name in enumerate(_SHA256):
    content = ''.join(json.dumps(row) + '\n' for row in _rows(answer))
    (tmp_path / name).write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    monkeypatch.setitem(_SHA256, name, digest)
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


def test_missing_and_altered_files_are_named(folder):
  (folder / 'Oct-2023.jsonl').write_text('{}')
  with pytest.raises(TaskError, match='Oct-2023.jsonl: sha256 is'):
    functional_math.read(_source(folder))
  for name in _SHA256:
    (folder / name).unlink()
  with pytest.raises(TaskError, match='neither Oct-2023.jsonl nor Dec'):
    functional_math.read(_source(folder))
