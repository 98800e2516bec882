"""A metrics.json of another shape is named."""

import json
import pathlib
import shlex
import shutil

import pytest

from wcse_jax import command_line, store
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
