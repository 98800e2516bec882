"""The stage `sample`: every pool, up to the largest number that an arm takes.

Several hosts may sample a share of the problems each. What is committed is
verified while more is drawn.
"""

import collections
from collections.abc import Callable, Collection, Mapping, Sequence
import contextlib
import dataclasses
import functools
import pathlib
from typing import Any

from wcse_jax import store
from wcse_jax.experiment.arms import Pool
from wcse_jax.records import Problem, Sample
from wcse_jax.runtime import progress
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import external, purchases
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import (
  answers,
  bills,
  buy,
  planned,
  rounds,
  shards,
  sizes,
  verify,
)
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine


def make(run: Run, machine: Machine, team: Replicas, verifying: bool) -> None:
  """Draws what is missing of every pool.

  Args:
    run: The experiment.
    machine: What it samples on.
    team: The hosts that sample, this one among them.
    verifying: Whether committed samples are verified meanwhile.

  Raises:
    EndpointError: A server refuses, or does not answer.
    ExternalError: A file of samples has bad rows, or too few.
    LimitError: A limit of what servers may be paid is reached.
    PurchaseError: A log of purchases cannot be read or written.
    ReplicaError: A host is missing.
    StoreError: A host that says it is done has left samples out, or there are
      verdicts on samples that were lost.
  """
  _begin(run, team)
  if verifying:
    verify.check(run)
  share = team.spec.share(run.train)
  if run.enough and verifying:  # what lacks follows from verdicts
    _catch_up(run, machine, {problem.problem_id for problem in share})
  missing = _missing(run, share)
  imported = {  # all, before anything is committed
    pool: _imported(run, pool, missing[pool])
    for pool in missing
    if not drawn_here(run, pool)
  }
  buy.check(run, missing, verifying)
  unit = 'samples at most' if run.enough else 'samples'
  progress.expect('sample', sum(map(len, missing.values())), unit)
  drawing = functools.partial(_drawing, run, machine, team, verifying, imported)
  here = [pool for pool in missing if drawn_here(run, pool)]
  in_rounds = {  # also where this host lacks nothing: others may wait for it
    pool: len(missing.get(pool, ()))
    for pool in run.pools
    if run.enough and drawn_here(run, pool)
  }
  to_buy = {
    pool: missing[pool]
    for pool in bills.served(run)
    if pool in here and pool not in in_rounds
  }
  for pool in run.pools:
    if pool not in in_rounds and pool not in to_buy:
      if pool in missing:
        drawing(pool)(missing[pool])
      team.announce(_drawn(run, pool))
  stopped: Exception | None = None
  try:
    rounds.make(run, in_rounds, machine, team, drawing)
    taking = functools.partial(_taking, run, machine, team, verifying)
    buy.make(run, to_buy, team, taking)
  except purchases.LimitError as e:
    stopped = e  # other hosts may have something left of it
  finally:
    for pool in here:
      buy.tell(run, pool)
  for pool in (*in_rounds, *to_buy):
    team.announce(_drawn(run, pool))
  for pool in run.pools if team.spec.index == 0 else ():
    team.wait(_drawn(run, pool))
    if not _finish(run, pool):
      stopped = stopped or rounds.lacking(run, pool)
  if stopped:
    raise stopped


def _begin(run: Run, team: Replicas) -> None:
  """Drops what is said of lost samples, before any host goes on."""
  problems = run.problems_stage()
  ready = f'{problems.name} {problems.fingerprint}'
  leader = team.spec.index == 0
  if not leader:
    team.wait(ready, [0])
  for pool in run.pools:
    verify.drop_lost(run, pool, leader)
  if leader:
    team.announce(ready)


def _catch_up(run: Run, machine: Machine, mine: Collection[str]) -> None:
  """Verifies samples of this host's problems that are there."""
  for pool in run.pools:
    there = [s for s in run.samples(pool) if s.problem_id in mine]
    left = shards.left(run.verify_stage(pool), there)
    verify.catch_up(run, machine, pool, left)


def _drawn(run: Run, pool: Pool) -> str:
  """Returns what a host announces that has drawn its share of a pool."""
  stage, n = run.pool_stage(pool), run.pools[pool]
  return f'{stage.name} {stage.fingerprint} {n} x {len(run.train)}'


def drawn_here(run: Run, pool: Pool) -> bool:
  """Returns whether samples are drawn, or bought, and not read from a file."""
  role, config = pool.generator, run.config
  return bool(config.server(role)) or not config.external_file(role)


def _missing(
  run: Run, problems: Sequence[Problem]
) -> dict[Pool, list[Request]]:
  """Returns what pools lack of these problems, at most; says who lacks none."""
  found = {}
  for pool in run.pools:
    stage, keys = run.pool_stage(pool), planned.keys(run, pool)
    asked = run.asked(pool.generator, problems)
    indices, temperature = range(run.pools[pool]), run.temperature(pool)
    wanted = [
      request
      for request in answers.requests(asked, indices, temperature)
      if request.key in keys
    ]
    if left := shards.missing(stage, wanted):
      found[pool] = left
    else:
      print(f'{stage.name}: kept, all {len(wanted):,} samples are there')
  return found


def _taking(
  run: Run, machine: Machine, team: Replicas, verifying: bool, pool: Pool
) -> contextlib.AbstractContextManager[Callable[[Sequence[Sample]], Any]]:
  """Returns what verifies a pool's samples once they are committed."""
  wait = team.spec.index > 0  # for what the first host's stage would do
  return verify.streaming(run, pool, machine, verifying, wait)


