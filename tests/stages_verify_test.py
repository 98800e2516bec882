"""Verifying streams behind sampling."""

import contextlib
import shutil
import signal
import threading
import time

import pyarrow.parquet as pq
import pytest
import small_run

from wcse_jax import pipeline, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.records import Sample, Verdict
from wcse_jax.sampling import schedule
from wcse_jax.stages import verify
from wcse_jax.stages.machine import Machine


class _SlowSampler:
  """Gives half of the pool's samples, and the rest once the first are verified.

  The samples are those that the run had committed.
  """

  def __init__(self, rows, verified, patience_s=120.0):
    self.ledger = schedule.Ledger(tokens=1, seconds=1.0)
    self._rows = rows
    self._verified = verified
    self._patience_s = patience_s

  def stream(self, requests, generator, expected):
    del expected
    keys = [(generator, r.problem_id, r.sample_index) for r in requests]
    rows = [self._rows[key] for key in keys]
    half = len(rows) // 2
    yield from rows[:half]
    deadline = time.monotonic() + self._patience_s
    while not list(self._verified.glob('part-*')):
      assert time.monotonic() < deadline, 'nothing is verified meanwhile'
      time.sleep(0.02)
    yield from rows[half:]


@pytest.fixture
def sampled_again(copied, monkeypatch):
  """A run of the stages sample and verify of WC alone, with a slow sampler."""
  rows = {
    (row.generator, row.problem_id, row.sample_index): row
    for name in ('se', 'wc')
    for part in (copied / 'sample' / name).glob('part-*.parquet')
    for row in store.from_table(pq.read_table(part), Sample)
  }
  verdicts = lambda: {
    verdict
    for part in (copied / 'verify' / 'wc').glob('part-*.parquet')
    for verdict in store.from_table(pq.read_table(part), Verdict)
  }
  wanted = verdicts()
  for stage in ('sample', 'verify'):
    shutil.rmtree(copied / stage / 'wc')
  sampler = _SlowSampler(rows, copied / 'verify' / 'wc')
  monkeypatch.setattr(Machine, 'sampler', lambda *_: sampler)
  values = config_lib.to_config_dict(config_lib.Config())
  values.update_from_flattened_dict(small_run.SMALL | {'evaluate.ks': (1, 2)})

  def run():
    pipeline.run(config_lib.freeze(values), copied, stages=('sample', 'verify'))
    made = verdicts()
    assert made == wanted and len(made) == 90

  return run


def test_verifying_streams_behind_sampling(sampled_again):
  sampled_again()


def test_what_verifying_behind_fails_at_is_done_by_its_stage(
  sampled_again, monkeypatch, capsys
):
  graded = verify._graded
  calls = []

  def fail_once(run, samples, graders):
    calls.append(len(samples))
    if len(calls) == 1:
      raise RuntimeError('no room for a worker')
    return graded(run, samples, graders)

  monkeypatch.setattr(verify, '_graded', fail_once)
  sampled_again()
  output = capsys.readouterr().out
  assert 'no room for a worker; the stage verify tries again' in output


def test_a_swallowed_ctrl_c_still_stops_the_run(sampled_again, monkeypatch):
  """As Python swallows it in a destructor."""
  to_table = store.to_table
  swallowed = []

  def interrupted(*args):
    # Once, and here: in another thread, the main one would be interrupted
    # wherever it is.
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and not swallowed:
      with contextlib.suppress(KeyboardInterrupt):
        swallowed.append(args)
        signal.raise_signal(signal.SIGINT)
    return to_table(*args)

  monkeypatch.setattr(store, 'to_table', interrupted)
  with pytest.raises(KeyboardInterrupt):
    sampled_again()
