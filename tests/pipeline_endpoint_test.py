"""A run whose teachers are behind servers: killed, limited, and continued.

With WCSE_SLOW the server is llama.cpp's, too, behind one that has the faults.
"""

import json
import os
import random
import signal
import subprocess
import time

import fake_server
import httpx
import pyarrow.parquet as pq
import pytest
import small_run

# Both teachers are served, nobody is finetuned; 2 x 20 x 4 samples.
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
KILLS = int(os.environ.get('WCSE_KILLS', '10'))
OF_MADE_UP = {'sampling.max_new_tokens': 40, 'endpoint.timeout_s': 4.0}
# A small pretrained model continues texts, and is not fast.
OF_LLAMA = {
  'endpoint.chat': False,
  'endpoint.timeout_s': 30.0,
  'sampling.max_new_tokens': 16,
  'task.num_train': 6,
}


@pytest.fixture(scope='session')
def llama(tmp_path_factory):
  """The URL of llama.cpp's server, built if need be."""
  with pytest.MonkeyPatch.context() as patched:
    patched.syspath_prepend(small_run.ROOT / 'benchmarks')
    import llama_server
    import opponents
  try:
    with llama_server.running(tmp_path_factory.mktemp('llama') / 'log') as url:
      yield url
  except opponents.PeerError as error:
    pytest.skip(str(error))


@pytest.fixture(
  params=['made up', pytest.param('llama.cpp', marks=pytest.mark.slow)]
)
def server(request):
  if request.param == 'made up':
    with fake_server.Server() as server:
      server.fields = OF_MADE_UP
      yield server
    return
  url = request.getfixturevalue('llama')

  def complete(body):
    path = f'{url}/completions'
    return httpx.post(path, json=body, timeout=600).raise_for_status().json()

  with fake_server.Server(complete) as server:
    server.fields = OF_LLAMA
    yield server


def fields(server, **more):
  urls = {'external.wc': server.url, 'external.se': server.url}
  return {**FIELDS, **server.fields, **urls, **more}


def number(server, budget=4):
  """Samples of both teachers."""
  return 2 * budget * fields(server)['task.num_train']


def rows(workdir):
  """Every committed sample of the pools that there are."""
  return [
    row
    for pool in sorted((workdir / 'sample').iterdir())
    if list(pool.glob('*.parquet'))
    for row in pq.read_table(pool).to_pylist()
  ]


def samples(workdir):
  """Whose they are."""
  named = 'generator', 'problem_id', 'sample_index'
  return [tuple(row[name] for name in named) for row in rows(workdir)]


def ledger(workdir):
  """The answers that were noted, and those that were paid and did not come."""
  lines = [
    json.loads(line)
    for log in (workdir / 'sample').glob('*/_purchases.jsonl')
    for line in log.read_text().splitlines()
  ]
  got = sum('got' in line for line in lines)
  return got, sum(line.get('paid', False) for line in lines)


def test_both_teachers_are_bought_and_compared(server, tmp_path):
  workdir, n = tmp_path / 'run', number(server)
  done = small_run.run(workdir, **fields(server))
  assert done.returncode == 0, done.stderr
  assert len({*samples(workdir)}) == n == len(server.asked)
  assert (
    f'plan: wc: {n // 2} samples of small are to be bought, at most'
    in done.stdout
  )
  spent = sum(row['num_tokens'] for row in rows(workdir))
  assert spent == server.tokens, 'as the server counts them'
  assert f' tokens spent at {server.url}' in done.stdout
  assert {body['model'] for body in server.asked} == {'small', 'other'}
  path = workdir / 'report' / 'results.json'
  results = json.loads(path.read_text())
  assert results['ledger']['wc']['device'] == server.url
  assert results['models']['wc'] == {'name': 'small'}
  more = small_run.run(workdir, **fields(server, **{'budget.high': 5}))
  assert more.returncode == 0, more.stderr
  assert len(server.asked) == number(server, 5), 'one more of each'
  # Which server it is does not count; what is asked of it does.
  with fake_server.Server() as other:
    other.fields = server.fields
    moved = small_run.run(workdir, **fields(other))
    assert moved.returncode == 0 and not other.asked
    hot = fields(other, **{'sampling.temperature': 0.9})
    refused = small_run.run(workdir, **hot)
    assert refused.returncode == 1 and not other.asked
    assert 'temperature: 0.7 -> 0.9' in refused.stderr


@pytest.mark.slow
def test_kill_9_at_random_moments_buys_nothing_twice(server, tmp_path):
  workdir, rng = tmp_path / 'run', random.Random(0)
  server.delay_s, n = 0.05, number(server)
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
  assert len(made) == len({*made}) == n
  got, lost = ledger(workdir)
  assert got == n, 'no answer that was noted is asked for again'
  assert got + lost >= len(server.asked), 'nothing is paid that is not told'
  assert len(server.asked) - got <= 4 * KILLS, 'but what was in flight'


