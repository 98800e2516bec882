"""What servers were paid, what they will be, and the limits that suffice."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import math
import pathlib
from typing import NamedTuple

from wcse_jax.errors import Error
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Base
from wcse_jax.experiment.prices import usd
from wcse_jax.runtime import progress
from wcse_jax.sampling import reserves
from wcse_jax.sampling.purchases import Cost
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import answers, planned, sizes, sources
from wcse_jax.stages.layout import Run
from wcse_jax.stages.purse import Logs, logs, seconds

_BYTES = 4 * 'x'  # of a token, about


class Bill(NamedTuple):
  """What is left to buy of a pool.

  Attributes:
    samples: How many samples are, at most.
    most: What they cost at most.
    one: The most that a request of them may.
    expected: How many samples are likely to be bought.
    likely: What these cost if they are as those that the generator has drawn;
      None if it has drawn none, or nobody knows how many are to be bought.
    drawn: How many it has drawn.
  """

  samples: int
  most: Cost
  one: Cost
  expected: float
  likely: Cost | None
  drawn: int


def of(run: Run, pool: Pool, known: Logs) -> Bill:
  """Returns what is left to buy of a pool that a server draws.

  Args:
    run: The experiment.
    pool: The pool.
    known: What `logs` returns of its workdir.
  """
  role = pool.generator
  price = sizes.price_if_known(run.config, role)
  asked = sources.asked(run.config, run.task_for(role), role)
  asking = run.asked(role, run.train)
  requests = answers.requests(asking, range(run.pools[pool]), 0.0)
  needs = planned.of(run, pool)
  left = [request for request in requests if request.key in needs.left]
  came = [
    answer
    for path, log in known.items()
    if path.parent == run.pool_stage(pool).path
    for answer in log.answers
  ]
  hidden = reserves.hidden(came, price)
  costs = [reserves.most(asked, [of], price, hidden) for of in left]
  tokens = prompts = drawn = 0
  for other in run.pools:
    parts = run.pool_stage(other).read_parts()
    if other.generator == role and parts:
      tokens += sum(parts['num_tokens'].to_pylist())
      prompts += sum(parts['num_prompt_tokens'].to_pylist())
      drawn += parts.num_rows
  share = needs.likely_left / max(drawn, 1)
  likely = reserves.cost(round(share * tokens), round(share * prompts), price)
  # Nobody knows how many it takes until enough are right, if none is graded.
  is_known = drawn and not (run.enough and needs.expected is None)
  return Bill(
    samples=len(left),
    most=functools.reduce(Cost.plus, costs, Cost()),
    one=Cost().plus(_highest(costs), asked.samples),
    expected=needs.likely_left,
    likely=likely if is_known else None,
    drawn=drawn,
  )


def of_judge(run: Run, by_path: Logs) -> Bill:
  """Returns what is left to ask a judge at a server.

  A sample that is not verified yet counts as one that it is asked about.

  Args:
    run: The experiment.
    by_path: What `logs` returns of its workdir.
  """
  from wcse_jax.sampling import judge

  config = run.config
  asked = sources.asked(config, run.task, 'judge')
  price = sizes.price_if_known(config, 'judge')
  left = _unjudged(run)
  known = [log for path, log in by_path.items() if _judges(path)]
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
    expected=left,
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
  known = logs(run.data.workdir)
  for pool in served(run):
    bill, role = of(run, pool, known), pool.generator
    line = f'{pool}: {bill.samples:,} samples of {run.config.model(role)[0]}'
    line += f' are to be bought, at most {_said(bill.most)}{_dated(run, role)}'
    if bill.samples and bill.likely:
      few = f'{bill.expected:,.0f} samples, ' if run.enough else ''
      line += f'; about {few}{_said(bill.likely)} by the {bill.drawn:,} drawn'
      line += ' so far'
    yield line
  if run.config.server('judge') and run.pools:
    yield _of_judge(run, known)


def _of_judge(run: Run, known: Logs) -> str:
  """What a judge at a server is asked yet, and what that costs."""
  name = run.config.judge
  try:
    bill = of_judge(run, known)
  except Error:  # files of a model of which students come are not there
    return f'judge: {name} is asked about solutions'
  line = f'judge: {name} is asked about {bill.samples:,} solutions at most, for'
  line += f' at most {_said(bill.most)}{_dated(run, "judge")}'
  if bill.samples and bill.likely:
    line += f'; about {_said(bill.likely)} by the {bill.drawn:,} judged so far'
  return line


def _dated(run: Run, role: str) -> str:
  price = sizes.price_if_known(run.config, role)
  return f' (price of {price.date})' if price else ''


def served(run: Run) -> list[Pool]:
  """Returns the pools that servers draw."""
  return [pool for pool in run.pools if run.config.server(pool.generator)]


def enough(run: Run) -> dict[str, float]:
  """Returns the limits that are too low, with what about would do.

  As samples to come may be longer than those that came, it may not quite.
  """
  by_path = logs(run.data.workdir)
  bills = [of(run, pool, by_path) for pool in served(run)]
  if run.config.server('judge'):
    bills.append(of_judge(run, by_path))
  known = [*by_path.values()]
  total = functools.reduce(Cost.plus, (log.total.cost for log in known), Cost())
  for bill in bills:
    total = total.plus(bill.likely or bill.most)
  one = _highest([bill.one for bill in bills])
  left = sum(bill.expected for bill in bills)
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


def _said(cost: Cost) -> str:
  dollars = f' and {usd(cost.usd)}' if cost.usd else ''
  return f'{cost.tokens:,} tokens{dollars}'


def _rounded_up(number: float) -> float:
  """Returns the next number of two digits.

  >>> _rounded_up(1234), _rounded_up(0.0301)
  (1300.0, 0.031)
  """
  unit = 10.0 ** (math.floor(math.log10(number)) - 1)
  return float(f'{math.ceil(number / unit) * unit:.2g}')
