"""A run on two machines, in miniature: one is lost, and comes back.

Each replica has a network and a host name of its own (namespaces of this test's
making) where the system allows it, and nothing in common but the workdir.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest

NUM_PROBLEMS = 8

# Runs a replica. The victim dies of its first commit, as of a power failure.
PROGRAM = f"""
  import os, pathlib, signal, sys
  from wcse_jax import config, pipeline, replicas, store

  workdir, index, count, victim = sys.argv[1], *map(int, sys.argv[2:])
  commit = store.commit
  def dying(path, data):
    commit(path, data)
    if victim and path.name.startswith('part-'):
      os.kill(os.getpid(), signal.SIGKILL)
  store.commit = dying
  experiment = config.Config(
    student='',
    arms=('wc_number_matched',),
    task=config.TaskSpec(
      num_train={NUM_PROBLEMS}, num_validation=0, num_test=0
    ),
    budget=config.BudgetSpec(low=1, high=4),
    sampling=config.SamplingSpec(slots=4, shard_rows=4),
    verify=config.VerifySpec(workers=1),
  )
  try:
    pipeline.run(
      experiment, pathlib.Path(workdir),
      replica=replicas.Spec(index=index, count=count, timeout_s=5),
    )
  except replicas.ReplicaError as error:
    sys.exit(f'error: {{error}}')
"""


def _can_unshare():
  done = subprocess.run(
    ['unshare', '--net', '--uts', 'true'], capture_output=True, check=False
  )
  return done.returncode == 0


def _machine(name):
  """The words before a command that give it a machine of its own."""
  if not shutil.which('unshare') or not _can_unshare():
    return []
  inside = f'hostname {name}; ip link set lo up 2> /dev/null; exec "$@"'
  return ['unshare', '--net', '--uts', 'sh', '-c', inside, 'sh']


def _start(workdir, index, count, victim=False):
  words = [workdir, index, count, int(victim)]
  return subprocess.Popen(
    [
      *_machine(f'host-{"ab"[index]}'),
      *(sys.executable, '-c', textwrap.dedent(PROGRAM), *map(str, words)),
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def _results(workdir):
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  return {name: results[name] for name in ('problems', 'arms')}


@pytest.mark.skipif(
  'WCSE_SLOW' not in os.environ, reason='takes a while; WCSE_SLOW=1 runs it'
)
def test_a_lost_machine_is_named_and_comes_back(tmp_path):
  alone = tmp_path / 'alone'
  one = _start(alone, 0, 1)
  output, errors = one.communicate(timeout=900)
  assert one.returncode == 0, errors

  shared = tmp_path / 'shared'
  shutil.copytree(alone / 'problems', shared / 'problems')  # to save time
  first, second = _start(shared, 0, 2), _start(shared, 1, 2, victim=True)
  second.communicate(timeout=900)
  assert second.returncode == -9
  output, errors = first.communicate(timeout=900)
  assert first.returncode == 1, output
  where = 'host-b' if _machine('') else ''
  assert f'replica 1 of 2 (pid {second.pid} on {where}' in errors
  assert '--replica=1 --replicas=2' in errors
  assert 'Traceback' not in errors
  parts = [int(p.stem[-5:]) % 2 for p in shared.glob('sample/wc/part-*')]
  assert parts.count(1) == 1, 'what it had committed stays'

  runs = [_start(shared, index, 2) for index in (0, 1)]
  ends = [run.communicate(timeout=900) for run in runs]
  assert [run.returncode for run in runs] == [0, 0], ends
  assert 'rows are there, going on' in ends[1][0]
  assert 'replica 1: done' in ends[1][0]
  assert _results(shared)['problems'] == _results(alone)['problems']
  assert _without_times(_results(shared)) == _without_times(_results(alone))


def _without_times(results):
  for by_budget in results['arms'].values():
    for cell in by_budget.values():
      cost = cell['cost']
      cell['cost'] = [cost[name] for name in ('tokens', 'rule_flops')]
      del cell['cost_per_true']
  return results
