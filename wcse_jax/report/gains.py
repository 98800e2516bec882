"""Tables of gains: of one arm over another, and beside the paper's."""

import functools

import msgspec

from wcse_jax.report import numbers, table, texts, wording
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Ranked, Results


def tables(results: Results) -> list[Table]:
  """A table for each pair of arms."""
  several = any(comparison.by_seed for comparison in results.comparisons)
  return table.grouped(
    [
      (wording.against_at_cost(results, comparison), comparison)
      for comparison in results.comparisons
    ],
    {
      '': wording.measure,
      'absolute gain': lambda of: wording.effect(of.metric, of.absolute),
      'relative gain': lambda of: wording.relative(of.relative),
      'smallest detectable': wording.detectable,
      'reading': lambda of: wording.READING[of.absolute.direction],
    }
    | (
      {
        'of such data': wording.detectable_of_data,
        'each seed': wording.by_seed,
      }
      if several
      else {}
    ),
    text=(4, 5, 6) if several else (4, 5),
  )


def ranking(results: Results) -> list[Table]:
  """A table for each order of arms of the same cost."""
  if results.ranking is msgspec.UNSET:
    return []
  return [
    table.listed(
      ('place', 'arm', 'models'),
      [
        (
          (
            f'{of.best} to {of.worst}' if of.best < of.worst else of.best,
            wording.arm_label(results, of.arm),
            wording.models(results, of.arm, found.budget),
          ),
          of,
        )
        for of in found.rows
      ],
      {
        wording.metric_name(found.metric): lambda of: numbers.share(of.value),
        'cost': lambda of: numbers.share(of.cost),
        'behind the first': functools.partial(_behind, found.metric),
      },
      text=(1, 2),
      caption=texts.of(
        'tables.ranking',
        results,
        what=wording.metric_name(found.metric),
        budget=found.budget,
        matching=wording.MATCHED[found.matching],
        confidence=f'{100 * found.confidence:.4g}',
      ),
    )
    for found in results.ranking
  ]


def _behind(metric: str, of: Ranked) -> object:
  return wording.effect(metric, of.ahead) if of.ahead else numbers.NONE


def beside_the_paper(results: Results) -> list[Table]:
  """A table for each pair of arms of which the paper says something."""
  return table.grouped(
    [
      (wording.against_at_cost(results, claim.comparison), claim)
      for claim in paper.claims(results)
    ],
    {
      '': lambda of: wording.measure(of.comparison),
      'this run': lambda of: wording.both(results, of.comparison),
      'difference': lambda of: wording.effect(
        of.comparison.metric, of.comparison.absolute
      ),
      'verdict': lambda of: paper.verdict(of, of.comparison.absolute.direction),
    }
    | {
      f'paper, {name}': functools.partial(_finding, task)
      for task, name in paper.TASKS.items()
    },
    text=(4, 5, 6),
  )


def _finding(task: str, claim: paper.Claim) -> str:
  """What the paper reports of both sides, and their difference."""
  found, metric = claim.of.get(task), claim.comparison.metric
  if not isinstance(found, paper.Finding):
    return found or numbers.NONE
  values = wording.values(metric, found.a, found.b)
  return f'{values}: {wording.reported(metric, found)}'
