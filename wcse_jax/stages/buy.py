"""Samples of a pool that a server draws: bought, logged and committed."""

from collections.abc import Mapping, Sequence
import contextlib
import functools
import itertools
import math
import pathlib

from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.sections import LimitSpec
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import endpoint, purchases
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import bills, shards, sizes, sources, verify
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

_ROUNDS = 10  # in which a limited run buys its problems


def make(
  run: Run,
  missing: Mapping[Pool, Sequence[Request]],
  machine: Machine,
  team: Replicas,
  verifying: bool,
) -> None:
  """Buys what is missing of this host's problems.

  Where there is a limit, a tenth of the problems is bought of all pools before
  the next: what it leaves of them can be compared.

  Args:
    run: The experiment.
    missing: The samples that are not committed, by pool.
    machine: What verifies them.
    team: The hosts that sample; each spends its share of a limit.
    verifying: Whether committed samples are verified meanwhile.

  Raises:
    EndpointError: The server refuses, or does not answer.
    LimitError: A limit is reached; what came is committed.
    PurchaseError: The log of purchases cannot be read or written.
  """
  index, limit = team.spec.index, run.config.limit
  known = bills.logs(run.data.workdir)
  of_others = _of_others(limit, known, _name(index), team.spec.count)
  problems = [p.problem_id for p in team.spec.share(run.train)]
  rounds = _ROUNDS if limit != LimitSpec() else 1
  size = math.ceil(len(problems) / rounds) or 1  # a host may have no share
  try:
    for some in itertools.batched(problems, size):
      names = {*some}
      for pool, wanted in missing.items():
        if left := [of for of in wanted if of.problem_id in names]:
          _buy(run, pool, left, machine, index, of_others, verifying)
  finally:
    for pool in missing:
      log = purchases.Purchases(run.pool_stage(pool).path / _name(index))
      usd = f', {log.spent.usd:.4g} USD' if log.spent.usd else ''
      lost = f'; {log.lost:,} samples paid, not received' if log.lost else ''
      print(
        f'sample/{pool}: {log.spent.tokens:,} tokens{usd} spent at'
        f' {run.config.server(pool.generator)}{lost}'
      )


def _buy(
  run: Run,
  pool: Pool,
  missing: Sequence[Request],
  machine: Machine,
  index: int,
  of_others: purchases.Cost,
  verifying: bool,
) -> None:
  """Buys samples of one pool; see `make`, and `_of_others`."""
  stage, config, role = run.pool_stage(pool), run.config, pool.generator
  if index == 0:  # one is enough
    stage.claim()  # a log does not say its settings
  logs, path = bills.logs(run.data.workdir), stage.path / _name(index)
  log = logs.setdefault(path, purchases.Purchases(path))
  log.begin(_limit(config.limit), [_beside(logs, path, of_others)])
  price = sizes.price_if_known(config, role)
  asked = sources.asked(config, run.task, role)
  server = endpoint.Endpoint(asked, role, log, price)
  wait = index > 0  # for what the first host's stage would do
  paid = [
    answer
    for path, of in logs.items()
    if path.parent == stage.path
    for answer in of.answers
  ]
  with (
    contextlib.closing(server.stream(missing, str(pool), paid)) as rows,
    verify.streaming(run, pool, machine, verifying, wait) as then,
  ):
    shards.commit(
      stage,
      rows,
      len(missing),
      config.sampling.shard_rows,
      lambda: {'external': asked.url},
      then,
    )


def check(run: Run, pools: Sequence[Pool]) -> None:
  """Makes sure, before any pool is sampled, that servers can be asked.

  Args:
    run: The experiment.
    pools: Those that lack samples.

  Raises:
    EndpointError: A server is not there, refuses the key, or lacks the model.
  """
  for pool in pools:
    if url := run.config.server(pool.generator):
      role = pool.generator
      endpoint.check(url, getattr(run.config, role), role)


def _name(index: int) -> str:
  """The log of a host's purchases for a pool."""
  return purchases.NAME if index == 0 else f'_purchases-{index}.jsonl'


def _limit(spec: LimitSpec) -> purchases.Limit:
  seconds = spec.hours and 3600 * spec.hours
  return purchases.Limit(usd=spec.usd, tokens=spec.tokens, seconds=seconds)


def _of_others(
  spec: LimitSpec,
  logs: Mapping[pathlib.Path, purchases.Purchases],
  name: str,
  hosts: int,
) -> purchases.Cost:
  """What of a limit is other hosts': what they have spent, and are to spend.

  It is found once, before any host spends: of what is left then each has the
  same share, whoever is faster.

  Args:
    spec: The limit.
    logs: Those of all hosts and pools.
    name: That of this host's.
    hosts: How many buy.
  """
  add = lambda costs: functools.reduce(
    purchases.Cost.plus, costs, purchases.Cost()
  )
  total = add(log.total.cost for log in logs.values())
  left = purchases.Cost(
    max(0, (spec.tokens or 0) - total.tokens),
    max(0.0, (spec.usd or 0.0) - total.usd),
  )
  others = (of.total.cost for path, of in logs.items() if path.name != name)
  return add(others).plus(left, (hosts - 1) / hosts)


def _beside(
  logs: Mapping[pathlib.Path, purchases.Purchases],
  path: pathlib.Path,
  of_others: purchases.Cost,
) -> purchases.Spent:
  """What counts beside a host's log of a pool: its others, and other hosts'."""
  own = (
    of.total.cost
    for other, of in logs.items()
    if other.name == path.name and other != path
  )
  cost = functools.reduce(purchases.Cost.plus, own, of_others)
  clock = bills.seconds([*logs.values()]) - logs[path].seconds
  return purchases.Spent(cost, clock)
