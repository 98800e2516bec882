"""A run on two machines, in miniature: one is lost, and comes back.

Each replica has a network and a host name of its own (namespaces of this test's
making) where the system allows it, and nothing in common but the workdir and,
if they finetune together, a cable.
"""

import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import pyarrow as pa
import pytest

ROOT = pathlib.Path(__file__).parents[1]
NUM_PROBLEMS = 8

# Runs a replica. The victim dies of its first commit, as of a power failure.
PROGRAM = f"""
  import os, pathlib, signal, sys
  from wcse_jax import pipeline
  from wcse_jax.experiment import config
  from wcse_jax.runtime import replicas
  from wcse_jax.store import files

  workdir, index, count, victim = sys.argv[1], *map(int, sys.argv[2:])
  commit = files.commit
  def dying(path, data):
    commit(path, data)
    if victim and path.name.startswith('part-'):
      os.kill(os.getpid(), signal.SIGKILL)
  files.commit = dying
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


@functools.cache
def _can(*command):
  """Whether this can be done in namespaces of one's own."""
  if not shutil.which('unshare'):
    return False
  words = ['unshare', '--net', '--uts', *command]
  return not subprocess.run(words, capture_output=True, check=False).returncode


def _machine(name, then=''):
  """The words before a command that give it a machine of its own."""
  if not _can('true'):
    return []
  inside = f'hostname {name}; ip link set lo up 2> /dev/null; {then} exec "$@"'
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


@pytest.mark.slow
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


# --- finetuning together ------------------------------------------------------

TIMEOUT_S = 15
STUDENT = 'finetune/nano_student-wc_number_matched'
_CABLE = """
  until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
  ip addr add {address}/24 dev eth0; ip link set eth0 up;
"""


def _experiment():
  """Two students, of 2 and 9 batches; each is saved twice."""
  from wcse_jax.experiment import config

  return config.Config(
    student='nano_student',
    arms=('wc_number_matched',),
    budget=config.BudgetSpec(low=1, high=4),
    sampling=config.SamplingSpec(max_new_tokens=16),
    finetune=config.FinetuneSpec(
      batch_size=4,
      steps_low=2,
      steps_high=9,
      learning_rates=(1e-3,),
      row_tokens=24,
      num_checkpoints=2,
    ),
  )


def finetunes(workdir, index, count, coordinator='', victim=''):
  """Finetunes; the victim dies after batch 6 of the second student."""
  from wcse_jax import pipeline
  from wcse_jax.runtime import replicas

  workdir = pathlib.Path(workdir)
  if coordinator:
    pipeline._finetune_together = functools.partial(
      _with_others, victim and workdir
    )
  else:
    _log_each_batch()
  replica = replicas.Spec(
    index=int(index),
    count=int(count),
    coordinator=coordinator,
    timeout_s=TIMEOUT_S,
  )
  try:
    pipeline.run(_experiment(), workdir, ['finetune'], replica=replica)
  except replicas.ReplicaError as error:
    sys.exit(f'error: {error}')


def _log_each_batch():
  import jax

  from wcse_jax.finetuning import loop

  jax.config.update('jax_disable_most_optimizations', True)  # to save time
  loop._LOG_EVERY = 1


def _with_others(dies_in, *args):
  from wcse_jax import pipeline
  from wcse_jax.runtime import progress

  _log_each_batch()
  advance = progress.advance

  def dying(bar, done):
    advance(bar, done)
    if dies_in and bar.desc == f'{STUDENT}-high' and done == 6:
      while not (dies_in / bar.desc / 'checkpoints' / '4').exists():
        time.sleep(0.01)  # it is still being written
      os.kill(os.getppid(), signal.SIGKILL)
      os.kill(os.getpid(), signal.SIGKILL)

  progress.advance = dying
  pipeline._finetune_together(*args)