@pytest.mark.slow
def test_a_server_that_is_busy_stalls_and_cuts_gives_all_in_the_end(
  server, tmp_path
):
  kinds = [None, None, 429, (429, '0.2'), 503, 'stall', 'cut']
  server.faults = random.Random(1).choices(kinds, k=60)
  faults = [*server.faults]
  server.stall_s = 1.3 * server.fields['endpoint.timeout_s']
  done = small_run.run(tmp_path / 'run', **fields(server))
  assert done.returncode == 0, done.stderr
  assert not server.faults and len({*samples(tmp_path / 'run')}) == number(
    server
  )
  got, lost = ledger(tmp_path / 'run')
  assert got == number(server) == sum(server.sent.values())
  assert lost == faults.count('stall') + faults.count('cut')
  busy = [fault for fault in faults if fault not in (None, 'stall', 'cut')]
  assert len(server.asked) == got + lost + len(busy)


@pytest.mark.slow
def test_a_limit_stops_and_a_higher_one_goes_on(server, tmp_path):
  workdir = tmp_path / 'run'
  limited = lambda n: fields(server, **{'limit.tokens': n})
  done = small_run.run(workdir, **limited(500))
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  error = done.stderr.strip().splitlines()[-3:]
  assert any('config.limit.tokens = 500 is reached' in line for line in error)
  assert 'Raise it, and run the same command again' in done.stderr
  most = server.fields['sampling.max_new_tokens']
  assert server.tokens <= 500 < server.tokens + most
  assert len(samples(workdir)) == len(server.asked), 'all is committed'
  done = small_run.run(workdir, **limited(100_000))
  assert done.returncode == 0, done.stderr
  n = number(server)
  assert len(server.asked) == n and len({*samples(workdir)}) == n


@pytest.mark.parametrize('server', ['made up'], indirect=True)
def test_bad_input_is_told_before_anything_is_asked(server, tmp_path):
  for changes, why in (
    ({'wc': 'large'}, f"config.wc = 'large': {server.url} has no such model"),
    ({'external.wc': 'http://127.0.0.1:9/v1'}, 'start the server'),
    ({'limit.usd': 3}, "no price of 'small' is known"),
    (
      {'limit.tokens': 39},
      'config.limit.tokens = 39 is below what a request of se may take: 40\n',
    ),
    (  # of a problem's 4 samples
      {'limit.tokens': 159, 'endpoint.samples': 8},
      'config.limit.tokens = 159 is below what a request of se may take: 160\n'
      'give more, or lower config.sampling.max_new_tokens or'
      ' config.endpoint.samples',
    ),
  ):
    done = small_run.run(tmp_path / 'run', **fields(server, **changes))
    assert done.returncode in (1, 2) and why in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr
  server.key = 'secret'
  done = small_run.run(tmp_path / 'run', **fields(server))
  assert 'wants a key: set WCSE_SE_API_KEY' in done.stderr
  assert not server.asked


@pytest.mark.slow
@pytest.mark.parametrize('server', ['made up'], indirect=True)
def test_what_a_limit_leaves_is_reported(server, tmp_path):
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
  only = small_run.run(tmp_path / 'run', '--stages=sample', **capped)
  assert 'To go on, give about --config.limit.tokens=1700.' in only.stdout
  assert 'no report' not in only.stdout, 'none was asked for'
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


@pytest.mark.slow
@pytest.mark.parametrize('server', ['made up'], indirect=True)
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


@pytest.mark.parametrize('server', ['made up'], indirect=True)
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


@pytest.mark.parametrize('server', ['made up'], indirect=True)
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
  assert 'preview: se: 3 samples took 30 tokens, $0.036 and ' in done.stdout
  assert 'all 80 would take about 800 tokens, $0.96 and ' in done.stdout
  assert 'at other and small (prices of 2026-01-01)' in done.stdout
  assert '$0.06' in done.stdout.splitlines()[-1], 'of 5 samples'
  assert '$0.60' in done.stdout.splitlines()[-1]
  again = small_run.run(tmp_path / 'run', '--preview=5', **few)
  assert again.returncode == 0 and len(server.asked) == 5
  assert 'se: 3 samples took 30 tokens, $0.036 when they' in again.stdout
  planned = small_run.run(tmp_path / 'run', '--stages=plan', **few)
  assert planned.returncode == 0 and len(server.asked) == 5
  assert 'about 770 tokens and $0.924 by the 3 drawn so far' in planned.stdout
  done = small_run.run(tmp_path / 'run', **few)
  assert done.returncode == 0 and len(server.asked) == 160


@pytest.mark.parametrize('server', ['made up'], indirect=True)
def test_a_plan_prepares_what_it_plans_and_buys_nothing(
  server, priced, tmp_path
):
  """It wanted the stage prepare, which had to be named."""
  planned = fields(server, **priced)
  done = small_run.run(tmp_path / 'run', '--stages=plan', **planned)
  assert done.returncode == 0, done.stderr
  assert 'at most 3,200 tokens and ' in done.stdout
  assert '(price of 2026-01-01)' in done.stdout
  assert not server.asked and not (tmp_path / 'run' / 'sample').exists()
