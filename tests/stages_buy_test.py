"""A limit is of all servers, pools, hosts and runs of a workdir together."""

import json
import pathlib

import pytest

from wcse_jax import store
from wcse_jax.experiment.config import Config
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.runtime.replicas import Replicas, Spec
from wcse_jax.sampling.purchases import Cost, LimitError, Purchases
from wcse_jax.stages import forget
from wcse_jax.stages.layout import Run
from wcse_jax.stages.purse import Purse


def purse(workdir: pathlib.Path, index: int, hosts: int, team=None, **limit):
  """A host's, with what it may spend."""
  config = Config(limit=LimitSpec(**limit))
  run = Run(config, store.Store(workdir, (index, hosts)))
  return Purse(run, team, 'sample')


def stage(workdir: pathlib.Path, pool: str):
  return store.Store(workdir).stage(f'sample/{pool}', {})


def begun(workdir: pathlib.Path, pool: str, index: int, team=None, **limit):
  """A host's log of a pool, gone on with."""
  hosts = team.spec.count if team else 1
  return purse(workdir, index, hosts, team, **limit).opened(
    stage(workdir, pool)
  )


@pytest.fixture
def hosts(tmp_path):
  """Returns a function that starts a host; one that was killed says no end."""
  alive = []

  def start(index, count):
    team = Replicas(tmp_path, Spec(index=index, count=count))
    alive.append(team.__enter__())
    return team

  yield start
  for team in alive:
    team.__exit__()


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
def test_hosts_share_it_and_later_runs_know_what_others_spent(
  tmp_path, hosts, limit
):
  teams = [hosts(i, 4) for i in range(4)]
  spent = [
    spend(begun(tmp_path, 'wc', i, team, **limit))
    for i, team in enumerate(teams)
  ]
  assert spent == [5] * 4
  for team in teams:
    team.__exit__()
  assert spend(begun(tmp_path, 'wc', 0, **limit)) == 0
  higher = {name: 2 * value for name, value in limit.items()}
  assert spend(begun(tmp_path, 'wc', 0, **higher)) == 20


def test_a_host_that_comes_again_takes_nothing_of_what_others_have(
  tmp_path, hosts
):
  """It had spent its half, was killed, and got half of what was left."""
  first, second = hosts(0, 2), hosts(1, 2)
  slow = begun(tmp_path, 'wc', 0, first, usd=20.0)
  assert spend(begun(tmp_path, 'wc', 1, second, usd=20.0)) == 10
  again = hosts(1, 2)
  assert spend(begun(tmp_path, 'wc', 1, again, usd=20.0)) == 0
  assert spend(slow) == 10
  first.__exit__()  # what it had left, had it left any, is free
  assert spend(begun(tmp_path, 'wc', 1, hosts(1, 2), usd=22.0)) == 1


def test_a_share_is_of_all_pools_in_turn(tmp_path, hosts):
  own = purse(tmp_path, 0, 2, hosts(0, 2), usd=20.0)
  one, other = (stage(tmp_path, pool) for pool in ('wc', 'se'))
  assert spend(own.opened(one)) == 10
  assert spend(own.opened(other)) == spend(own.opened(one)) == 0


def test_what_was_forgotten_was_paid(tmp_path):
  """A pool was made anew, and the limit was passed."""
  run = Run(Config(limit=LimitSpec(usd=7.0)), store.Store(tmp_path))
  made = stage(tmp_path, 'wc')
  made.claim()
  for _ in range(2):
    spend(begun(tmp_path, 'wc', 0, usd=7.0))
    forget.forget(run, 'sample/wc')
    assert not made.path.exists()
    made.claim()
  assert spend(begun(tmp_path, 'wc', 0, usd=9.0)) == 2
  own = Purse(run, None, 'sample')
  assert len(own.paid(made)) == 2, 'of these alone answers are taken'


def test_other_pools_count_though_no_arm_has_them_any_more(tmp_path):
  assert spend(begun(tmp_path, 'se@1.0', 0, usd=7.0)) == 7
  assert spend(begun(tmp_path, 'wc', 0, usd=10.0)) == 3


def test_hours_are_those_of_the_clock(tmp_path):
  log = tmp_path / 'sample' / 'wc' / '_purchases.jsonl'
  log.parent.mkdir(parents=True)
  lines = [
    {'began': 0.0, 'time': 0.0},
    {'sent': 0, 'keys': [['p', 0]], 'most': [1, 0.0], 'time': 1.0},
    {'failed': 0, 'why': '', 'paid': False, 'time': 7000.0},
  ]
  log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  assert spend(begun(tmp_path, 'wc', 0, hours=1.9)) == 0
  assert spend(begun(tmp_path, 'wc', 0, hours=3.0)) == 50
  assert spend(begun(tmp_path, 'wc', 1, hours=1.9)) == 0, 'nor another host'


def test_hours_of_pools_that_are_bought_in_turn_add_up(tmp_path):
  """Of two, which take turns under a limit, the longer alone was counted."""
  for pool, seconds in (('wc', 3600.0), ('se', 1800.0)):
    log = tmp_path / 'sample' / pool / '_purchases.jsonl'
    log.parent.mkdir(parents=True)
    sent = {'sent': 0, 'keys': [['p', 0]], 'most': [1, 0.0], 'time': 0.0}
    end = {'failed': 0, 'why': '', 'paid': False, 'time': seconds}
    lines = [{'began': 0.0, 'time': 0.0}, sent, end]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  assert spend(begun(tmp_path, 'wc', 0, hours=1.4)) == 0
  assert spend(begun(tmp_path, 'se', 0, hours=1.4)) == 0
  assert spend(begun(tmp_path, 'se', 0, hours=1.6)) == 50


def test_logs_are_read_once(tmp_path, monkeypatch):
  """Each round of buying read all of them anew."""
  for pool in ('wc', 'se', 'se@1.0'):
    spend(begun(tmp_path, pool, 0, tokens=100))
  read, lines = [], Purchases._lines

  def counted(log):
    read.append(log.path)
    return lines(log)

  monkeypatch.setattr(Purchases, '_lines', counted)
  own = purse(tmp_path, 0, 1, tokens=200)
  for _ in range(3):
    for pool in ('wc', 'se', 'new'):
      log = own.opened(stage(tmp_path, pool))
      order = log.reserve([(pool, 0)], Cost(10), 1)
      log.receive(order, {'came': pool}, order.most)
  assert len(read) == len({*read}) == 4
  assert spend(own.opened(stage(tmp_path, 'wc'))) == 1, '190 of 200 are spent'
  assert len(own.paid(stage(tmp_path, 'new'))) == 3
  again = purse(tmp_path, 0, 1).paid(stage(tmp_path, 'new'))
  assert again == own.paid(stage(tmp_path, 'new')), 'as they were written'
