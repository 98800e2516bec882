"""What pools and arms cost, by the paper's rule and as measured."""

from collections.abc import Callable, Iterable, Mapping
import functools

import msgspec
import numpy as np

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.analysis import estimators
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.plan import Mix
from wcse_jax.experiment.prices import Price
from wcse_jax.results.committed import Sampled
from wcse_jax.results.data import Data
from wcse_jax.results.pools import Drawn
from wcse_jax.results.types import Ledger
from wcse_jax.sampling import schedule

# The cost of the first so many samples per problem of a pool.
PoolCost = Callable[[Pool, int], costs_lib.Cost]


def ledger(pool: Sampled, drawn: Drawn, numbers: Iterable[int] = ()) -> Ledger:
  """Returns what a pool took, planned against spent.

  A pool may hold more than arms take: it is shared with experiments of more
  problems or larger budgets. What is planned, and the duplicates, are of what
  arms take; all else is of the whole pool, since it was begun.

  Args:
    pool: The whole pool.
    drawn: What arms take of it.
    numbers: The samples of a problem that each of them takes, at most: where
      rows end it, fewer are of more problems.
  """
  taken = {
    pair[0].key: pair
    for number in (*numbers, drawn.number)
    for pair in drawn.first(number).all
  }
  planned = [sample for sample, _ in taken.values()]
  texts = {
    (pair[0].problem_id, estimators.solution_key(drawn.solution(*pair)))
    for pair in taken.values()
  }
  seconds = [
    part['worker_seconds'] for part in pool.verified if 'worker_seconds' in part
  ]
  one = lambda name: ', '.join(sorted({str(part[name]) for part in pool.parts}))
  row = Ledger(
    planned_samples=len(planned),
    planned_tokens=sum(s.num_tokens for s in planned),
    duplicates_rate=1 - len(texts) / len(planned),
    most_samples=drawn.number * len(drawn.asked)
    if drawn.enough
    else msgspec.UNSET,
    samples=len(pool.samples),
    tokens=sum(s.num_tokens for s in pool.samples),
    prompt_tokens=sum(s.num_prompt_tokens for s in pool.samples),
    truncated=sum(s.finish_reason == 'length' for s in pool.samples),
    verify_seconds=sum(seconds) if len(seconds) == len(pool.verified) else None,
    tokens_per_s=None,
    seconds=None,
    device='',
    spent=None,
  )
  if any('external' in part for part in pool.parts):
    return msgspec.structs.replace(row, device=one('external'))
  spent: dict[str, float] = {}
  for part in pool.parts:
    for name, value in part['ledger'].items():
      spent[name] = spent.get(name, 0) + value
  return msgspec.structs.replace(
    row,
    tokens_per_s=spent['tokens'] / max(spent['seconds'], 1e-9),
    seconds=spent['seconds'],
    device=one('device'),
    slots=one('slots'),
    slots_busy=schedule.slots_busy(
      spent['waiting_tokens'], spent['refill_idle']
    ),
    spent=spent,
  )


def mean_tokens(ledgers: Iterable[Ledger]) -> float:
  """Returns W of the paper's rule: one mean length for all pools alike.

  Args:
    ledgers: Those of the pools; at least one.
  """
  means = [row.planned_tokens / row.planned_samples for row in ledgers]
  return sum(means) / len(means)


def of_pools(data: Data, ledgers: Mapping[Pool, Ledger]) -> PoolCost:
  """Returns what tells the cost of the first samples of a pool."""
  plan, config = data.committed.plan, data.committed.config

  @functools.cache
  def columns(pool: Pool, most: int) -> list[np.ndarray]:
    fields = *('num_tokens', 'num_prompt_tokens'), 'finish_reason'
    drawn = data.pools[pool].first(most)
    return [drawn.column(field) for field in ('sample_index', *fields)]

  @functools.cache
  def cost(pool: Pool, number: int) -> costs_lib.Cost:
    # Where rows end it, fewer samples of a problem are of more problems.
    most = number if config.budget.rows else plan.pools[pool]
    index, *of_samples = columns(pool, most)
    first = index[index < number] == 0
    tokens, prompt_tokens, reason = (of[index < number] for of in of_samples)
    sampled, row = data.committed.pools[pool], ledgers[pool]
    prefix = sampled.num_prefix_tokens
    graded = len({v.key for v in sampled.verdicts})
    return costs_lib.cost(
      tokens,
      reason == 'length',
      params=plan.params.get(pool.generator),
      active_params=plan.params_active.get(pool.generator),
      mean_tokens=mean_tokens(ledgers.values()),
      prefill_tokens=prefix + int((prompt_tokens[first] - prefix).sum()),
      spent=row.spent,
      usd_per_device_hour=config.report.usd_per_device_hour,
      usd=_usd(
        data.committed.prices.get(pool.generator),
        int(tokens.sum()),
        int(prompt_tokens.sum()),
      ),
      verify_seconds=row.verify_seconds
      and row.verify_seconds * tokens.size / graded,
    )

  return cost


def of_mix(data: Data, of_pool: PoolCost, mix: Mix) -> costs_lib.Cost:
  """What an arm's samples took, and the finetuning of one student on them."""
  cost = costs_lib.add([of_pool(*of) for of in data.samples(mix).items()])
  flops = _training_flops(data, mix)
  return msgspec.structs.replace(cost, training_flops=flops)


def _usd(price: Price | None, tokens: int, prompt_tokens: int) -> float | None:
  """Dollars of an API's samples; of prompts, too, if these have a price."""
  if price is None:
    return None
  paid = price.usd_per_million_input_tokens is not None
  return price.usd(tokens, prompt_tokens if paid else 0)


def _training_flops(data: Data, mix: Mix) -> float | None:
  """6P for each token that a student was shown."""
  of = data.committed
  if mix not in of.students:
    return None
  (student, *_), packed = of.students[mix], of.curated[mix]
  params = of.models['student'].used_params or 0
  return 6.0 * params * student.rows * packed.tokens / packed.rows
