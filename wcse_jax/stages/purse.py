"""What was spent at servers, and what this host may spend of a limit.

A limit is of all servers, stages, hosts and runs of a workdir together. Of what
is left of it a host takes its share when it first buys, and announces that:
those that come later, or again, share what the others have not taken.
"""

from collections.abc import Mapping, Sequence
import functools
import json
import pathlib

from wcse_jax import store
from wcse_jax.experiment.teachers import LimitSpec
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import purchases
from wcse_jax.sampling.purchases import Answer, Cost, Limit, Purchases, Spent
from wcse_jax.stages.layout import Run

FORGOTTEN = 'paid'  # the folder of logs whose stages were forgotten
_FOLDERS = 'sample', 'judge'
Logs = dict[pathlib.Path, Purchases]


class Purse:
  """What a host spends; logs are read once.

  Attributes:
    run: The experiment.
    index: The host's number.

  Args:
    run: The experiment.
    team: The hosts that buy at a time; None is this one alone.
    what: What is bought meanwhile, e.g. 'sample'.
  """

  def __init__(self, run: Run, team: Replicas | None, what: str):
    self.run, self.index = run, run.data.writer[0]
    self._logs = logs(run.data.workdir)
    self._of_others = Cost()
    limit = run.config.limit
    if limit == LimitSpec():
      return
    most = Cost(limit.tokens or 0, limit.usd or 0.0)
    start, hosts, said = f'of a limit may {what} ', 1, {}
    if team:
      hosts, said = team.spec.count, team.others(start)
    taken = {
      index: Cost(*json.loads(text.removeprefix(start)))
      for index, text in said.items()
    }
    own = share(most, self._logs, self.index, hosts, taken)
    self._of_others = Cost(most.tokens - own.tokens, most.usd - own.usd)
    if team:
      team.announce(start + json.dumps(own))

  @classmethod
  @functools.cache
  def of(cls, run: Run, team: Replicas | None, what: str) -> 'Purse':
    """Returns a host's purse: one, as its share of a limit is one."""
    return cls(run, team, what)

  def opened(self, stage: store.Stage) -> Purchases:
    """Returns this host's log of a stage, to be gone on with."""
    path = stage.path / name_of(self.index)
    if path not in self._logs:
      self._logs[path] = Purchases(path)
    log = self._logs[path]
    own = [
      of.total.cost
      for other, of in self._logs.items()
      if other.name == path.name and other != path
    ]
    cost = functools.reduce(Cost.plus, own, self._of_others)
    clock = seconds([*self._logs.values()]) - log.seconds
    spec = self.run.config.limit
    most_s = spec.hours and 3600 * spec.hours
    limit = Limit(usd=spec.usd, tokens=spec.tokens, seconds=most_s)
    log.begin(limit, [Spent(cost, clock)])
    return log

  def paid(self, stage: store.Stage) -> list[Answer]:
    """Returns what came of a stage, to any host."""
    of_stage = [
      log for path, log in self._logs.items() if path.parent == stage.path
    ]
    return [answer for log in of_stage for answer in log.answers]


def share(
  limit: Cost, known: Logs, index: int, hosts: int, taken: Mapping[int, Cost]
) -> Cost:
  """Returns what a host may spend in all, with what it has spent.

  Args:
    limit: What all of them may.
    known: The logs of all hosts.
    index: The host.
    hosts: How many there are.
    taken: What each of the others may in all that has its share.
  """
  spent: dict[str, Cost] = {name_of(index): Cost()}
  for path, log in known.items():
    spent[path.name] = spent.get(path.name, Cost()).plus(log.total.cost)
  own = spent.pop(name_of(index))
  for other, may in taken.items():
    before = spent.get(name_of(other), Cost())
    spent[name_of(other)] = Cost(
      max(before.tokens, may.tokens), max(before.usd, may.usd)
    )
  others = functools.reduce(Cost.plus, spent.values(), own)
  left = Cost(
    max(0, limit.tokens - others.tokens), max(0.0, limit.usd - others.usd)
  )
  waiting = hosts - len(taken)
  return Cost(own.tokens + left.tokens // waiting, own.usd + left.usd / waiting)


def name_of(index: int) -> str:
  """Returns the name of a host's log of its purchases for a stage."""
  return purchases.NAME if index == 0 else f'_purchases-{index}.jsonl'


def logs(workdir: pathlib.Path) -> dict[pathlib.Path, Purchases]:
  """What all hosts have bought for all stages, also those no arm has now."""
  return {path: Purchases(path) for path in _paths(workdir)}


def _paths(workdir: pathlib.Path) -> list[pathlib.Path]:
  return [
    path
    for where in (workdir, *sorted(workdir.glob(f'{FORGOTTEN}/*')))
    for folder in _FOLDERS
    for path in sorted(where.glob(f'{folder}/*/_purchases*.jsonl'))
  ]


def seconds(known: Sequence[Purchases]) -> float:
  """Returns the time spent buying: hosts buy at a time, pools in turn."""
  of_stages: dict[pathlib.Path, float] = {}
  for log in known:
    stage = log.path.parent
    of_stages[stage] = max(log.seconds, of_stages.get(stage, 0.0))
  return sum(of_stages.values())


def put_by(stage: store.Stage, workdir: pathlib.Path) -> None:
  """Keeps the logs of a stage that is about to be cleared: it was paid for."""
  if left := sorted(stage.path.glob('_purchases*.jsonl')):
    number = 1 + len([*workdir.glob(f'{FORGOTTEN}/*')])
    folder = workdir / FORGOTTEN / str(number) / stage.name
    folder.mkdir(parents=True)
    for path in left:
      path.rename(folder / path.name)