def _drawing(
  run: Run,
  machine: Machine,
  team: Replicas,
  verifying: bool,
  imported: Mapping[Pool, Sequence[Sample]],
  pool: Pool,
) -> Callable[[Sequence[Request]], None]:
  """Returns what commits samples of a pool that are asked for."""
  if pool in imported:
    return lambda _: _copy(run, pool, imported[pool])
  if run.config.server(pool.generator):
    taking = functools.partial(_taking, run, machine, team, verifying)
    return lambda some: buy.make(run, {pool: some}, team, taking)
  one = functools.cache(lambda: sampler(run, pool, machine))
  return lambda some: draw(run, pool, some, one(), machine, team, verifying)


def _copy(run: Run, pool: Pool, rows: Sequence[Sample]) -> None:
  """Commits samples of a file."""
  info = {'external': run.config.external_file(pool.generator)}
  each = run.config.sampling.shard_rows
  shards.commit(run.pool_stage(pool), rows, len(rows), each, info.copy)


def _finish(run: Run, pool: Pool) -> bool:
  """Completes a pool that all hosts have done; returns whether they have."""
  stage, wanted = run.pool_stage(pool), planned.keys(run, pool)
  have = shards.keys(stage.read_parts())
  total = len(have if run.enough else wanted)
  if wanted - have:
    return False
  manifest = stage.manifest() if stage.is_complete() else None
  if not manifest or manifest['rows'] != total:
    stage.finish(rows=total)
  return True


def sampler(run: Run, pool: Pool, machine: Machine) -> Any:
  """Returns what samples a pool, with room for each of its prompts."""
  role = pool.generator
  task, asked = run.task_for(role), run.asked(role, run.train)
  prompts = [problem.prompt for problem in asked]
  return machine.sampler(role, task, prompts, task.prefix)


def draw(
  run: Run,
  pool: Pool,
  missing: Sequence[Request],
  sampler: Any,
  machine: Machine,
  team: Replicas,
  verifying: bool,
) -> None:
  """Samples what is missing of this host's problems.

  Args:
    run: The experiment.
    pool: What to sample.
    missing: The samples that are not committed.
    sampler: What `sampler` returned of the pool.
    machine: What it verifies with.
    team: The hosts that sample, this one among them.
    verifying: Whether committed samples are verified meanwhile.
  """
  stage = run.pool_stage(pool)
  lengths = collections.defaultdict(list)
  for sample in run.samples(pool):
    lengths[sample.problem_id].append(sample.num_tokens)
  rows = sampler.stream(
    missing,
    generator=str(pool),
    expected={key: sum(of) / len(of) for key, of in lengths.items()},
  )
  before = dataclasses.replace(sampler.ledger)
  info = _costs(run, sampler, machine, team)
  with _taking(run, machine, team, verifying, pool) as then:
    shards.commit(
      stage, rows, len(missing), run.config.sampling.shard_rows, info, then
    )
  spent = sampler.ledger.plus(before, -1)
  print(
    f'{stage.name}: {len(missing):,} samples, {spent.tokens:,} tokens in'
    f' {spent.seconds:.0f} s'
    f' ({spent.tokens / max(spent.seconds, 1e-9):,.0f} tokens/s)'
  )


def _costs(
  run: Run, sampler: Any, machine: Machine, team: Replicas
) -> Callable[[], dict[str, Any]]:
  """Returns what tells of each part what it cost, and what made it."""
  committed = dataclasses.replace(sampler.ledger)

  def info() -> dict[str, Any]:
    nonlocal committed
    spent = sampler.ledger.plus(committed, -1)
    committed = dataclasses.replace(sampler.ledger)
    return {
      'ledger': dataclasses.asdict(spent),
      'device': machine.device,
      'mesh': dataclasses.asdict(run.config.mesh),
      'slots': run.config.sampling.slots,
      'replica': team.spec.index,
    }

  return info


def _imported(run: Run, pool: Pool, missing: Sequence[Request]) -> list[Sample]:
  """Returns the missing samples of a file that has enough of every problem."""
  config, stage, n = run.config, run.pool_stage(pool), run.pools[pool]
  path = config.external_file(pool.generator)
  problem_ids = [problem.problem_id for problem in run.train]
  samples, bad_rows = external.read(
    pathlib.Path(path),
    config.model(pool.generator)[0],
    str(pool),
    problem_ids,
  )
  listing = stage.path / '_bad_rows.txt'
  if bad_rows:
    store.commit(listing, ''.join(f'{row}\n' for row in bad_rows).encode())
    raise external.ExternalError(
      f'{path}: {len(bad_rows):,} of {len(bad_rows) + len(samples):,} rows are'
      ' no samples:\n'
      + ''.join(f'  {row}\n' for row in bad_rows[:5])
      + f'All are listed in {listing}; the problems are those of'
      f' {run.problems_stage().path} with the split train'
      f' (config.task.num_train = {config.task.num_train}).\nCorrect the'
      ' rows or take them out, and run the same command again.'
    )
  listing.unlink(missing_ok=True)
  budget_for = functools.partial(sizes.budget_for, config, pool)
  external.require(samples, str(pool), problem_ids, n, budget_for)
  wanted = {m.key for m in missing}
  rows = [s for s in samples if s.key in wanted]
  print(
    f'{stage.name}: {len(rows):,} of {len(samples):,} samples of {path}'
    f' ({n} of each problem are planned)'
  )
  return rows
