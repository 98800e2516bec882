"""What servers were paid, what they will be, and the limits that suffice."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import math
import pathlib
from typing import NamedTuple

from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Base
from wcse_jax.runtime import progress
from wcse_jax.sampling import reserves
from wcse_jax.sampling.purchases import Cost, Purchases
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, planned, shards, sizes, sources
from wcse_jax.stages.layout import Run

_BYTES = 4 * 'x'  # of a token, about


class Bill(NamedTuple):
  """What is left to buy of a pool.

  Attributes:
    samples: How many samples are.
    most: What they cost at most.
    one: The most that a request of them may.
    likely: What they cost if they are as those that the generator has drawn;
      None if it has drawn none.
    drawn: How many these are.
  """

  samples: int
  most: Cost
  one: Cost
  likely: Cost | None
  drawn: int


def of(run: Run, pool: Pool) -> Bill:
  """Returns what is left to buy of a pool that a server draws."""
  role = pool.generator
  price = sizes.price_if_known(run.config, role)
  asked = sources.asked(run.config, run.task_for(role), role)
  asking = run.asked(role, run.train)
  requests = answers.requests(asking, range(run.pools[pool]), 0.0)
  wanted = planned.keys(run, pool)
  left = [
    request
    for request in shards.left(run.pool_stage(pool), requests)
    if request.key in wanted
  ]
  known = [
    answer
    for path, log in logs(run.data.workdir).items()
    if path.parent == run.pool_stage(pool).path
    for answer in log.answers
  ]
  hidden = reserves.hidden(known, price)
  costs = [reserves.most(asked, [of], price, hidden) for of in left]
  tokens = prompts = drawn = 0
  for other in run.pools:
    parts = run.pool_stage(other).read_parts()
    if other.generator == role and parts:
      tokens += sum(parts['num_tokens'].to_pylist())
      prompts += sum(parts['num_prompt_tokens'].to_pylist())
      drawn += parts.num_rows
  share = len(left) / max(drawn, 1)
  likely = reserves.cost(round(share * tokens), round(share * prompts), price)
  return Bill(
    samples=len(left),
    most=functools.reduce(Cost.plus, costs, Cost()),
    one=Cost().plus(_highest(costs), asked.samples),
    # How many it takes until enough are right, nobody knows.
    likely=likely if drawn and not run.enough else None,
    drawn=drawn,
  )


def of_judge(run: Run) -> Bill:
  """Returns what is left to ask a judge at a server.

  A sample that is not verified yet counts as one that it is asked about.
  """
  from wcse_jax.sampling import judge

  config = run.config
  asked = sources.asked(config, run.task, 'judge')
  price = sizes.price_if_known(config, 'judge')
  left = _unjudged(run)
  known = [log for path, log in logs(run.data.workdir).items() if _judges(path)]
  answers = [answer for log in known for answer in log.answers]
  got = sum(len(answer.keys) for answer in answers)
  spent = functools.reduce(Cost.plus, (log.spent for log in known), Cost())
  longest = Request(
    problem_id='',
    sample_index=0,
    prompt=judge.PROMPT.format(
      question=max((p.question for p in run.train), key=len, default=''),
      solution=_BYTES * config.sampling.max_new_tokens,
    ),
    temperature=0.0,
  )
  hidden = reserves.hidden(answers, price)
  one = reserves.most(asked, [longest], price, hidden)
  return Bill(
    samples=left,
    most=Cost().plus(one, left),
    one=one if left else Cost(),
    likely=Cost().plus(spent, left / got) if got else None,
    drawn=got,
  )


def _unjudged(run: Run) -> int:
  """How many solutions the judge may have to be asked about yet."""
  most = run.config.verify.num_judged
  if any(run.keep(mix) == 'judge' for mix in run.plan.mixes):
    most = None
  left = 0
  for pool in run.pools:
    wanted = planned.keys(run, pool)
    if most is not None:
      wanted -= {v.key for v in run.verdicts(pool) if v.verdict != 'correct'}
    judged = wanted & {v.key for v in run.judgements(pool)}
    left += max(0, len([*wanted][:most]) - len(judged))
  if run.config.student and run.judges_students:
    tests = len(run.problems['test'][: run.config.verify.num_judged])
    for student in (Base(), *run.taught):
      if not run.judge_stage(student).is_complete():
        left += max(0, tests - len(run.judgements(student)))
  return left


def _judges(path: pathlib.Path) -> bool:
  """Whether a log is of what a judge said."""
  return path.parts[-3] == 'judge'


def foretold(run: Run) -> Iterator[str]:
  """Tells of each server what is left to buy."""
  for pool in served(run):
    bill, role = of(run, pool), pool.generator
    price = sizes.price_if_known(run.config, role)
    dated = f' (price of {price.date})' if price else ''
    line = f'{pool}: {bill.samples:,} samples of {run.config.model(role)[0]}'
    line += f' are to be bought, at most {_said(bill.most)}{dated}'
    if bill.samples and bill.likely:
      line += f'; about {_said(bill.likely)} by the {bill.drawn:,} drawn so far'
    yield line
  if run.config.server('judge') and run.pools:
    most = run.config.endpoint.judge_tokens
    yield (
      f'judge: {run.config.judge} is asked about solutions, for at most'
      f' {most:,} tokens each; their prompts count, too, in dollars'
    )


def served(run: Run) -> list[Pool]:
  """Returns the pools that servers draw."""
  return [pool for pool in run.pools if run.config.server(pool.generator)]


def enough(run: Run) -> dict[str, float]:
  """Returns the limits that are too low, with what about would do.

  As samples to come may be longer than those that came, it may not quite.
  """
  bills = [of(run, pool) for pool in served(run)]
  if run.config.server('judge'):
    bills.append(of_judge(run))
  known = [*logs(run.data.workdir).values()]
  total = functools.reduce(Cost.plus, (log.total.cost for log in known), Cost())
  for bill in bills:
    total = total.plus(bill.likely or bill.most)
  one = _highest([bill.one for bill in bills])
  left = sum(bill.samples for bill in bills)
  got = sum(len(answer.keys) for log in known for answer in log.answers)
  timeout = run.config.endpoint.timeout_s
  needed = {
    'usd': total.usd + one.usd,
    'tokens': total.tokens + one.tokens,
    'hours': (seconds(known) * (1 + left / max(got, 1)) + timeout) / 3600,
  }
  limits = dataclasses.asdict(run.config.limit)
  return {
    name: _rounded_up(needed[name])
    for name, limit in limits.items()
    if limit is not None and needed[name] > limit
  }


def logs(workdir: pathlib.Path) -> dict[pathlib.Path, Purchases]:
  """What all hosts have bought for all stages, also those no arm has now."""
  paths = [
    path
    for folder in ('sample', 'judge')
    for path in sorted(workdir.glob(f'{folder}/*/_purchases*.jsonl'))
  ]
  return {path: Purchases(path) for path in paths}


def seconds(known: Sequence[Purchases]) -> float:
  """Returns the time spent buying: hosts buy at a time, pools in turn."""
  of_pools: dict[pathlib.Path, float] = {}
  for log in known:
    pool = log.path.parent
    of_pools[pool] = max(log.seconds, of_pools.get(pool, 0.0))
  return sum(of_pools.values())


def closing(run: Run, spent: Mapping[str, float]) -> str:
  """Returns what a run took, and what ten times as much of it would.

  Args:
    run: The experiment.
    spent: Seconds by stage.
  """
  total, paid = sum(spent.values()), collections.defaultdict(Cost)
  known = (*run.config.names, 'judge')
  for path, log in logs(run.data.workdir).items():
    role = 'judge' if _judges(path) else path.parent.name.split('@')[0]
    if role in known:  # or it has left the config
      paid[role] = paid[role].plus(log.total.cost)
  prices = {role: sizes.price_if_known(run.config, role) for role in paid}
  dated = {role: str(price.date) for role, price in prices.items() if price}
  names = lambda roles: ' and '.join(
    dict.fromkeys(run.config.model(of)[0] for of in roles)
  )
  told = [(lambda times: f'{progress.minutes(times * total)} min', '')]
  if dated:
    dollars = sum(paid[role].usd for role in dated)
    days = ' and '.join(sorted({*dated.values()}))
    where = f' at {names(dated)} (prices of {days})'
    told.append((lambda times: usd(times * dollars), where))
  if others := [role for role in paid if role not in dated]:
    tokens = sum(paid[role].tokens for role in others)
    told.append(
      (lambda times: f'{times * tokens:,} tokens', f' of {names(others)}')
    )
  once = ', '.join(amount(1) + where for amount, where in told)
  tenfold = ', '.join(amount(10) for amount, _ in told)
  return f'this run: {once}; ten times as much: {tenfold}'


def _highest(costs: Sequence[Cost]) -> Cost:
  tokens, dollars = zip(Cost(), *costs, strict=True)
  return Cost(max(tokens), max(dollars))


def usd(dollars: float) -> str:
  """Returns dollars as people write them, small ones with more digits.

  >>> usd(1234.5), usd(0.018), usd(0.00018)
  ('$1,234.50', '$0.0180', '$0.000180')
  """
  digits = 2 if dollars >= 1 else 4 if dollars >= 0.01 else 6
  return f'${dollars:,.{digits}f}'


def _said(cost: Cost) -> str:
  dollars = f' and {cost.usd:.4g} USD' if cost.usd else ''
  return f'{cost.tokens:,} tokens{dollars}'


def _rounded_up(number: float) -> float:
  """Returns the next number of two digits.

  >>> _rounded_up(1234), _rounded_up(0.0301)
  (1300.0, 0.031)
  """
  unit = 10.0 ** (math.floor(math.log10(number)) - 1)
  return float(f'{math.ceil(number / unit) * unit:.2g}')
