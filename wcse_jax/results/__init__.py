"""What a run found, computed from what its stages committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from wcse_jax.results.committed import Committed
  from wcse_jax.results.types import Results


def make(committed: Committed) -> Results:
  """Returns all that a run found: what results.json holds.

  Args:
    committed: What its stages committed.
  """
  import msgspec

  from wcse_jax.analysis import overlap
  from wcse_jax.results import (
    arms,
    comparisons,
    costs,
    data,
    labels,
    ranking,
    reading,
    rooflines,
    students,
    types,
    winners,
  )

  of = data.read(committed)
  ledgers = {
    pool: costs.ledger(committed.pools[pool], drawn, of.numbers(pool))
    for pool, drawn in of.pools.items()
  }
  of_pool = costs.of_pools(of, ledgers)
  of_mix = {mix: costs.of_mix(of, of_pool, mix) for mix in of.mixes}
  tested = students.answered(committed)
  known = students.spreads(committed, tested)
  run = committed.run
  devices = {row.device: None for row in ledgers.values() if row.spent}
  if devices:  # those that sampled
    run = msgspec.structs.replace(run, device=', '.join(devices))
  texts = {
    split: {problem.problem_id: problem.question for problem in problems}
    for split, problems in committed.problems.items()
  }
  source, exact = of.source, committed.exact_steps
  return types.Results(
    schema_version=types.VERSION,
    run=run,
    prices={
      role: msgspec.convert(price, types.Price, from_attributes=True)
      for role, price in committed.prices.items()
      if role in committed.models
    },
    models=dict(committed.models),
    counted=tuple(committed.counted),
    problems={split: len(of) for split, of in committed.problems.items()},
    overlap={
      test: overlap.report(texts['train'], texts[test])
      for test in committed.tests
    },
    no_gold=dict(committed.no_gold),
    fpr_source=types.Source(name=source, exact=exact and source == 'steps')
    if source
    else None,
    arms=arms.cells(of, of_mix),
    students=students.rows(committed, tested, known, of.intervals),
    comparisons=tuple(comparisons.rows(of, tested, known)),
    ranking=tuple(ranking.rows(of, tested, known)) or msgspec.UNSET,
    winners=tuple(winners.rows(of, tested, of_pool, known)),
    break_even=tuple(winners.break_even(of, of_mix)),
    paper={
      f'rounding {i}': note for i, note in enumerate(committed.plan.notes, 1)
    },
    samples_to_read=tuple(reading.chosen(of)),
    ledger={str(pool): row for pool, row in ledgers.items()},
    rooflines=rooflines.of_pools(committed.tpu_plan, ledgers) or msgspec.UNSET,
    agreement=labels.agreements(of),
  )
