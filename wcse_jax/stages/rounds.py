"""Samples in rounds, until enough of them are right.

What the next round draws follows from the verdicts on those before: so a round
is drawn, and verified, by all hosts before the next one begins.
"""

from collections.abc import Callable, Mapping, Sequence
import math

from wcse_jax import store
from wcse_jax.analysis.enough import Key
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.records import Problem, Sample, Verdict
from wcse_jax.runtime import progress
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
  pools: Mapping[Pool, int],
  machine: Machine,
  team: Replicas,
  drawing: Callable[[Pool], _Draw],
) -> None:
  """Draws what pools lack, until enough is right.

  Where there is a limit, a tenth of the problems is bought of all pools before
  the next: what it leaves of them can be compared.

  Args:
    run: The experiment.
    pools: How many samples this host is to draw of each pool, at most.
    machine: What grades.
    team: The hosts that sample, this one among them.
    drawing: Returns what draws samples of a pool, in any number of calls.

  Raises:
    LimitError: A limit of what servers may be paid is reached.
    ReplicaError: A host is missing.
    StoreError: A host that says it is done has left samples out.
  """
  bought = [pool for pool in pools if run.config.server(pool.generator)]
  of = {
    pool: _Rounds(run, pool, machine, team, drawing(pool)) for pool in pools
  }
  done = lambda pool: progress.spare('sample', pools[pool] - of[pool].drawn)
  for pool in pools:
    if pool not in bought:
      of[pool].make(run.train)
      done(pool)
  for end in ends(run):
    for pool in bought:
      of[pool].make(run.train[:end])
  for pool in bought:
    done(pool)


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


class _Rounds:
  """A pool, drawn in rounds; what came is read once."""

  def __init__(
    self, run: Run, pool: Pool, machine: Machine, team: Replicas, draw: _Draw
  ):
    self._run, self._pool, self._machine = run, pool, machine
    self._team, self._draw = team, draw
    self._samples = shards.Growing(run.pool_stage(pool), Sample)
    self._verdicts = shards.Growing(run.verify_stage(pool), Verdict)
    self._unverified: dict[Key, Sample] = {}
    self._right: dict[Key, bool] = {}
    self.drawn = 0
    # Of a server each sample is paid; here idle slots cost what busy ones do.
    served = run.config.server(pool.generator)
    self._width = 1 if served else run.config.sampling.slots

  def make(self, problems: Sequence[Problem]) -> None:
    """Draws its samples of the first problems."""
    run, pool, team = self._run, self._pool, self._team
    names = [problem.problem_id for problem in problems]
    wanted = answers.requests(
      run.asked(pool.generator, problems),
      range(run.pools[pool]),
      run.temperature(pool),
    )
    requests = {request.key: request for request in wanted}
    mine = {problem.problem_id for problem in team.spec.share(run.train)}
    stage = run.pool_stage(pool)
    where = f'{stage.name} {stage.fingerprint} {run.enough} of {len(names)}'
    self._read()
    for most in planned.numbers(run, pool):
      of: dict[Key, bool] = {}
      while batch := run.enough.following(names, most, of, self._width):
        own = [requests[key] for key in batch if key[0] in mine]
        this = f'{where}, {most} at most, after {len(of)}'
        try:
          self._draw_and_verify([r for r in own if r.key not in self._right])
        except purchases.LimitError:
          team.announce(this)  # or the others wait for it
          raise
        team.announce(this)
        if not self._right.keys() >= {*batch}:
          team.wait(this)
          self._read()
        if not self._right.keys() >= {*batch}:
          raise lacking(run, pool)
        of |= {key: self._right[key] for key in batch}

  def _draw_and_verify(self, own: Sequence[Request]) -> None:
    if left := [of for of in own if of.key not in self._unverified]:
      self._draw(left)
      self.drawn += len(left)
      self._read()
    asked = {request.key for request in own}
    samples = [s for key, s in self._unverified.items() if key in asked]
    verify.catch_up(self._run, self._machine, self._pool, samples)
    if samples:
      self._read()

  def _read(self) -> None:
    """Reads what came since, of other hosts, too."""
    for verdict in self._verdicts.new():
      self._right[verdict.key] = verdict.verdict == 'correct'
    self._unverified |= {s.key: s for s in self._samples.new()}
    for key in self._unverified.keys() & self._right.keys():
      del self._unverified[key]
