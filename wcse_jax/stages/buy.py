"""Samples of a pool that a server draws: bought, logged and committed."""

from collections.abc import Iterator, Sequence
import contextlib
import functools
import pathlib

from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.sections import LimitSpec
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import endpoint, purchases
from wcse_jax.sampling.completions import Asked
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, shards, sizes, verify
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine


def make(
  run: Run,
  pool: Pool,
  missing: Sequence[Request],
  machine: Machine,
  team: Replicas,
  verifying: bool,
) -> None:
  """Buys what is missing of this host's problems.

  Args:
    run: The experiment.
    pool: What to buy.
    missing: The samples that are not committed.
    machine: What verifies them.
    team: The hosts that sample; each spends its share of a limit.
    verifying: Whether committed samples are verified meanwhile.

  Raises:
    EndpointError: The server refuses, or does not answer.
    LimitError: A limit is reached; what came is committed.
    PurchaseError: The log of purchases cannot be read or written.
  """
  stage, config, index = run.pool_stage(pool), run.config, team.spec.index
  if index == 0:  # one is enough
    stage.claim()  # a log does not say its settings
  logs = _logs(run.data.workdir)
  path = _path(run, pool, index)
  log = logs.pop(path, None) or purchases.Purchases(path)
  log.begin(*_left(config.limit, log, [*logs.values()], team.spec.count))
  role = pool.generator
  price = sizes.price_if_known(config, role)
  server = endpoint.Endpoint(_asked(run, role), role, log, price)
  url = config.server(role)
  wait = index > 0  # for what the first host's stage would do
  of_pool = [of for path, of in logs.items() if path.parent == stage.path]
  paid = [answer for of in (log, *of_pool) for answer in of.answers]
  try:
    with (
      contextlib.closing(server.stream(missing, str(pool), paid)) as rows,
      verify.streaming(run, pool, machine, verifying, wait) as then,
    ):
      shards.commit(
        stage,
        rows,
        len(missing),
        config.sampling.shard_rows,
        lambda: {'external': url},
        then,
      )
  finally:
    spent = log.spent
    lost = f'; {log.lost:,} samples paid, not received' if log.lost else ''
    usd = f', {spent.usd:.4g} USD' if spent.usd else ''
    print(f'{stage.name}: {spent.tokens:,} tokens{usd} spent at {url}{lost}')


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
      endpoint.check(url, run.config.model(role)[0], role)


def foretold(run: Run) -> Iterator[str]:
  """Tells of each pool that a server draws what is left to buy, at most."""
  for pool, number in run.pools.items():
    role = pool.generator
    if not run.config.server(role):
      continue
    wanted = answers.requests(run.asked(role, run.train), range(number), 0.0)
    left = shards.missing(run.pool_stage(pool), wanted)
    price = sizes.price_if_known(run.config, role)
    asked = _asked(run, role)
    costs = [endpoint.most(asked, [request], price) for request in left]
    tokens, usd = map(sum, zip(*costs, strict=True)) if costs else (0, 0.0)
    yield (
      f'{pool}: {len(left):,} samples of {run.config.model(role)[0]} are to be'
      f' bought, at most {tokens:,} tokens'
      + (f' and {usd:.4g} USD (price of {price.date})' if price else '')
    )


def _path(run: Run, pool: Pool, index: int) -> pathlib.Path:
  """The log of a pool's purchases; each host has its own."""
  name = purchases.NAME if index == 0 else f'_purchases-{index}.jsonl'
  return run.pool_stage(pool).path / name


def _asked(run: Run, role: str) -> Asked:
  config, spec = run.config, run.config.sampling
  return Asked(
    url=config.server(role),
    model=config.model(role)[0],
    chat=config.endpoint.chat,
    prefix=run.task_for(role).prefix,
    stop_strings=run.task_for(role).stop_strings,
    max_new_tokens=spec.max_new_tokens,
    top_k=spec.top_k,
    top_p=spec.top_p,
    samples=config.endpoint.samples,
    requests=config.endpoint.requests,
    timeout_s=config.endpoint.timeout_s,
  )


def _logs(workdir: pathlib.Path) -> dict[pathlib.Path, purchases.Purchases]:
  """What all hosts have bought of all pools, also of those no arm has now."""
  paths = sorted(workdir.glob('sample/*/_purchases*.jsonl'))
  return {path: purchases.Purchases(path) for path in paths}


def _left(
  spec: LimitSpec,
  log: purchases.Purchases,
  others: Sequence[purchases.Purchases],
  hosts: int,
) -> tuple[purchases.Limit, list[purchases.Spent]]:
  """A run's limit, and what counts of it beside a host's own log.

  That is what was spent by other hosts and on other pools, and what is left to
  other hosts: the same for each.
  """
  limit = purchases.Limit(
    usd=spec.usd,
    tokens=spec.tokens,
    seconds=spec.hours and 3600 * spec.hours,
  )
  spent = [of.total for of in others]
  beside = functools.reduce(purchases.Spent.plus, spent, purchases.Spent()).cost
  mine = log.total
  total = beside.plus(mine.cost)
  left = purchases.Cost(
    max(0, (spec.tokens or 0) - total.tokens),
    max(0.0, (spec.usd or 0.0) - total.usd),
  )
  beside = beside.plus(left, (hosts - 1) / hosts)
  # The clock is the same for all hosts.
  clock = max((of.seconds for of in spent), default=0.0)
  return limit, [purchases.Spent(beside, max(0.0, clock - mine.seconds))]
