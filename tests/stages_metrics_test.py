"""A metrics.json of another shape is named."""

import dataclasses
import json
import pathlib
import shlex
import shutil

import pytest

from wcse_jax import command_line, results, store
from wcse_jax.experiment import scales
from wcse_jax.stages import committed, layout

ROOT = pathlib.Path(__file__).parents[1]
WORKDIR = ROOT / 'tests' / 'golden_workdir'
NAME = 'evaluate/nano_student-base/nano_arithmetic/metrics.json'
ABOUT = {'command': '', 'device': '', 'started': '', 'seconds': {},
         'versions': {}, 'git': ''}  # fmt: skip


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('metrics') / 'run'
  shutil.copytree(WORKDIR, workdir)
  _, _, config, *others = shlex.split((WORKDIR / 'COMMAND').read_text())
  config = config.replace('=configs', f'={ROOT}/configs')
  made = command_line.parse(['main.py', config, *others]).config
  return layout.Run(made, store.Store(workdir))


def changed(**changes):
  said = json.loads((WORKDIR / NAME).read_text()) | changes
  return {key: value for key, value in said.items() if value != 'no'}


@pytest.mark.parametrize(
  'said',
  [
    [],
    None,
    7,
    {},
    changed(best_step='no'),
    changed(best_step='x'),
    changed(validation=None),
    changed(validation='x'),
    changed(validation=[3]),
    changed(validation=[[3, 'x']]),
    changed(answers={}),
    changed(answers=[{'problem_id': 'p'}]),
  ],
)
def test_metrics_of_another_shape_are_named(run, said):
  path = run.data.workdir / NAME
  before = path.read_bytes()
  path.write_text(json.dumps(said))
  try:
    with pytest.raises(store.StoreError) as error:
      committed.read(run, **ABOUT)
  finally:
    path.write_bytes(before)
  assert str(path) in str(error.value)


def test_metrics_of_their_shape_are_read(run):
  assert committed.read(run, **ABOUT).students


def test_a_part_of_the_problems_may_have_samples(run):
  """maj@k and its comparisons are of these, all else of all problems."""
  two = scales.replace(
    run.config, {'evaluate.num_samples': 2, 'evaluate.ks': (1, 2)}
  )
  whole = dataclasses.replace(committed.read(run, **ABOUT), config=two)

  def of_one(trained):
    first, *others = trained.answers['test']
    without = [dataclasses.replace(a, verdicts=[], answers=[]) for a in others]
    return dataclasses.replace(trained, answers={'test': [first, *without]})

  part = dataclasses.replace(
    whole,
    students={mix: [*map(of_one, s)] for mix, s in whole.students.items()},
  )
  twice = lambda a: dataclasses.replace(
    a, verdicts=2 * a.verdicts, answers=2 * a.answers
  )
  whole, part = (
    dataclasses.replace(
      of,
      students={
        mix: [
          dataclasses.replace(
            s, answers={'test': [*map(twice, s.answers['test'])]}
          )
          for s in seeds
        ]
        for mix, seeds in of.students.items()
      },
    )
    for of in (whole, part)
  )
  before, after = results.make(whole), results.make(part)
  assert before.students.keys() == after.students.keys()
  for name, student in before.students.items():
    assert after.students[name].pass_at_1 == student.pass_at_1
    assert after.students[name].maj_at_k[2].value in (0, 1)
    assert after.students[name].coverage_at_k[1].value in (0, 1)
  compared = {(c.a, c.b, c.metric): c.absolute for c in before.comparisons}
  for c in after.comparisons:
    if c.metric == 'maj_at_2':
      assert c.absolute.value in (-1, 0, 1)
    else:
      assert c.absolute == compared[c.a, c.b, c.metric]
