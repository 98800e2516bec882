"""A few samples, from prompt to verdict, and what all of them would cost."""

import contextlib
import itertools
import math
import time

from wcse_jax.experiment import prices
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import ConfigError
from wcse_jax.records import Sample, Verdict
from wcse_jax.runtime import progress
from wcse_jax.runtime.replicas import Replicas
from wcse_jax.sampling import reserves
from wcse_jax.sampling.schedule import Request
from wcse_jax.stages import (
  answers,
  buy,
  outlook,
  planned,
  purse,
  sample,
  shards,
  sizes,
  verify,
)
from wcse_jax.stages.layout import Run
from wcse_jax.stages.machine import Machine


def make(run: Run, machine: Machine, team: Replicas, number: int) -> None:
  """Draws, or buys, a few samples, shows them, and says what all would cost.

  They are of all pools in turn, and the first that the run takes. They are
  committed, with their verdicts: the run does not draw them again.

  Args:
    run: The experiment; its problems are there.
    machine: What it samples on.
    team: This process alone.
    number: How many samples, of all pools together.

  Raises:
    ConfigError: All samples are in files: there is nothing to draw.
    EndpointError: A server refuses, or does not answer.
    GivenError: A file of verdicts lacks some.
    LimitError: A limit of what servers may be paid is reached.
    PurchaseError: A log of purchases cannot be read or written.
  """
  chosen = _chosen(run, number)
  verify.check(run)
  for pool in chosen:
    verify.drop_lost(run, pool, leader=True)
  missing = {
    pool: shards.left(run.pool_stage(pool), wanted)
    for pool, wanted in chosen.items()
  }
  buy.check(run, missing, judging=False)
  costs = []
  said = ''
  for pool, wanted in chosen.items():
    prefix = run.task_for(pool.generator).prefix
    if prefix not in ('', said):
      print(f'before each prompt:\n{prefix.rstrip()}')
      said = prefix
    left, seconds = missing[pool], 0.0
    if left and run.config.server(pool.generator):
      before = _bought(run)
      kept = lambda _: contextlib.nullcontext(lambda _: None)
      try:
        buy.make(run, {pool: left}, team, kept)
      finally:
        buy.tell(run, pool)
      seconds = _bought(run) - before
    elif left:
      before = time.monotonic()
      sampler = sample.sampler(run, pool, machine)
      sample.draw(run, pool, left, sampler, machine, team, False)
      seconds = time.monotonic() - before
    drawn = {of.key: of for of in run.samples(pool)}
    few = [drawn[request.key] for request in wanted]
    verified = shards.left(run.verify_stage(pool), few)
    verify.catch_up(run, machine, pool, verified)
    verdicts = {of.key: of for of in run.verdicts(pool)}
    for one in few:
      print(_shown(run, pool, one, verdicts[one.key]))
    costs.append(_cost(run, pool, few, len(left), seconds))
  print('\n'.join(['', *costs]))
  outlook.tell(run, machine, 1, ['plan'])


def _bought(run: Run) -> float:
  """The seconds of buying so far, by the logs."""
  return purse.seconds([*purse.logs(run.data.workdir).values()])


def _chosen(run: Run, number: int) -> dict[Pool, list[Request]]:
  """The first samples of each pool that is drawn, as many of each as may be."""
  config = run.config
  pools = [pool for pool in run.pools if sample.drawn_here(run, pool)]
  if not pools:
    role = config.generators[0] if config.generators else 'se'
    raise ConfigError(
      f'external.{role}',
      config.external_file(role),
      'a preview draws samples, and all are in files: leave --preview out',
    )
  turns = itertools.cycle(pools)
  counts = dict.fromkeys(pools, 0)
  for pool in itertools.islice(turns, number):
    counts[pool] += 1
  return {
    pool: [
      request
      for index in range(min(count, run.pools[pool]))
      for request in answers.requests(
        run.asked(pool.generator, run.train), [index], run.temperature(pool)
      )
    ][:count]
    for pool, count in counts.items()
    if count
  }


def _shown(run: Run, pool: Pool, drawn: Sample, given: Verdict) -> str:
  """A sample, from prompt to verdict."""
  (problem,) = run.asked(pool.generator, [run.train_by_id[drawn.problem_id]])
  model = run.config.model(pool.generator)[0]
  return (
    f'\n--- {problem.problem_id}, prompt:\n{problem.prompt}'
    f'\n--- {pool} ({model}), {drawn.num_tokens:,} tokens:'
    f'\n{drawn.text.strip()}'
    f'\n--- {given.verdict}: answer {given.answer or "none"}, gold'
    f' {problem.gold}'
  )


def _cost(
  run: Run, pool: Pool, few: list[Sample], new: int, seconds: float
) -> str:
  """What a few samples took, and what all of a pool would.

  Args:
    run: The experiment.
    pool: The pool.
    few: Its samples that are shown.
    new: How many of them were drawn now.
    seconds: What those took.
  """
  config, role = run.config, pool.generator
  served, spec = config.server(role), config.endpoint
  price = sizes.price_if_known(config, role) if served else None
  total = run.pools[pool] * len(run.train)
  needs = planned.of(run, pool)

  def took(times: float) -> str:
    tokens = round(times * sum(of.num_tokens for of in few))
    prompts = round(times * sum(of.num_prompt_tokens for of in few))
    usd = reserves.cost(tokens, prompts, price).usd
    return f'{tokens:,} tokens' + (f', {prices.usd(usd)}' if price else '')

  some = f'{len(few):,} sample{"s" * (len(few) > 1)}'
  line = f'preview: {pool}: {some} took {took(1)}'
  line += f' and {seconds:.1f} s' if new else ' when they were drawn'
  all_of = f'all {total:,} would take about'
  if needs.expected:
    total = needs.samples
    all_of = f'at most {len(needs.keys):,}, about {total:,.0f} by the'
    all_of += f' {needs.told_by:,} graded, would take about'
  line += f'; {all_of} {took(total / len(few))}'
  if new and served:
    turn = seconds / math.ceil(new / spec.requests)
    turns = math.ceil(total / spec.requests / spec.samples)
    line += f' and {progress.minutes(turns * turn)} min'
  return line + (f' (price of {price.date})' if price else '')
