"""Replicas share a run: what they leave is what one alone leaves, to the bit.

Each is a process, as on a host of its own.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import golden_compare  # noqa: E402
import golden_workdir  # noqa: E402

# Runs a replica, which dies of the first file that matches `victim`.
PROGRAM = """
  import fnmatch, os, pathlib, signal, sys
  from wcse_jax import pipeline
  from wcse_jax.experiment import config as c
  from wcse_jax.runtime import progress, replicas
  from wcse_jax.store import files

  workdir, (index, count, patience) = sys.argv[1], map(int, sys.argv[2:5])
  workdir, victim = pathlib.Path(workdir), sys.argv[5]
  os.sched_getaffinity = lambda pid: {index}  # as if there were as many
  commit, advance = files.commit, progress.advance
  def die(name):
    if victim and fnmatch.fnmatch(name, victim):
      os.kill(os.getpid(), signal.SIGKILL)
  def committing(path, data):
    commit(path, data)
    die(path.relative_to(workdir).as_posix())
    return path
  def advancing(bar, done):
    advance(bar, done)
    die(f'{bar.desc} at {done}')
  files.commit, progress.advance = committing, advancing
  experiment = c.Config(
    arms=('se', 'reference'),
    task=c.TaskSpec(num_train=4, num_validation=2, num_test=2),
    budget=c.BudgetSpec(low=1, high=2),
    sampling=c.SamplingSpec(slots=4, shard_rows=2),
    verify=c.VerifySpec(workers=1),
    finetune=c.FinetuneSpec(
      batch_size=2, steps_low=2, steps_high=12, num_checkpoints=2
    ),
    evaluate=c.EvaluateSpec(num_samples=1, ks=(1,)),
    report=c.ReportSpec(bootstrap_samples=20),
  )
  spec = replicas.Spec(index=index, count=count, timeout_s=patience)
  try:
    pipeline.run(experiment, workdir, replica=spec)
  except replicas.ReplicaError as error:
    sys.exit(f'error: {error}')
"""


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """Runs so many replicas, one of them a victim; returns what they print."""
  cache = tmp_path_factory.mktemp('cache')
  environment = os.environ | {
    'PYTHONPATH': str(ROOT),
    'WCSE_CACHE_DIR': str(cache),  # each program is compiled once
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  }

  def start(workdir, count, victim=(0, ''), codes=None):
    processes = [
      subprocess.Popen(
        [
          *(sys.executable, '-c', textwrap.dedent(PROGRAM)),
          # Who is not to be lost may have to wait for a processor.
          *map(str, (workdir, index, count, 8 if victim[1] else 120)),
          victim[1] if index == victim[0] else '',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
      )
      for index in range(count)
    ]
    told = [process.communicate(timeout=600)[0] for process in processes]
    assert [p.returncode for p in processes] == (codes or [0] * count), told
    return told

  return start


@pytest.fixture(scope='module')
def alone(run, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('alone')
  run(workdir, 1)
  return workdir


def _begin(alone, workdir, *stages):
  """Begins with some stages of what one alone has left, to save time."""
  for stage in ('problems', *stages):
    shutil.copytree(alone / stage, workdir / stage)


def _check_equal(workdir, alone):
  """Samples, verdicts, checkpoints, losses, answers, and results."""
  one, found = (golden_workdir.read(d, ordered=False) for d in (alone, workdir))
  ignored = *golden_compare.KILLED, '*.html*', '*.idle_*', '*.git'
  assert not [
    *map(str, golden_compare.differences(one, found, ignored=ignored))
  ]
  assert sum('/checkpoints/' in name for name in found) == 6
  left = [p for p in workdir.rglob('.*') if not p.name.startswith('.lock')]
  assert not left, 'drafts'


def test_three_leave_what_one_alone_leaves(run, alone, tmp_path):
  """`pipeline_kills_test` has two."""
  _begin(alone, tmp_path)
  told = run(tmp_path, 3)
  _check_equal(tmp_path, alone)
  made = [
    {line.split(':')[0] for line in lines.splitlines() if 'steps of' in line}
    for lines in told
  ]
  assert [*map(len, made)] == [1] * 3 and len(set().union(*made)) == 3
  drawn = [*(tmp_path / 'sample' / 'se').glob('part-*.parquet')]
  assert sum(pq.read_table(path).num_rows for path in drawn) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
  'victim', ['finetune/*-high at 6', 'evaluate/*/.validation*/part-*']
)
def test_what_a_killed_one_leaves_is_taken_over(run, alone, tmp_path, victim):
  _begin(alone, tmp_path, 'sample', 'verify', 'curate')
  told = run(tmp_path, 2, (1, victim), [0, -9])
  assert 'high: taken over from replica 1, which is lost' in told[0]
  _check_equal(tmp_path, alone)


@pytest.mark.slow
def test_of_the_first_the_others_say_that_it_does_the_rest(
  run, alone, tmp_path
):
  """It comes back alone here, and goes on with what was left."""
  _begin(alone, tmp_path, 'sample', 'verify', 'curate')
  told = run(tmp_path, 2, (0, 'evaluate/*/.validation*/part-*'), [-9, 0])
  assert 'taken over from replica 0' in told[1]
  assert 'replica 1: done; replica 0 does the rest' in told[1]
  told = run(tmp_path, 1)
  _check_equal(tmp_path, alone)
  assert 'steps of' not in told[0]


@pytest.mark.slow
def test_experiments_have_all_cores_one_after_another(tmp_path):
  """`configs/paper.py --replicas=auto` was refused: half a machine was idle."""
  fields = {
    'experiments': "('wc_distill','number_matched')",
    'student': '',
    'task.num_train': 6,
    'task.num_validation': 0,
    'task.num_test': 0,
    'sampling.slots': 4,
    'report.bootstrap_samples': 20,
  }
  done = subprocess.run(
    [
      *(sys.executable, str(ROOT / 'launch' / 'main.py')),
      *(f'--config={ROOT / "configs" / "paper.py"}:tiny', '--replicas=auto'),
      *(f'--config.{name}={value}' for name, value in fields.items()),
      f'--workdir={tmp_path}',
    ],
    capture_output=True,
    text=True,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
    check=False,
  )
  assert done.returncode == 0, done.stderr
  cores = len(os.sched_getaffinity(0))
  for name in ('wc_distill', 'number_matched'):
    assert (tmp_path / name / 'report' / 'index.html').exists()
    signs = list((tmp_path / name / 'replicas').glob('*.json'))
    assert len(signs) == (cores if cores > 1 else 0)
  assert (tmp_path / 'report' / 'RESULTS.md').exists()
  if cores > 1:
    assert 'replica 1: number_matched (2 of 2)' in done.stdout
  # What the first has sampled, the second takes over.
  assert 'sample/se: taken from' in done.stdout
