"""A limit is of all servers, pools, hosts and runs of a workdir together."""

import json
import pathlib

import pytest

from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.sampling.purchases import Cost, LimitError, Purchases
from wcse_jax.stages import bills, buy


def begun(workdir: pathlib.Path, pool: str, index: int, hosts: int, **limit):
  """A host's log of a pool, gone on with."""
  name = '_purchases.jsonl' if index == 0 else f'_purchases-{index}.jsonl'
  path = workdir / 'sample' / pool / name
  logs = bills.logs(workdir)
  log = logs.pop(path, None) or Purchases(path)
  logs[path] = log
  of_others = buy._of_others(LimitSpec(**limit), logs, name, hosts)
  log.begin(
    buy._limit(LimitSpec(**limit)), [buy._beside(logs, path, of_others)]
  )
  return log


def spend(log) -> int:
  """Buys 10 tokens of 1 dollar as often as it may; returns how often."""
  for times in range(50):
    try:
      order = log.reserve([('p', times)], Cost(10, 1.0), 1)
    except LimitError:
      return times
    log.receive(order, {}, order.most)
  return 50


@pytest.mark.parametrize('limit', [{'usd': 20.0}, {'tokens': 200}])
def test_hosts_share_it_and_later_runs_know_what_others_spent(tmp_path, limit):
  spent = [spend(begun(tmp_path, 'wc', i, 4, **limit)) for i in range(4)]
  assert sum(spent) <= 20 and spent[0] == 5
  alone = spend(begun(tmp_path, 'wc', 0, 1, **limit))
  assert sum(spent) + alone == 20, 'what other hosts left'
  assert spend(begun(tmp_path, 'wc', 0, 1, **limit)) == 0
  higher = {name: 2 * value for name, value in limit.items()}
  assert spend(begun(tmp_path, 'wc', 0, 1, **higher)) == 20


def test_a_host_that_is_faster_takes_no_more_than_its_share(tmp_path):
  """One that had bought a pool took half again of what the others had left."""
  first = begun(tmp_path, 'wc', 0, 2, usd=20.0)
  other = begun(tmp_path, 'wc', 1, 2, usd=20.0)
  assert spend(first) == 10
  spec, logs = LimitSpec(usd=20.0), bills.logs(tmp_path)
  path = tmp_path / 'sample' / 'se' / '_purchases.jsonl'
  logs[path] = Purchases(path)
  of_others = Cost(10, 10.0)  # as found before
  logs[path].begin(buy._limit(spec), [buy._beside(logs, path, of_others)])
  assert spend(logs[path]) == 0
  assert spend(other) == 10


def test_other_pools_count_though_no_arm_has_them_any_more(tmp_path):
  assert spend(begun(tmp_path, 'se@1.0', 0, 1, usd=7.0)) == 7
  assert spend(begun(tmp_path, 'wc', 0, 1, usd=10.0)) == 3


def test_hours_are_those_of_the_clock(tmp_path):
  log = tmp_path / 'sample' / 'wc' / '_purchases.jsonl'
  log.parent.mkdir(parents=True)
  lines = [
    {'began': 0.0, 'time': 0.0},
    {'sent': 0, 'keys': [['p', 0]], 'most': [1, 0.0], 'time': 1.0},
    {'failed': 0, 'why': '', 'paid': False, 'time': 7000.0},
  ]
  log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  assert spend(begun(tmp_path, 'wc', 0, 1, hours=1.9)) == 0
  assert spend(begun(tmp_path, 'wc', 0, 1, hours=3.0)) == 50
  assert spend(begun(tmp_path, 'wc', 1, 2, hours=1.9)) == 0, 'nor another host'


def test_hours_of_pools_that_are_bought_in_turn_add_up(tmp_path):
  """Of two, which take turns under a limit, the longer alone was counted."""
  for pool, seconds in (('wc', 3600.0), ('se', 1800.0)):
    log = tmp_path / 'sample' / pool / '_purchases.jsonl'
    log.parent.mkdir(parents=True)
    sent = {'sent': 0, 'keys': [['p', 0]], 'most': [1, 0.0], 'time': 0.0}
    end = {'failed': 0, 'why': '', 'paid': False, 'time': seconds}
    lines = [{'began': 0.0, 'time': 0.0}, sent, end]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  assert spend(begun(tmp_path, 'wc', 0, 1, hours=1.4)) == 0
  assert spend(begun(tmp_path, 'se', 0, 1, hours=1.4)) == 0
  assert spend(begun(tmp_path, 'se', 0, 1, hours=1.6)) == 50
