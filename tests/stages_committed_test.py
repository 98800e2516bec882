"""What a real run committed, read and made results of."""

import dataclasses
import json
import shutil

import golden_results as golden
from golden_results import ABOUT
import pytest

from wcse_jax import store
from wcse_jax.experiment.plan import Base
from wcse_jax.results import types
from wcse_jax.results.labels import LabelError
from wcse_jax.stages import committed, forget, layout


@pytest.fixture
def run(tmp_path):
  shutil.copytree(golden.WORKDIR, tmp_path / 'run')
  return layout.Run(golden.config(), store.Store(tmp_path / 'run'))


def test_results_follow_from_what_was_committed(run):
  read = lambda of: json.loads(types.encode(of))
  found = committed.results(run, **ABOUT)
  assert golden.same(read(found), read(golden.RESULTS))
  assert (run.data.workdir / 'report' / 'label.html').exists()


def test_a_second_report_keeps_what_the_first_made(run, monkeypatch):
  """label.html was written, and every solution graded, at every report."""
  first = committed.results(run, **ABOUT)
  page = run.data.workdir / 'report' / 'label.html'
  inode = page.stat().st_ino
  monkeypatch.setattr(committed.verify, 'grade', None)
  again = layout.Run(run.config, run.data)
  assert committed.results(again, **ABOUT) == first
  assert page.stat().st_ino == inode
  monkeypatch.undo()
  page.write_text('another')
  stage = again.reference_stage
  next(stage.path.glob('part-*')).write_bytes(b'damaged')
  assert committed.results(layout.Run(run.config, run.data), **ABOUT) == first
  assert page.read_text() != 'another'
  forget.forget(again, 'verify')
  assert not stage.path.exists()


def test_labels_and_a_judge_may_be_missing(run):
  (run.data.workdir / 'labels.json').unlink()
  arms = tuple(arm for arm in run.config.arms if arm.keep != 'judge')
  config = dataclasses.replace(run.config, judge='', student='', arms=arms)
  run = layout.Run(config, run.data)
  found = committed.results(run, **ABOUT)
  assert found.arms['se']['low'].fpr_by.keys() == {'steps'}
  assert found.agreement == {} and found.students == {}


def test_what_is_not_there_is_named(run):
  found = committed.read(run, **ABOUT)
  assert len(found.students[Base()]) == 1
  workdir = run.data.workdir
  (workdir / 'finetune' / 'nano_student-se-low' / 'MANIFEST.json').unlink()
  with pytest.raises(store.StoreError, match='run the stage finetune first'):
    committed.results(layout.Run(run.config, run.data), **ABOUT)
  for part in (workdir / 'verify' / 'wc').glob('part-*'):
    part.unlink()
  with pytest.raises(store.StoreError, match='wc has no verdict on some'):
    committed.results(layout.Run(run.config, run.data), **ABOUT)


def test_labels_of_another_run_are_refused(run):
  config = dataclasses.replace(run.config, student='')
  arms = tuple(arm for arm in config.arms if not arm.keep)[:1]
  run = layout.Run(dataclasses.replace(config, arms=arms), run.data)
  with pytest.raises(LabelError, match='labels of another run'):
    committed.results(run, **ABOUT)


def test_people_label_students_solutions_where_no_check_is_exact(run):
  page = run.data.workdir / 'report' / 'label.html'
  committed.results(run, **ABOUT)
  exact = page.read_text().count('<article')
  (run.data.workdir / 'labels.json').unlink()
  arms = tuple(arm for arm in run.config.arms if arm.keep != 'judge')
  config = dataclasses.replace(run.config, judge='', arms=arms)
  inexact = layout.Run(config, run.data)
  vars(inexact)['task'] = dataclasses.replace(run.task, exact_steps=False)
  answered = committed.read(inexact, **ABOUT).students
  right = sum(
    a.greedy == 'correct'
    for of in answered.values()
    for a in of[0].answers['test']
  )
  assert right
  committed.results(inexact, **ABOUT)
  assert page.read_text().count('<article') == exact + right
