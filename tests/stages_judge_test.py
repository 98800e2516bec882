"""A judge says of students' own solutions whether their reasoning is right."""

import dataclasses
import shutil

import golden_results as golden
from golden_results import ABOUT
import made_data
import pytest

from wcse_jax import store
from wcse_jax.experiment.plan import Base, Student
from wcse_jax.stages import committed, judge, layout, students
from wcse_jax.stages.check import needed
from wcse_jax.stages.forget import forget
from wcse_jax.stages.machine import Machine


class Says:
  """A judge that finds every second solution right."""

  def __init__(self):
    self.asked = 0

  def stream(self, requests, generator):
    for of in requests:
      self.asked += 1
      yield dataclasses.replace(
        made_data.sampled('judge', [[True]]).samples[0],
        problem_id=of.problem_id,
        sample_index=of.sample_index,
        text=' No.' if self.asked % 2 else ' Yes.',
      )


@pytest.fixture
def says(monkeypatch):
  made = Says()
  monkeypatch.setattr(Machine, 'judge', lambda _: made)
  return made


@pytest.fixture
def run(tmp_path):
  """A run whose task's check of steps is not exact, and has a judge."""
  shutil.copytree(golden.WORKDIR, tmp_path / 'run')
  (tmp_path / 'run' / 'labels.json').unlink()
  run = layout.Run(golden.config(), store.Store(tmp_path / 'run'))
  vars(run)['task'] = dataclasses.replace(run.task, exact_steps=False)
  return run


def _everyone(run):
  return [Base(), *run.taught]


def test_a_judge_counts_students_false_positives(run, says):
  everyone, machine = _everyone(run), Machine(run.config)
  with pytest.raises(store.StoreError, match='run the stage evaluate first'):
    committed.read(run, **ABOUT)
  judge.of_students(run, machine, everyone)
  right = {
    str(of): len(committed.solved(run, of, committed.trained(run, of)))
    for of in everyone
  }
  assert says.asked == sum(right.values()) > 1
  found = committed.results(run, **ABOUT)
  unsound = 0.0
  for name, student in found.students.items():
    if right[name]:
      unsound += student.fpr.value * right[name]
  assert unsound == pytest.approx((says.asked + 1) // 2)
  judge.of_students(run, machine, everyone)
  assert says.asked == sum(right.values()), 'kept'


def test_a_student_is_done_once_it_is_judged(run, says):
  of = run.taught[0]
  assert not students._is_done(run, ['evaluate'], of)
  judge.of_students(run, Machine(run.config), [of])
  assert students._is_done(run, ['evaluate'], of)
  # Answers that are forgotten take what was said of them along.
  forget(run, f'evaluate/nano_student-{of}/nano_arithmetic')
  assert not run.judge_stage(of).path.exists()
  assert isinstance(of, Student)


def test_no_judge_is_asked_where_the_steps_check_is_exact(run):
  exact = layout.Run(run.config, run.data)
  assert run.judges_students and not exact.judges_students
  names = [stage.name for stage in exact.costly()]
  assert not [name for name in names if name.startswith('judge/nano_student')]
  arms = ('se', 'reference')
  config = dataclasses.replace(run.config, arms=arms)
  assert 'judge' not in needed(config, ['evaluate'])
  gsm8k = dataclasses.replace(config.task, name='gsm8k')
  config = dataclasses.replace(config, task=gsm8k)
  assert 'judge' in needed(config, ['evaluate'])
