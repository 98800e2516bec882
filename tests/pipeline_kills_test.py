"""A small run that is killed, and one of two replicas."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest
import small_run

from wcse_jax import pipeline
from wcse_jax.experiment import config as config_lib
from wcse_jax.runtime import replicas

ROOT = small_run.ROOT


def _stop(workdir, begun, kind, wait_s):
  """Starts a run, and stops it soon after a file `begun` exists."""
  process = subprocess.Popen(
    small_run.command(workdir),
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
    cwd=ROOT,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )
  deadline = time.monotonic() + 300
  while not list(workdir.glob(begun)) and time.monotonic() < deadline:
    assert process.poll() is None, f'ended before {begun}'
    time.sleep(0.02)
  time.sleep(wait_s)
  process.send_signal(kind)
  _, errors = process.communicate(timeout=300)
  assert not (workdir / 'report' / 'results.json').exists()
  return process.returncode, errors


def test_kill_9_anywhere_changes_nothing(finished, tmp_path):
  """Stopped in sampling, finetuning and evaluation, a run goes on."""
  workdir, rng = tmp_path / 'run', random.Random(0)
  code, errors = _stop(workdir, 'sample/se/part-*', signal.SIGINT, 0)
  assert code == 130
  assert errors.splitlines()[-1].startswith('stopped; run the same command')
  assert 'Traceback' not in errors
  for begun, kind in (
    ('sample/wc/part-*', signal.SIGKILL),
    ('finetune/*/metrics.jsonl', signal.SIGKILL),
    ('evaluate/*/*/part-*', signal.SIGTERM),
  ):
    code, errors = _stop(workdir, begun, kind, rng.random())
    if kind == signal.SIGTERM:  # as Ctrl-C is
      assert code == 130
      assert errors.splitlines()[-1].startswith('stopped; run the same')
  done = small_run.run(workdir)
  assert done.returncode == 0, done.stderr
  assert small_run.results(workdir) == small_run.results(finished[0])


@pytest.mark.slow
def test_two_replicas_share_samples_and_students(finished, tmp_path):
  """Each in its own process; the results are those of one that keeps all."""
  workdir, best = tmp_path / 'run', {'finetune.keep': 'best'}
  runs = [
    subprocess.Popen(
      small_run.command(workdir, '--replicas=2', f'--replica={i}', **best),
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
      cwd=ROOT,
      env=os.environ | {'PYTHONPATH': str(ROOT)},
    )
    for i in range(2)
  ]
  outputs = [run.communicate(timeout=600)[0] for run in runs]
  assert [run.returncode for run in runs] == [0, 0], outputs
  assert 'replica 1: done' in outputs[1]
  drawn = {0: set(), 1: set()}
  for part in (workdir / 'sample' / 'wc').glob('part-*.parquet'):
    table = pq.read_table(part)
    about = json.loads(table.schema.metadata[b'wcse_jax'])['info']
    drawn[about['replica']] |= set(table['problem_id'].to_pylist())
    assert int(part.stem[-5:]) % 2 == about['replica']
  assert len(drawn[0]) == len(drawn[1]) == 5 and not drawn[0] & drawn[1]
  taught = [text.count(' examples on average') for text in outputs]
  assert taught == [4, 3]
  ours, one = small_run.results(workdir), small_run.results(finished[0])
  assert ours['ledger']['wc'].pop('samples') == 90
  del one['ledger']['wc']['samples']
  assert ours['run']['config']['finetune'].pop('keep') == 'best'
  assert len([*workdir.glob('finetune/*/checkpoints/*')]) == 7
  assert ours == one


def test_finetuning_together_keeps_what_was_announced(tmp_path, monkeypatch):
  """The first host, still sampling, once waited without end for the others."""
  spec = replicas.Spec(index=1, count=2)
  with replicas.Replicas(tmp_path, spec) as second:
    second.announce('sampled')
  kept = []
  monkeypatch.setattr(
    replicas.Replicas, 'together', lambda self, _: kept.extend(self._announced)
  )
  together = dataclasses.replace(spec, coordinator='auto')
  config = config_lib.Config()
  pipeline.run(config, tmp_path, ['finetune'], replica=together)
  assert kept == ['sampled']
  pipeline.run(config, tmp_path, ['sample', 'finetune'], replica=together)
  assert kept == ['sampled'], 'what is sampled anew is announced anew'