def _curated(workdir):
  """Commits what curating would have left: random tokens."""
  from finetuning_step_test import table

  from wcse_jax import store
  from wcse_jax.stages.layout import Run

  tokens = 24
  packed = pa.table(
    {
      name: pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), tokens)
      for name, column in table(tokens=tokens).items()
    }
  )
  experiment = Run(_experiment(), store.Store(workdir))
  for mix in experiment.plan.mixes:
    stage = experiment.curate_stage(mix)
    stage.write_part(packed, packed.schema)
    stage.finish()


def _finetunes(*words, machine=()):
  code = (
    "import sys; sys.path.insert(0, 'tests');"
    'import two_machines_test as t; t.finetunes(*sys.argv[1:])'
  )
  return subprocess.Popen(
    [*machine, sys.executable, '-c', code, *map(str, words)],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )


def _two_finetune(workdir, victim=''):
  """Starts two, each on a machine of its own where that can be."""
  apart = _can('ip', 'link', 'add', 'type', 'veth')
  addresses = ['10.77.0.1', '10.77.0.2'] if apart else ['127.0.0.1'] * 2
  with socket.create_server(('127.0.0.1', 0)) as free:
    coordinator = f'{addresses[0]}:{free.getsockname()[1]}'
  # A machine's name is its address, so that it is found by its name.
  two = [
    _finetunes(
      *(workdir, index, 2, coordinator, victim if index else ''),
      machine=_machine(address, _CABLE.format(address=address)) * apart,
    )
    for index, address in enumerate(addresses)
  ]
  if apart:
    here = os.readlink('/proc/self/ns/net')
    for process in two:
      while os.readlink(f'/proc/{process.pid}/ns/net') == here:
        time.sleep(0.01)
    one, other = (f'eth0 netns {process.pid}' for process in two)
    cable = f'ip link add {one} type veth peer name {other}'
    subprocess.run(cable.split(), check=True)
  return two


def _left(workdir, name):
  """The losses of a student, and its parameters at the end."""
  from wcse_jax.finetuning import loop
  from wcse_jax.models import checkpoint

  folder = workdir / f'{STUDENT}-{name}'
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  losses = [json.loads(line)['loss'] for line in lines]
  manifest = json.loads((folder / '_MANIFEST.json').read_text())
  params = loop.student(
    checkpoint.load('nano_student'),
    _experiment().finetune,
    folder,
    manifest['checkpoints'][-1],
  )
  return losses, params


@pytest.mark.slow
def test_hosts_finetune_together_and_come_back(tmp_path):
  import jax

  alone, whole, torn = (tmp_path / name for name in ('alone', 'whole', 'torn'))
  for workdir in (alone, whole, torn):
    _curated(workdir)

  first, second = _two_finetune(torn, victim='victim')
  second.communicate(timeout=900)
  assert second.returncode == -signal.SIGKILL
  output, errors = first.communicate(timeout=900)
  assert first.returncode == 1, output + errors
  assert f'error: replica 1 of 2 (pid {second.pid} on ' in errors
  assert '--replica=1 --replicas=2' in errors
  assert 'Traceback' not in errors
  assert (torn / f'{STUDENT}-low' / '_MANIFEST.json').exists()
  checkpoints = torn / f'{STUDENT}-high' / 'checkpoints'
  assert (checkpoints / '4' / 'moments').is_dir()
  assert not (checkpoints / '9').exists()

  for workdir in (torn, whole):
    runs = _two_finetune(workdir)
    ends = [run.communicate(timeout=900) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ends
    kept = re.findall(r'^finetune/\S+: kept', ends[0][0], re.MULTILINE)
    assert len(kept) == (workdir == torn)
  one = _finetunes(alone, 0, 1)
  output, errors = one.communicate(timeout=900)
  assert one.returncode == 0, errors

  for name, batches in (('low', 2), ('high', 9)):
    losses, params = _left(whole, name)
    assert len(losses) == batches
    np.testing.assert_allclose(losses, _left(alone, name)[0], rtol=1e-5)
    again, resumed = _left(torn, name)
    assert again == losses
    jax.tree.map(np.testing.assert_array_equal, resumed, params)
