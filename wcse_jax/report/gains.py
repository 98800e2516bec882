"""Tables of gains: of one arm over another, and beside the paper's."""

from wcse_jax.report import numbers, table, wording
from wcse_jax.report.table import Table
from wcse_jax.results import paper
from wcse_jax.results.types import Results


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
    | ({'each seed': wording.by_seed} if several else {}),
    text=(4, 5),
  )


def beside_the_paper(results: Results) -> list[Table]:
  """A table for each pair of arms of which the paper says something."""
  return table.grouped(
    [
      (wording.against_at_cost(results, found), (claim, found))
      for claim in paper.claims(results)
      if (found := results.comparison(claim.metric, claim.a, claim.b))
    ],
    {
      '': lambda of: wording.measure(of[1]),
      'this run': lambda of: (
        wording.relative(of[1].relative)
        if of[0].relative
        else wording.effect(of[1].metric, of[1].absolute)
      ),
      'verdict': lambda of: paper.verdict(of[0], of[1].absolute.direction),
      'paper, MATH': lambda of: of[0].math or numbers.NONE,
      'paper, GSM8K': lambda of: of[0].gsm8k or numbers.NONE,
    },
    text=(2,),
  )
