"""What results.json says of the data of each arm."""

from collections.abc import Mapping

import msgspec
import numpy as np

from wcse_jax.analysis import costs as costs_lib
from wcse_jax.experiment.plan import Mix
from wcse_jax.results.data import Data
from wcse_jax.results.pools import Drawn
from wcse_jax.results.types import Cell, Estimate
from wcse_jax.results.types.data import ArmCost, LevelCoverage

_KS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 100)  # that curves are shown at


def cells(
  data: Data, costs: Mapping[Mix, costs_lib.Cost]
) -> dict[str, dict[str, Cell]]:
  """Returns each arm's data at each budget.

  Args:
    data: The data.
    costs: What each mix costs.
  """
  found: dict[str, dict[str, Cell]] = {}
  for mix in data.mixes:
    cell = _cell(data, mix, costs[mix])
    found.setdefault(str(mix.arm), {})[mix.budget] = cell
  return found


def _cell(data: Data, mix: Mix, cost: costs_lib.Cost) -> Cell:
  all_drawn, intervals = data.of(mix), data.intervals
  drawn, samples = all_drawn.unbiased, data.samples(mix)
  number = drawn.number
  curated = data.committed.curated.get(mix)
  level_P = np.array([p.level for p in drawn.problems])
  covered_P = drawn.coverage(number)
  rates = {
    source: rate
    for source in drawn.sound
    if (rate := intervals.rate(drawn.false_positives(source)))
  }
  # Which are kept depends on their order: there is no curve of subsets.
  first = [k for k in _KS if k < number and not mix.arm.max_kept]
  ks = [*first, number]
  # What is unique of those that were not drawn, nobody knows.
  unique_ks = [number] if drawn.enough.right else ks
  return Cell(
    generator='+'.join(map(str, samples)) or None,
    label=mix.arm.label,
    samples_per_problem=number,
    samples=len(all_drawn.all),
    drawn_per_problem=len(all_drawn.all) / len(all_drawn.problems)
    if drawn.enough and samples
    else msgspec.UNSET,
    estimated_of=len(drawn.problems)
    if len(drawn.problems) < len(all_drawn.problems)
    else msgspec.UNSET,
    coverage={k: intervals.share(drawn.coverage(k)) for k in ks},
    diversity={
      k: intervals.mean(drawn.diversity(k), min(k, drawn.most_unique))
      for k in unique_ks
    },
    diversity_per_solved={
      k: intervals.quotient(
        drawn.diversity_per_solved(k), min(k, drawn.most_unique)
      )
      for k in unique_ks
    },
    fpr=rates.get(data.source or ''),
    fpr_by=rates,
    accuracy=intervals.share(drawn.coverage(1)),
    unknown=sum(v.verdict == 'unknown' for _, v in all_drawn.all),
    coverage_upper={k: float(drawn.coverage(k, upper=True).mean()) for k in ks},
    cost_flops=cost.rule_flops,
    cost=ArmCost(
      **msgspec.structs.asdict(cost),
      sampling_flops=cost.measured_flops,
      tokens=sum(s.num_tokens for s, _ in all_drawn.all),
      prompt_tokens=sum(s.num_prompt_tokens for s, _ in all_drawn.all),
    ),
    cost_per_true=_cost_per_true(data, all_drawn, cost) if samples else {},
    matched=data.matched(mix, Mix(data.anchor, mix.budget)),
    examples=curated.examples if curated else None,
    dropped=(curated and curated.dropped) or msgspec.UNSET,
    left_out=(curated and curated.left_out) or msgspec.UNSET,
    by_level={
      level: LevelCoverage(
        coverage=intervals.share(covered_P[level_P == level])
      )
      for level in sorted({p.level for p in drawn.problems})
    },
  )


def _cost_per_true(
  data: Data, drawn: Drawn, cost: costs_lib.Cost
) -> dict[str, Estimate]:
  counts = drawn.num_right_P, *drawn.false_positives(data.source)
  return {
    matching: Estimate.of(
      costs_lib.cost_per_true_sample(costs_P, *counts, **data.intervals.options)
    )
    for matching, costs_P in by_problem(drawn, cost).items()
  }


def by_problem(drawn: Drawn, cost: costs_lib.Cost) -> dict[str, np.ndarray]:
  """What each problem's samples cost, as `Cost.by_problem`."""
  tokens_P = [sum(s.num_tokens for s, _ in pairs) for pairs in drawn.by_problem]
  return cost.by_problem(tokens_P, drawn.num_drawn_P)
