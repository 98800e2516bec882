"""Tables of gains: of one arm over another, and beside the paper's."""

import collections

from wcse_jax.report import numbers, wording
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Results


def tables(results: Results) -> list[Table]:
  """A table for each pair of arms."""
  groups = collections.defaultdict(list)
  for comparison in results.comparisons:
    groups[wording.against_at_cost(results, comparison)].append(
      (
        wording.measure(comparison),
        wording.effect(comparison.metric, comparison.absolute),
        wording.relative(comparison.relative),
        wording.detectable(comparison),
        wording.READING[comparison.absolute.direction],
        wording.by_seed(comparison),
      )
    )
  head = (
    *('', 'absolute gain', 'relative gain', 'smallest detectable', 'reading'),
    'each seed',
  )
  seeds = any(comparison.by_seed for comparison in results.comparisons)
  width = len(head) if seeds else len(head) - 1
  return [
    Table(
      head[:width],
      [row[:width] for row in rows],
      text=(4, 5),
      caption=caption,
    )
    for caption, rows in groups.items()
  ]


def beside_the_paper(results: Results) -> list[Table]:
  """A table for each pair of arms of which the paper says something."""
  groups = collections.defaultdict(list)
  for claim in paper.claims(results):
    found = results.comparison(claim.metric, claim.a, claim.b)
    if found:
      groups[wording.against_at_cost(results, found)].append(
        (
          wording.measure(found),
          wording.relative(found.relative)
          if claim.relative
          else wording.effect(found.metric, found.absolute),
          paper.verdict(claim, found.absolute.direction),
          claim.math or numbers.NONE,
          claim.gsm8k or numbers.NONE,
        )
      )
  return [
    Table(
      ('', 'this run', 'verdict', 'paper, MATH', 'paper, GSM8K'),
      rows,
      text=(2,),
      caption=caption,
    )
    for caption, rows in groups.items()
  ]
