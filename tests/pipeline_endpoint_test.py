"""A run whose teachers are behind servers: killed, limited, and continued."""

import json
import os
import random
import signal
import subprocess
import time

import fake_server
import pyarrow.parquet as pq
import pytest
import small_run

# Both teachers are served, nobody is finetuned; 40 x (1 + 3) samples.
FIELDS = {
  'wc': fake_server.MODEL,
  'se': 'other',
  'student': '',
  'arms': "('se', 'wc_number_matched')",
  'task.num_train': 20,
  'budget.high': 4,
  'endpoint.requests': 4,
  'sampling.shard_rows': 7,
  'sampling.top_k': 'None',
}
KILLS = int(os.environ.get('WCSE_KILLS', '3'))


@pytest.fixture
def server():
  with fake_server.Server() as server:
    yield server


def fields(server, **more):
  urls = {'external.wc': server.url, 'external.se': server.url}
  return {**FIELDS, **urls, **more}


def samples(workdir):
  """Every committed sample of both pools."""
  return [
    (row['generator'], row['problem_id'], row['sample_index'])
    for pool in ('wc', 'se')
    for row in pq.read_table(workdir / 'sample' / pool).to_pylist()
  ]


def log(workdir, pool):
  path = workdir / 'sample' / pool / '_purchases.jsonl'
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_teachers_are_bought_and_compared(server, tmp_path):
  done = small_run.run(tmp_path / 'run', **fields(server))
  assert done.returncode == 0, done.stderr
  assert len({*samples(tmp_path / 'run')}) == 2 * 20 * 4 == len(server.asked)
  assert (
    'plan: wc: 80 samples of small are to be bought, at most' in done.stdout
  )
  assert f'sample/wc: 800 tokens spent at {server.url}' in done.stdout
  assert {body['model'] for body in server.asked} == {'small', 'other'}
  path = tmp_path / 'run' / 'report' / 'results.json'
  results = json.loads(path.read_text())
  assert results['ledger']['wc']['device'] == server.url
  assert results['models']['wc'] == {'name': 'small'}
  more = small_run.run(tmp_path / 'run', **fields(server, **{'budget.high': 5}))
  assert more.returncode == 0 and len(server.asked) == 200, 'one more of each'
  # Which server it is does not count; what is asked of it does.
  with fake_server.Server() as other:
    moved = small_run.run(tmp_path / 'run', **fields(other))
    assert moved.returncode == 0 and not other.asked
    hot = fields(other, **{'sampling.temperature': 0.9})
    refused = small_run.run(tmp_path / 'run', **hot)
    assert refused.returncode == 1 and not other.asked
    assert 'temperature: 0.7 -> 0.9' in refused.stderr


def test_kill_9_at_random_moments_buys_nothing_twice(server, tmp_path):
  workdir, rng = tmp_path / 'run', random.Random(0)
  server.delay_s = 0.05
  for _ in range(KILLS):
    before = len(server.asked)
    process = subprocess.Popen(
      small_run.command(workdir, **fields(server)),
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
      cwd=small_run.ROOT,
      env=os.environ | {'PYTHONPATH': str(small_run.ROOT)},
    )
    deadline = time.monotonic() + 120
    while len(server.asked) == before and time.monotonic() < deadline:
      assert process.poll() is None, process.communicate()[1]
      time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.2)  # what is in flight arrives at the server
  server.delay_s = 0.0
  done = small_run.run(workdir, **fields(server))
  assert done.returncode == 0, done.stderr
  made = samples(workdir)
  assert len(made) == len({*made}) == 160
  lines = [line for pool in ('wc', 'se') for line in log(workdir, pool)]
  got = sum('got' in line for line in lines)
  lost = sum(line.get('paid', False) for line in lines)
  assert got == 160, 'no answer that was noted is asked for again'
  assert got + lost >= len(server.asked), 'nothing is paid that is not told'
  assert len(server.asked) - got <= 4 * KILLS, 'but what was in flight'


def test_a_limit_stops_and_a_higher_one_goes_on(server, tmp_path):
  capped = fields(
    server, **{'limit.tokens': 1000, 'sampling.max_new_tokens': 40}
  )
  done = small_run.run(tmp_path / 'run', **capped)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  error = done.stderr.strip().splitlines()[-3:]
  assert any('config.limit.tokens = 1000 is reached' in line for line in error)
  assert 'Raise it, and run the same command again' in done.stderr
  paid = 10 * len(server.asked)
  assert paid <= 1000 < paid + 40
  assert len(samples(tmp_path / 'run')) == len(server.asked), 'all is committed'
  done = small_run.run(tmp_path / 'run', **{**capped, 'limit.tokens': 2000})
  assert done.returncode == 0, done.stderr
  assert len(server.asked) == 160 and len({*samples(tmp_path / 'run')}) == 160


def test_bad_input_is_told_before_anything_is_asked(server, tmp_path):
  for changes, why in (
    ({'wc': 'large'}, f"config.wc = 'large': {server.url} has no such model"),
    ({'external.wc': 'http://127.0.0.1:9/v1'}, 'start the server'),
    ({'limit.usd': 3}, "no price of 'small' is known"),
  ):
    done = small_run.run(tmp_path / 'run', **fields(server, **changes))
    assert done.returncode in (1, 2) and why in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr
  server.key = 'secret'
  done = small_run.run(tmp_path / 'run', **fields(server))
  assert 'wants a key: set WCSE_SE_API_KEY' in done.stderr
  assert not server.asked
