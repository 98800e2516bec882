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
  """It bought one teacher's samples before another's, and reported nothing."""
  capped = fields(
    server,
    **{
      'limit.tokens': 1000,
      'sampling.max_new_tokens': 40,
      'arms': "('se', 'wc_number_matched', 'reference')",
      'student': 'nano_student',
    },
  )
  done = small_run.run(tmp_path / 'run', **capped)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  error = done.stderr.strip().splitlines()[-3:]
  assert any('config.limit.tokens = 1000 is reached' in line for line in error)
  assert 'Raise it, and run the same command again' in done.stderr
  paid = 10 * len(server.asked)
  assert paid <= 1000 < paid + 40
  assert len(samples(tmp_path / 'run')) == len(server.asked), 'all is committed'
  _is_partial(tmp_path / 'run', done.stdout, len(server.asked))
  capped |= {'student': ''}
  done = small_run.run(tmp_path / 'run', **{**capped, 'limit.tokens': 2000})
  assert done.returncode == 0, done.stderr
  assert len(server.asked) == 160 and len({*samples(tmp_path / 'run')}) == 160


def _is_partial(workdir, output, bought):
  """What a limit left is reported as what it is: some whole problems."""
  results = json.loads((workdir / 'report' / 'results.json').read_text())
  made, left = {*samples(workdir)}, results['run']['partial']
  whole = [
    all(
      (pool, f'nano_arithmetic/train/{problem:04}', i) in made
      for pool in ('wc', 'se')
      for i in range(4)
    )
    for problem in range(20)
  ]
  number = whole.index(False)
  assert 8 <= number < 20 and results['problems']['train'] == number
  for name in ('se', 'wc_number_matched'):
    assert results['arms'][name]['high']['samples'] == 4 * number
  assert results['arms']['reference']['high']['samples'] == number
  assert results['students'] == {} and not (workdir / 'finetune').exists()
  assert results['run']['config']['student'] == 'nano_student'
  assert sum(left['samples'].values()) == bought
  assert left['planned'] == {'se': 80, 'wc': 80} and left['problems'] == 20
  # 10 tokens each, and what a request may take at most.
  assert left['enough'] == {'tokens': 1700}
  said = ' '.join(output.split())
  page = (workdir / 'report' / 'index.html').read_text()
  for text in (
    f'PARTIAL: a limit (limit.tokens = 1,000) stopped this run with {bought}',
    f'the first {number} of 20 problems',
    'give about --config.limit.tokens=1700.',
  ):
    assert text in said and text in page
  assert f'min, {10 * bought:,} tokens of other and small; ten times' in said
  verdicts = pq.read_table(workdir / 'verify' / 'se')
  assert verdicts.num_rows == sum(of[0] == 'se' for of in made)


def test_replicas_report_what_a_limit_left_of_all_their_shares(
  server, tmp_path
):
  """The first that reached it ended, and had the others stopped."""
  capped = {'limit.tokens': 1000, 'sampling.max_new_tokens': 40}
  flags = fields(server, **capped)
  done = small_run.run(tmp_path / 'run', '--replicas=auto', **flags)
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert 'is reached' in done.stderr
  assert 500 < 10 * len(server.asked) <= 1000
  assert len(samples(tmp_path / 'run')) == len(server.asked)
  results = tmp_path / 'run' / 'report' / 'results.json'
  run = json.loads(results.read_text())['run']
  assert sum(run['partial']['samples'].values()) == len(server.asked)


def test_a_limit_that_leaves_no_problem_whole_says_what_goes_on(
  server, tmp_path
):
  few = {'limit.tokens': 30, 'sampling.max_new_tokens': 10}
  done = small_run.run(tmp_path / 'run', **fields(server, **few))
  assert done.returncode == 1 and len(server.asked) == 3
  assert 'no problem has all samples of every pool yet' in done.stdout
  assert 'give about --config.limit.tokens=1700' in done.stdout
  assert not (tmp_path / 'run' / 'report').exists()


@pytest.fixture
def priced(tmp_path):
  path = tmp_path / 'prices.json'
  entry = {
    'date': '2026-01-01',
    'usd_per_million_output_tokens': 1000,
    'usd_per_million_input_tokens': 100,
  }
  models = fake_server.MODEL, 'other'
  path.write_text(json.dumps([{'model': of, **entry} for of in models]))
  return {'prices': path}


def test_a_preview_buys_a_few_that_the_run_does_not_buy_again(
  server, priced, tmp_path
):
  few = fields(server, **priced)
  done = small_run.run(tmp_path / 'run', '--preview=5', **few)
  assert done.returncode == 0, done.stderr
  assert len(server.asked) == 5 == len({*samples(tmp_path / 'run')})
  assert done.stdout.count('+1=2. The answer is') == 5
  assert done.stdout.count('\nSolution:\n--- ') == 5, 'prompts'
  assert done.stdout.count('\n--- wrong: answer ') == 5
  # Of each 10 tokens, and 20 of its prompt.
  assert 'preview: se: 3 samples took 30 tokens, $0.0360 and ' in done.stdout
  assert 'all 80 would take about 800 tokens, $0.9600 and ' in done.stdout
  assert 'at other and small (prices of 2026-01-01)' in done.stdout
  assert '$0.0600' in done.stdout.splitlines()[-1], 'of 5 samples'
  assert '$0.6000' in done.stdout.splitlines()[-1]
  again = small_run.run(tmp_path / 'run', '--preview=5', **few)
  assert again.returncode == 0 and len(server.asked) == 5
  assert 'se: 3 samples took 30 tokens, $0.0360 when they' in again.stdout
  planned = small_run.run(tmp_path / 'run', '--stages=plan', **few)
  assert planned.returncode == 0 and len(server.asked) == 5
  assert (
    'about 770 tokens and 0.924 USD by the 3 drawn so far' in planned.stdout
  )
  done = small_run.run(tmp_path / 'run', **few)
  assert done.returncode == 0 and len(server.asked) == 160


def test_a_plan_prepares_what_it_plans_and_buys_nothing(
  server, priced, tmp_path
):
  """It wanted the stage prepare, which had to be named."""
  planned = fields(server, **priced)
  done = small_run.run(tmp_path / 'run', '--stages=plan', **planned)
  assert done.returncode == 0, done.stderr
  assert 'at most 6,400 tokens and ' in done.stdout
  assert '(price of 2026-01-01)' in done.stdout
  assert not server.asked and not (tmp_path / 'run' / 'sample').exists()


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
