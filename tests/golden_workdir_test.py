"""A workdir that an older version finished: all of it is kept, and read.

`tests/golden_workdir` was made by `benchmarks/golden_fixture.py`. If a test
here fails, workdirs that people have would be computed anew, or refused.
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import golden_results as golden
import pytest

ROOT = pathlib.Path(__file__).parents[1]
WORKDIR = pathlib.Path(__file__).parent / 'golden_workdir'
STUDENT = 'nano_student-se-low'  # the one whose checkpoints are there
# What a run of any version says anew.
_OF_THIS_RUN = ('started', 'command', 'seconds', 'git', 'versions')


def run(workdir, *flags):
  """Runs the command that made the workdir; returns what it printed."""
  _, script, *rest = shlex.split((WORKDIR / 'COMMAND').read_text())
  done = subprocess.run(
    [sys.executable, script, *rest, f'--workdir={workdir}', *flags],
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout


def results(workdir):
  """results.json without what is of the run that wrote it."""
  found = json.loads((workdir / 'report' / 'results.json').read_text())
  for name in _OF_THIS_RUN:
    del found['run'][name]
  return found


def stages(workdir):
  """The names of the stages that are complete."""
  return {
    path.parent.relative_to(workdir).as_posix()
    for path in workdir.rglob('MANIFEST.json')
  }


def files(workdir):
  """Every file's bytes, but for those that each run writes."""
  return {
    path.relative_to(workdir).as_posix(): path.read_bytes()
    for path in workdir.rglob('*')
    if path.is_file()
    and path.relative_to(workdir).parts[0] not in ('report', 'plan')
    and path.name not in ('config.json', 'seconds.json', '.lock')
  }


@pytest.fixture
def copied(tmp_path):
  shutil.copytree(WORKDIR, tmp_path / 'run')
  return tmp_path / 'run'


def test_all_is_kept_and_the_results_are_the_same(copied):
  output = run(copied).splitlines()
  kept = {line.split(':')[0] for line in output if ': kept' in line}
  assert kept == stages(WORKDIR) - {
    name
    for name in stages(WORKDIR)
    # One student of human-written data is enough; the other is left alone.
    if name.endswith('/validation') or 'reference-low' in name
  }
  assert files(copied) == files(WORKDIR)
  assert golden.same(results(copied), results(WORKDIR))
  plan = pathlib.Path('plan', 'plan.json')
  assert json.loads((copied / plan).read_text()) == json.loads(
    (WORKDIR / plan).read_text()
  )


def test_an_old_checkpoint_is_read_and_answers_as_it_did(copied):
  run(copied, '--stages=evaluate', f'--redo=evaluate/{STUDENT}')
  metrics = pathlib.Path('evaluate', STUDENT, 'nano_arithmetic', 'metrics.json')
  made = json.loads((copied / metrics).with_name('_metrics.json').read_text())
  sound = [of.pop('greedy_sound') for of in made['answers']]  # a later field
  assert {type(said) for said in sound} <= {bool, type(None)}
  assert made == json.loads((WORKDIR / metrics).read_text())
