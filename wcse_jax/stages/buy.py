"""What a server samples, or says as judge: bought, logged and committed."""

from collections.abc import Callable, Generator, Mapping, Sequence
import contextlib
import itertools
import math
from typing import Any

from wcse_jax import store
from wcse_jax.experiment import prices
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.records import Sample
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import endpoint, purchases, reserves
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import shards, sizes, sources
from wcse_jax.stages.layout import Run
from wcse_jax.stages.purse import Purse, name_of

PARTS = 10  # of its problems, which a limited run buys in turn
# Of a pool, what takes its samples once they are committed.
_Taking = Callable[
  [Pool], contextlib.AbstractContextManager[Callable[[Sequence[Sample]], Any]]
]


def make(
  run: Run,
  missing: Mapping[Pool, Sequence[Request]],
  team: Replicas,
  taking: _Taking,
) -> None:
  """Buys what is missing of this host's problems.

  Where there is a limit, a tenth of the problems is bought of all pools before
  the next: what it leaves of them can be compared.

  Args:
    run: The experiment.
    missing: The samples that are not committed, by pool.
    team: The hosts that sample; each spends its share of a limit.
    taking: Returns what is done with a pool's samples once they are committed.

  Raises:
    EndpointError: The server refuses, or does not answer.
    LimitError: A limit is reached; what came is committed.
    PurchaseError: The log of purchases cannot be read or written.
  """
  limit = run.config.limit
  problems = [p.problem_id for p in team.spec.share(run.train)]
  rounds = PARTS if limit != LimitSpec() else 1
  size = math.ceil(len(problems) / rounds) or 1  # a host may have no share
  for some in itertools.batched(problems, size):
    names = {*some}
    for pool, wanted in missing.items():
      if left := [of for of in wanted if of.problem_id in names]:
        with taking(pool) as then:
          _buy(Purse.of(run, team, 'sample'), pool, left, then)


def tell(run: Run, pool: Pool) -> None:
  """Says what was spent on a pool's samples, if a server draws them."""
  if run.config.server(pool.generator):
    _tell(run, run.pool_stage(pool), pool.generator)


def _buy(
  purse: Purse,
  pool: Pool,
  missing: Sequence[Request],
  then: Callable[[Sequence[Sample]], Any],
) -> None:
  run, role = purse.run, pool.generator
  stage = run.pool_stage(pool)
  server = _Server(purse, stage, role)
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

  def __init__(self, purse: Purse, stage: store.Stage, role: str):
    self._purse, self._stage, self._role = purse, stage, role

  def stream(
    self, requests: Sequence[Request], generator: str
  ) -> Generator[Sample]:
    """Yields what is asked for; what is there already is not paid again."""
    purse, stage, role = self._purse, self._stage, self._role
    config = purse.run.config
    if purse.index == 0 or role == 'judge':  # of a pool one claim is enough
      stage.claim()  # a log does not say its settings
    log = purse.opened(stage)
    price = sizes.price_if_known(config, role)
    asked = sources.asked(config, purse.run.task_for(role), role)
    server = endpoint.Endpoint(asked, role, log, price)
    try:
      yield from server.stream(requests, generator, purse.paid(stage))
    finally:
      if role == 'judge':  # pools are told of when all is bought
        _tell(purse.run, stage, role)


def judge(
  run: Run, stage: store.Stage, team: Replicas | None = None
) -> _Server:
  """Returns a server as the judge of what a stage is of.

  Args:
    run: The experiment.
    stage: What is said is committed there, and logged.
    team: The hosts that ask at a time; each spends its share of a limit.

  Raises:
    EndpointError: It is not there, refuses the key, or lacks the model.
  """
  _check(run, 'judge')
  return _Server(Purse.of(run, team, 'judge'), stage, 'judge')


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
    _check(run, role, requests)
  if lacking and judging:
    _check(run, 'judge')


def _check(run: Run, role: str, requests: Sequence[Request] = ()) -> None:
  config = run.config
  if not (url := config.server(role)):
    return
  if requests:
    price = sizes.price_if_known(config, role)
    asked = sources.asked(config, run.task_for(role), role)
    same = [of for of in requests if of.prompt == requests[0].prompt]
    most = reserves.most(asked, same[: asked.samples], price)
    several = ' or config.endpoint.samples' if asked.samples > 1 else ''
    for name in ('tokens', 'usd'):
      limit, least = getattr(config.limit, name), getattr(most, name)
      if limit is not None and limit < least:
        raise purchases.LimitError(
          f'config.limit.{name} = {limit:g} is below what a request of {role}'
          f' may take: {least:,.4g}',
          f'give more, or lower config.sampling.max_new_tokens{several}',
        )
  endpoint.check(url, config.model(role)[0], role)


def _tell(run: Run, stage: store.Stage, role: str) -> None:
  log = purchases.Purchases(stage.path / name_of(run.data.writer[0]))
  usd = f', {prices.usd(log.spent.usd)}' if log.spent.usd else ''
  lost = f'; {log.lost:,} samples paid, not received' if log.lost else ''
  print(
    f'{stage.name}: {log.spent.tokens:,} tokens{usd} spent at'
    f' {run.config.server(role)}{lost}'
  )
