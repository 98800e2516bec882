"""Runs that end with enough right solutions: killed, shared, bought."""

import collections
import itertools
import json
import subprocess
import time

import fake_server
import pyarrow.parquet as pq
import pytest
import small_run

from wcse_jax import commands
from wcse_jax.analysis.enough import Enough

OF_DATA = {'student': '', 'arms': "('se', 'wc_compute_matched')"}
RIGHT = {**OF_DATA, 'budget.high': 6, 'budget.right': 1, 'sampling.slots': 4}
ROWS = {
  **OF_DATA,
  'budget.low': 8,
  'budget.high': 8,
  'budget.right': 2,
  'budget.rows': 7,
}


def right(workdir, pool):
  """Whether each sample is right, by problem and index."""
  verdicts = pq.read_table(workdir / 'verify' / pool).to_pylist()
  return {
    (v['problem_id'], v['sample_index']): v['verdict'] == 'correct'
    for v in verdicts
  }


def texts(workdir, pool):
  rows = pq.read_table(workdir / 'sample' / pool).to_pylist()
  return {(r['problem_id'], r['sample_index']): r['text'] for r in rows}


def completions(workdir, arm):
  """The rows that `export` gives of an arm."""
  file = workdir / f'{arm}.jsonl'
  words = f'--arm={arm}', '--budget=high', f'--output={file}'
  assert not commands.main(['wcse', 'export', str(workdir), *words])
  return [json.loads(line) for line in file.read_text().splitlines()]


def test_n_right_ones_are_those_of_all_samples_but_cost_less(tmp_path):
  """The same rows as keeping one of each problem of a whole pool."""
  few, all_drawn = tmp_path / 'few', tmp_path / 'all'
  done = small_run.run(few, **RIGHT)
  assert done.returncode == 0, done.stderr
  assert 'of a problem 1 right solutions are enough' in done.stdout
  arms = "('se', 'se~1', 'wc_compute_matched~1')"
  plain = {**RIGHT, 'budget.right': 'None', 'arms': arms}
  assert small_run.run(all_drawn, **plain).returncode == 0
  for pool, arm in (('se', 'se'), ('wc', 'wc_compute_matched')):
    less, more = texts(few, pool), texts(all_drawn, pool)
    assert len(less) < len(more) and less.items() <= more.items()
    names = sorted({name for name, _ in more})
    most = len(more) // len(names)
    counted = Enough(right=1).counted(names, most, right(all_drawn, pool))
    assert less.keys() == {(p, i) for p, tried in counted for i in range(tried)}
    assert completions(few, arm) == completions(all_drawn, f'{arm}~1')
  found, true = map(small_run.results, (few, all_drawn))
  cell, plain = found['arms']['se']['high'], true['arms']['se']['high']
  assert cell['coverage']['6'] == plain['coverage']['6']
  assert [*cell['diversity']] == ['6'] and len(cell['coverage']) > 1
  assert cell['samples'] == len(texts(few, 'se')) < plain['samples']
  row = found['ledger']['se']
  assert row['most_samples'] == plain['samples']
  assert row['planned_samples'] == row['samples'] == cell['samples']


@pytest.mark.slow
def test_two_replicas_draw_what_one_does_that_was_killed(tmp_path):
  one, two = tmp_path / 'one', tmp_path / 'two'
  process = subprocess.Popen(
    small_run.command(one, **ROWS),
    cwd=small_run.ROOT,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
  )
  end = time.monotonic() + 200
  while not [*one.glob('sample/wc/part-*')] and process.poll() is None:
    assert time.monotonic() < end
    time.sleep(0.05)
  process.kill()
  process.wait()
  for workdir, flags in ((one, []), (two, ['--replicas=auto'])):
    done = small_run.run(workdir, *flags, **ROWS)
    assert done.returncode == 0, done.stderr
  for pool, arm in (('se', 'se'), ('wc', 'wc_compute_matched')):
    assert texts(two, pool) == texts(one, pool)
    assert len(completions(one, arm)) == 7
    assert completions(one, arm) == completions(two, arm)
  cell = small_run.results(one)['arms']['se']['high']
  assert cell['coverage'].keys() >= {'1', '8'}


def says(body):
  """An answer to 'Say N.': every other one is N."""
  answer = fake_server.completion(body)
  prompt = body['messages'][0]['content']
  turn = next(SAID[prompt])
  number = prompt.rpartition('Say ')[2].partition('.')[0]
  answer['choices'][0]['message']['content'] = f'The answer is {number}{turn}.'
  return answer


SAID = collections.defaultdict(lambda: itertools.cycle(['9', '']))


@pytest.mark.slow
def test_of_a_server_nothing_is_bought_that_does_not_count(tmp_path):
  """Though a limit stopped it between; what it left is told."""
  rows = [{'question': f'Say {i}.', 'answer': str(i)} for i in range(1, 11)]
  path = tmp_path / 'problems.jsonl'
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  workdir = tmp_path / 'run'
  with fake_server.Server(says) as server:
    fields = {
      **RIGHT,
      'task.file': path,
      'task.grader': 'numeric',
      'task.num_train': 10,
      'task.num_validation': 0,
      'task.num_test': 0,
      'wc': fake_server.MODEL,
      'arms': "('wc_number_matched',)",
      'external.wc': server.url,
      'budget.high': 4,
      'sampling.top_k': 'None',
    }
    shown = small_run.run(workdir, '--preview=2', **fields)
    assert shown.returncode == 0 and len(server.asked) == 2, shown.stderr
    assert '; at most 40, about ' in shown.stdout
    assert 'by the 2 graded, would take about ' in shown.stdout
    limited = {**fields, 'limit.tokens': 150}
    stopped = small_run.run(workdir, **limited)
    assert stopped.returncode == 1, stopped.stdout
    asked = len(server.asked)
    said = ' '.join(stopped.stdout.split())
    assert 'at most 40, by the 2 that are graded' in said, said
    assert 'drawn so far' in said, 'what is bought is told by them'
    _, _, told = said.partition(f'{asked} of about ')
    # Each takes two: of all 40 it spoke.
    assert 0 < asked < 20 and abs(int(told.split()[0]) - 20) < 6, said
    plan = json.loads((workdir / 'plan' / 'plan.json').read_text())
    cell = plan['arms']['wc_number_matched']['high']
    assert cell['samples'] == {'wc': 4} and 10 < cell['drawn'] < 40
    # Of ten parts of ten problems each host has every other one whole.
    more = {**fields, 'limit.tokens': 10_000}
    done = small_run.run(workdir, '--replicas=auto', **more)
    assert done.returncode == 0, done.stderr
    of = right(workdir, 'wc')
    assert asked < len(of) == len(server.asked) == 20
    names = sorted({name for name, _ in of})
    assert {*Enough(right=1).counted(names, 4, of)} == {(p, 2) for p in names}
