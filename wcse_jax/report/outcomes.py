"""What came out, in sentences, whatever it is."""

from wcse_jax.report import numbers, wording
from wcse_jax.report.numbers import NONE
from wcse_jax.results.types import Cell, Comparison, Results

# WC's arms: the one that a run is about comes first.
_MATCHED_FIRST = ('wc_compute_matched', 'wc_price_matched', 'wc_number_matched')


def student_comparisons(results: Results) -> list[tuple[str, Comparison]]:
  """(budget, comparison) of the WC- with the SE-trained student, if any."""
  for arm in _MATCHED_FIRST:
    found = [
      (budget, comparison)
      for budget in results.budgets
      if (comparison := _with_se(results, 'pass_at_1', arm, budget))
    ]
    if found:
      return found
  return []


def _with_se(
  results: Results, metric: str, arm: str, budget: str
) -> Comparison | None:
  return results.comparison(metric, f'{arm}-{budget}', f'se-{budget}')


def headline(results: Results) -> str:
  """The outcome in one line."""
  compared = student_comparisons(results)
  words = {1: 'better', -1: 'worse', 0: 'undecided'}
  if compared:
    by_budget = ', '.join(
      f'{words[comparison.absolute.direction]} at the {budget} budget'
      for budget, comparison in compared
    )
    matched = all(comparison.matched for _, comparison in compared)
    cost = 'equal sampling cost' if matched else 'UNMATCHED sampling cost'
    return f'WC-trained against SE-trained student at {cost}: {by_budget}.'
  against_base = [
    f'{wording.arm_label(results, arm)} {words[comparison.absolute.direction]}'
    f' at the {budget} budget'
    for comparison in results.comparisons
    if (comparison.b, comparison.metric) == (wording.BASE, 'pass_at_1')
    for arm, _, budget in [comparison.a.rpartition('-')]
  ]
  if against_base:
    return f'Finetuned against before: {", ".join(against_base)}.'
  return (
    'No students were compared in this run.'
    if results.students
    else 'This run sampled and verified solutions; it trained no student.'
  )


def main(results: Results) -> list[str]:
  """One sentence for each budget; or what was sampled, without students."""
  compared = student_comparisons(results)
  if compared:
    return [_outcome(budget, comparison) for budget, comparison in compared]
  return [_sampled(results, budget, cell) for _, budget, cell in results.cells]


def _outcome(budget: str, comparison: Comparison) -> str:
  start = f'At the {budget} budget the WC-trained student'
  if not comparison.matched:
    start = 'Unmatched (the two did not cost the same): a' + start[1:]
  gain = str(wording.effect(comparison.metric, comparison.absolute))
  relative = numbers.percent(comparison.relative.value, sign=True)
  if relative != NONE:
    gain += f' (relative {relative}%)'
  least = wording.detectable(comparison)
  could = '' if least == NONE else f' (it could have detected {least})'
  decided = comparison.absolute.direction
  if decided:
    word = 'better' if decided > 0 else 'worse'
    return (
      f'{start} is {word} than the SE-trained one: {gain}; the interval'
      f' excludes zero, so this run can tell{could}.'
    )
  return (
    f'{start} scores {gain} against the SE-trained one; the interval includes'
    f' zero, so this run cannot tell which is better{could}.'
  )


def _sampled(results: Results, budget: str, cell: Cell) -> str:
  k = cell.samples_per_problem
  coverage = numbers.interval(numbers.last(cell.coverage), unit='%')
  text = (
    f'{cell.label}, {budget} budget: with {k} sample{"s" * (k > 1)} for each of'
    f' {cell.samples // k} problems, {coverage} of the problems are'
    ' solved at least once'
  )
  if k > 1:
    single = numbers.interval(cell.accuracy, unit='%')
    text += f'; of single samples {single}'
  pool = results.ledger.get(cell.generator or '')
  if pool and pool.tokens_per_s:
    text += f', at {pool.tokens_per_s:,.1f} tokens/s'
  return text + '.'


def of_others(results: Results) -> list[str]:
  """A sentence for each other pair of arms whose students are compared."""
  told = [comparison for _, comparison in student_comparisons(results)]
  return [
    f'{wording.against_at_cost(results, comparison)},'
    f' {wording.measure(comparison)}:'
    f' {wording.effect(comparison.metric, comparison.absolute)}.'
    for comparison in results.comparisons
    if comparison.metric == 'pass_at_1'
    and comparison.b != wording.BASE
    and comparison not in told
  ]


def of_data(results: Results) -> list[str]:
  """A sentence for each budget on the data of the arms that are compared."""
  found = []
  for arm in _MATCHED_FIRST:
    for budget in results.budgets:
      said = [
        f'{wording.metric_name(metric)}'
        f' {wording.effect(metric, comparison.absolute)}'
        for metric in ('coverage', 'diversity', 'fpr')
        if (comparison := _with_se(results, metric, arm, budget))
      ]
      if said:
        found.append(
          f'{wording.arm_label(results, arm)} data against SE data, {budget}'
          f' budget: {", ".join(said)}.'
        )
    if found:
      break
  return found
