"""Verifying streams behind sampling."""

import contextlib
import dataclasses
import shutil
import signal
import threading
import time

import made_data
import pyarrow.parquet as pq
import pytest
import small_run

from wcse_jax import pipeline, store
from wcse_jax.experiment import config as config_lib
from wcse_jax.records import Sample, Verdict
from wcse_jax.runtime import progress, replicas
from wcse_jax.sampling import schedule
from wcse_jax.stages import answers, sample, verify
from wcse_jax.stages.layout import Run
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
  graded = answers.grade
  calls = []

  def fail_once(*args):
    calls.append(args)
    if len(calls) == 1:
      raise OSError('no room for a worker')
    return graded(*args)

  monkeypatch.setattr(answers, 'grade', fail_once)
  sampled_again()
  output = capsys.readouterr().out
  told = 'verify/wc: OSError: no room for a worker; the stage verify tries'
  assert told in output


def test_a_bug_in_verifying_behind_is_raised(sampled_again, monkeypatch):
  """It was printed without its type, and the run went on."""

  graded = answers.grade
  calls = []

  def fail_at_last(*args):
    calls.append(args)
    if len(calls) > 1:  # the sampler waits for the first
      raise IndexError('list index out of range')
    return graded(*args)

  monkeypatch.setattr(answers, 'grade', fail_at_last)
  with pytest.raises(IndexError):
    sampled_again()


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


@pytest.fixture
def judged(tmp_path):
  """Two problems with a sample of each model; verdicts on them, no manifest."""
  config = config_lib.Config(judge='nano_se', arms=('se', 'wc_number_matched'))
  budget = dataclasses.replace(config.budget, high=1)
  config = dataclasses.replace(config, budget=budget)
  run = Run(config, store.Store(tmp_path))
  problems = store.to_table(made_data.problems(2), store.PROBLEMS)
  run.problems_stage().write_part(problems, store.PROBLEMS)
  run.problems_stage().finish()
  for pool in run.pools:
    pools = made_data.sampled(str(pool), [[True], [True]])
    for i in range(2):  # in parts of their own
      rows = store.to_table([pools.samples[i]], store.SAMPLES)
      run.pool_stage(pool).write_part(rows, store.SAMPLES)
      for stage in (run.verify_stage(pool), run.judge_stage(pool)):
        rows = store.to_table([pools.verdicts[i]], store.VERDICTS)
        stage.write_part(rows, store.VERDICTS)
  return run


def test_a_stage_whose_rows_are_there_is_finished(judged):
  """The judge's never was, if a kill had come before its manifest."""
  verify.make(judged, Machine(judged.config))
  for pool in judged.pools:
    assert judged.verify_stage(pool).is_complete()
    assert judged.judge_stage(pool).is_complete()


def test_one_sampler_judges_all_pools(judged, monkeypatch):
  """Each pool loaded the judge's weights anew."""
  made = []

  class Says:
    def stream(self, requests, generator):
      for of in requests:
        row = made_data.sampled('judge', [[True]]).samples[0]
        yield dataclasses.replace(
          row,
          problem_id=of.problem_id,
          sample_index=of.sample_index,
          text=' Yes.',
        )

  monkeypatch.setattr(
    Machine, 'judge', lambda _: made.append(Says()) or made[0]
  )
  for pool in judged.pools:
    judged.judge_stage(pool).clear()
  with progress.remembering_ctrl_c():  # of the test before none is left
    verify.make(judged, Machine(judged.config))
  assert len(made) == 1
  said = [j.answer for pool in judged.pools for j in judged.judgements(pool)]
  assert said == ['Yes.'] * 4


def test_only_what_was_said_of_lost_samples_is_dropped(judged, capsys):
  """All verdicts were cleared, and no judgement: it joined the new samples."""
  pool, other = judged.pools
  (judged.pool_stage(pool).path / 'part-00000.parquet').unlink()
  judged.verify_stage(pool).finish()
  kept = judged.verify_stage(pool).path / 'part-00001.parquet'
  before = kept.stat().st_ino
  verify.drop_lost(judged, pool, leader=True)
  for of in (judged.verdicts, judged.judgements):
    assert [row.problem_id for row in of(pool)] == ['p/1']
    assert len(of(other)) == 2
  assert kept.stat().st_ino == before
  assert not judged.verify_stage(pool).is_complete()
  assert f'verify/{pool}: 1 rows dropped' in capsys.readouterr().out


def test_a_replica_clears_nothing_that_others_write_to(judged):
  """It cleared the whole folder, in which the others commit verdicts."""
  pool = next(iter(judged.pools))
  (judged.pool_stage(pool).path / 'part-00001.parquet').unlink()
  spec = replicas.Spec(index=1, count=2)

  class Team:
    def __init__(self):
      self.spec = spec

    def wait(self, *_):
      pass

  with pytest.raises(store.StoreError, match='--replica=0'):
    sample.make(judged, Machine(judged.config), Team(), verifying=True)
  assert len(judged.verdicts(pool)) == 2
