"""Certificates of programs, and the official solutions."""

import os
import pathlib

import pytest

from wcse_jax import verify
from wcse_jax.answers import sandbox
from wcse_jax.verify.certificate import hostile_programs, peers, programs


def _folder(task: str) -> pathlib.Path:
  if 'WCSE_DATA_DIR' not in os.environ:
    pytest.skip(f'needs WCSE_DATA_DIR with a folder {task}')
  return pathlib.Path(os.environ['WCSE_DATA_DIR'], task)


@pytest.mark.filterwarnings('ignore:invalid escape sequence')
@pytest.mark.parametrize('task, step', [('mbpp', 12), ('humaneval', 3)])
def test_reference_solutions_pass(task, step):
  """A sample; the certificate takes them all."""
  official = programs.problems(task, _folder(task))
  explained = [p for p in official if p.name in programs.EXPLAINED]
  assert len(explained) == (task == 'mbpp')
  sample = [p for p in official[::step] if p not in explained]
  grades = verify.grade_many(
    task,
    golds=[p.gold for p in sample],
    texts=[p.text for p in sample],
    timeout_s=30.0,
  )
  assert {(g.verdict, g.rule) for g in grades} == {('correct', 'tests')}


def test_certificate(monkeypatch):
  """Two problems, one with a wrong solution, one of the hostile programs."""
  sneaky = hostile_programs.programs()['equals_everything']
  monkeypatch.setattr(
    hostile_programs,
    'programs',
    lambda: {'sneaky': sneaky},
  )
  gold = sandbox.Tests('import math\n', ['f'], 'assert f(2) == 4').dumps()
  official = [
    peers.Pair('mbpp:1', gold, 'def f(x): return x * x', '', True),
    peers.Pair('mbpp:123', gold, 'def f(x): return x', '', True),
  ]
  certificate = programs.Checks('mbpp', official).run()
  text = certificate.markdown()
  assert '| reference solutions | 2 | 1 correct |' in text
  assert '  - mbpp:123: wrong: tests: takes 4 s' in text
  assert '| functions that return nothing | 2 | 2 wrong |' in text
  assert '1 | 0 passed, 0 left running; in one interpreter' in text
  assert 'their tests 1 would pass' in text
  if certificate.details['isolation'] == 'namespaces':
    assert '| ways out | file, network | 0 escaped |' in text
