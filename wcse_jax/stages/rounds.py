"""Samples in rounds, until enough of them are right.

What the next round draws follows from the verdicts on those before: so a round
is drawn, and verified, by all hosts before the next one begins.
"""

from collections.abc import Callable, Collection, Sequence
import math

from wcse_jax import store
from wcse_jax.analysis.enough import Key
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.records import Problem
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import purchases
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, buy, planned, shards, verify
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine

# Commits samples of a pool that are asked for.
_Draw = Callable[[Sequence[Request]], None]


def make(
  run: Run,
  pools: Collection[Pool],
  machine: Machine,
  team: Replicas,
  drawing: Callable[[Pool], _Draw],
) -> None:
  """Draws what pools lack, until enough is right.

  Where there is a limit, a tenth of the problems is bought of all pools before
  the next: what it leaves of them can be compared.

  Args:
    run: The experiment.
    pools: The pools.
    machine: What grades.
    team: The hosts that sample, this one among them.
    drawing: Returns what draws samples of a pool, in any number of calls.

  Raises:
    LimitError: A limit of what servers may be paid is reached.
    ReplicaError: A host is missing.
    StoreError: A host that says it is done has left samples out.
  """
  bought = [pool for pool in pools if run.config.server(pool.generator)]
  for pool in pools:
    if pool not in bought:
      _of(run, pool, run.train, machine, team, drawing(pool))
  for end in ends(run):
    for pool in bought:
      _of(run, pool, run.train[:end], machine, team, drawing(pool))


def ends(run: Run) -> list[int]:
  """Returns after how many problems all pools have what they need of them.

  What is done with there is not only what was soon right: that can be reported.
  """
  number = len(run.train)
  parts = 1 if run.config.limit == LimitSpec() else buy.PARTS
  return [*range(0, number, math.ceil(number / parts)), number][1:]


def lacking(run: Run, pool: Pool) -> Exception:
  """Returns why another host has left samples out, if it says it is done."""
  if run.config.limit == LimitSpec() or not run.config.server(pool.generator):
    return store.StoreError(
      f'{run.pool_stage(pool).path} lacks samples, though every replica says it'
      ' is done: run the same command again, with the same --replicas'
    )
  return purchases.LimitError(
    'config.limit is reached by another replica', purchases.RAISE
  )


def _of(
  run: Run,
  pool: Pool,
  problems: Sequence[Problem],
  machine: Machine,
  team: Replicas,
  draw: _Draw,
) -> None:
  """Draws a pool's samples of the first problems."""
  stage, asked = run.pool_stage(pool), run.asked(pool.generator, problems)
  wanted = answers.requests(
    asked, range(run.pools[pool]), run.temperature(pool)
  )
  requests = {request.key: request for request in wanted}
  mine = {problem.problem_id for problem in team.spec.share(run.train)}
  # Of a server each sample is paid; here idle slots cost as much as busy ones.
  served = run.config.server(pool.generator)
  width = 1 if served else run.config.sampling.slots
  names = [problem.problem_id for problem in problems]
  where = f'{stage.name} {stage.fingerprint} {run.enough} of {len(names)}'
  known = planned.right(run, pool)
  for most in planned.numbers(run, pool):
    right: dict[Key, bool] = {}
    while batch := run.enough.following(names, most, right, width):
      own = [requests[key] for key in batch if key[0] in mine]
      this = f'{where}, {most} at most, after {len(right)}'
      try:
        if requested := shards.left(stage, own):
          draw(requested)
        drawn = {request.key for request in own} - known.keys()
        samples = [s for s in run.samples(pool) if s.key in drawn]
        left = shards.left(run.verify_stage(pool), samples)
        verify.catch_up(run, machine, pool, left)
      except purchases.LimitError:
        team.announce(this)  # or the others wait for it
        raise
      team.announce(this)
      if not known.keys() >= {*batch}:
        team.wait(this)
        known = planned.right(run, pool)
      if not known.keys() >= {*batch}:
        raise lacking(run, pool)
      right |= {key: known[key] for key in batch}
