"""What a server samples, or says as judge: bought, logged and committed."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import functools
import pathlib
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.records import Sample
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import endpoint, purchases
from wcse_jax.sampling.completions import Asked
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, shards, sizes
from wcse_jax.stages.layout import Run


def make(
  run: Run,
  pool: Pool,
  missing: Sequence[Request],
  team: Replicas,
  then: Callable[[Sequence[Sample]], Any],
) -> None:
  """Buys what is missing of this host's problems.

  Args:
    run: The experiment.
    pool: What to buy.
    missing: The samples that are not committed.
    team: The hosts that sample; each spends its share of a limit.
    then: What to do with samples that were committed.

  Raises:
    EndpointError: The server refuses, or does not answer.
    LimitError: A limit is reached; what came is committed.
    PurchaseError: The log of purchases cannot be read or written.
  """
  stage, role = run.pool_stage(pool), pool.generator
  server = _Server(run, stage, role, team.spec.count)
  with contextlib.closing(server.stream(missing, str(pool))) as rows:
    shards.commit(
      stage,
      rows,
      len(missing),
      run.config.sampling.shard_rows,
      lambda: {'external': run.config.server(role)},
      then,
    )


class _Server:
  """A server as what samples for a stage, with the log beside its parts."""

  def __init__(self, run: Run, stage: store.Stage, role: str, hosts: int):
    self._run, self._stage, self._role, self._hosts = run, stage, role, hosts

  def stream(
    self, requests: Sequence[Request], generator: str
  ) -> Generator[Sample]:
    """Yields what is asked for, and then tells what all of it cost."""
    run, stage, role = self._run, self._stage, self._role
    index = run.data.writer[0]
    if index == 0 or role == 'judge':  # of a pool one claim is enough
      stage.claim()  # a log does not say its settings
    logs = _logs(run.data.workdir)
    path = _path(stage, index)
    log = logs.pop(path, None) or purchases.Purchases(path)
    log.begin(*_left(run.config.limit, log, [*logs.values()], self._hosts))
    price = sizes.price_if_known(run.config, role)
    server = endpoint.Endpoint(_asked(run, role), role, log, price)
    of_stage = [of for path, of in logs.items() if path.parent == stage.path]
    paid = [answer for of in (log, *of_stage) for answer in of.answers]
    try:
      yield from server.stream(requests, generator, paid)
    finally:
      spent, url = log.spent, run.config.server(role)
      lost = f'; {log.lost:,} samples paid, not received' if log.lost else ''
      usd = f', {spent.usd:.4g} USD' if spent.usd else ''
      print(f'{stage.name}: {spent.tokens:,} tokens{usd} spent at {url}{lost}')


def judge(run: Run, stage: store.Stage, hosts: int) -> _Server:
  """Returns a server as the judge of what a stage is of.

  Args:
    run: The experiment.
    stage: What is said is committed there, and logged.
    hosts: How many ask at a time; each spends its share of a limit.

  Raises:
    EndpointError: It is not there, refuses the key, or lacks the model.
  """
  _check(run, 'judge')
  return _Server(run, stage, 'judge', hosts)


def check(
  run: Run, missing: Mapping[Pool, Sequence[Request]], judging: bool
) -> None:
  """Makes sure, before any pool is sampled, that servers can be asked.

  Args:
    run: The experiment.
    missing: The samples that pools lack.
    judging: Whether samples are to be judged then.

  Raises:
    EndpointError: A server is not there, refuses the key, or lacks the model.
    LimitError: One request could pass a limit, whatever was spent.
  """
  lacking = {pool.generator: of for pool, of in missing.items() if of}
  for role, requests in lacking.items():
    _check(run, role, requests[0])
  if lacking and judging:
    _check(run, 'judge')


def _check(run: Run, role: str, request: Request | None = None) -> None:
  config = run.config
  if not (url := config.server(role)):
    return
  if request:
    price = sizes.price_if_known(config, role)
    most = endpoint.most(_asked(run, role), [request], price)
    for name in ('tokens', 'usd'):
      limit, least = getattr(config.limit, name), getattr(most, name)
      if limit is not None and limit < least:
        raise purchases.LimitError(
          f'config.limit.{name} = {limit:g} is below what a request of {role}'
          f' may take: {least:,.4g}',
          'give more, or lower config.sampling.max_new_tokens',
        )
  endpoint.check(url, config.model(role)[0], role)


def foretold(run: Run) -> Iterator[str]:
  """Tells of each server what is left to buy, at most."""
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
  if run.config.server('judge') and run.pools:
    most = run.config.endpoint.judge_tokens
    yield (
      f'judge: {run.config.judge} is asked about solutions, for at most'
      f' {most:,} tokens each; their prompts count, too, in dollars'
    )


def _path(stage: store.Stage, index: int) -> pathlib.Path:
  """The log of a stage's purchases; each host has its own."""
  name = purchases.NAME if index == 0 else f'_purchases-{index}.jsonl'
  return stage.path / name


def _asked(run: Run, role: str) -> Asked:
  config, spec = run.config, run.config.sampling
  asked = Asked(
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
  if role != 'judge':
    return asked
  from wcse_jax.sampling import judge as prompts

  return dataclasses.replace(
    asked,
    prefix=prompts.PREFIX,
    stop_strings=() if asked.chat else ('\n',),
    max_new_tokens=config.endpoint.judge_tokens,
    top_k=None,
    top_p=None,
    samples=1,
  )


def _logs(workdir: pathlib.Path) -> dict[pathlib.Path, purchases.Purchases]:
  """What all hosts have bought for all stages, also those no arm has now."""
  paths = [
    path
    for folder in ('sample', 'judge')
    for path in sorted(workdir.glob(f'{folder}/*/_purchases*.jsonl'))
  ]
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
