"""What came out, in sentences, whatever it is."""

from collections.abc import Iterator, Mapping

import msgspec

from wcse_jax.experiment import arms, roles
from wcse_jax.experiment.arms import called
from wcse_jax.report import numbers, texts, wording
from wcse_jax.report.numbers import NONE
from wcse_jax.results.types import Cell, Comparison, Results

# How arms are matched to the anchor: what a run is about comes first.
_MATCHINGS = ('compute', 'price', 'measured', 'wall_clock', 'number')
_DATA = ('coverage', 'diversity_per_solved', 'fpr')
_BETTER = {1: 'better', -1: 'worse', 0: 'undecided'}


def student_comparisons(results: Results) -> list[tuple[str, Comparison]]:
  """(budget, comparison) of another's with the anchor's student, if any."""
  for arm in _others(results):
    found = _with_anchor_at_all(results, 'pass_at_1', arm)
    if found:
      return found
  return []


def _others(results: Results) -> list[str]:
  """Arms of one other generator each: the one that a run is about first."""
  names = [results.anchor, *(results.others or roles.GENERATORS)]
  _, *others, _ = arms.named(names, results.anchor)
  first = lambda arm: _MATCHINGS.index(arm.draws[0].matching)
  return [str(arm) for arm in sorted(others, key=first)]


def _with_anchor(
  results: Results, metric: str, arm: str, budget: str
) -> Comparison | None:
  a, b = f'{arm}-{budget}', f'{results.anchor}-{budget}'
  return results.comparison(metric, a, b)


def trained(results: Results, comparison: Comparison) -> tuple[str, str]:
  """The generators whose data two students learned from: 'WC', 'SE'."""
  sides = (of.rpartition('-') for of in (comparison.a, comparison.b))
  a, b = (results.arms[arm][budget].generator for arm, _, budget in sides)
  return called(str(a)), called(str(b))


def headlines(results: Results) -> list[str]:
  """What came out of the data, of students, and of their votes: a line each.

  Without arms that are compared, what finetuning did; without students, that.
  Before all, whether a limit has stopped the run.
  """
  said = [
    *_of_data(results),
    *_of_students(results),
    *_of_votes(results),
    *_of_ranking(results),
  ]
  none = (
    'No students were compared in this run.'
    if results.students
    else 'This run sampled and verified solutions; it trained no student.'
  )
  return [*partial(results), *(said or [none])]


def partial(results: Results) -> list[str]:
  """What a limit has left of a run, and what goes on; or nothing."""
  left = results.run.partial
  if left is msgspec.UNSET:
    return []
  there, planned = sum(left.samples.values()), sum(left.planned.values())
  given = {
    of: limit for of, limit in results.run.config['limit'].items() if limit
  }
  reached = ', '.join(
    f'limit.{of} = {given[of]:,g}' for of in left.enough or given
  )
  number, of = results.problems['train'], left.problems
  if there == planned:
    said = (
      f'the judge of this run: all {planned:,} samples are there, and are not'
      ' all judged. All below is without students.'
    )
  else:
    budget = results.run.config.get('budget', {})
    about = 'about ' if budget.get('right') or budget.get('rows') else ''
    said = (
      f'this run with {there:,} of {about}{planned:,} samples'
      f' ({numbers.share(there / planned)}). All below is of the first'
      f' {number:,} of {of:,} problems, which every pool has all samples of; no'
      ' student is finetuned on them.'
    )
  return [f'PARTIAL: a limit ({reached}) stopped {said} {goes_on(left.enough)}']


def goes_on(enough: Mapping[str, float]) -> str:
  """How a run that a limit has stopped goes on.

  Args:
    enough: The limits that are too low, with what about would do; none if a
      host alone has spent its share.
  """
  flags = ' '.join(
    f'--config.limit.{field}={most:.15g}' for field, most in enough.items()
  )
  how = f'give about {flags}' if flags else 'run the same command again'
  return f'To go on, {how}.'


def _of_data(results: Results) -> Iterator[str]:
  words = {1: 'higher', -1: 'lower', 0: 'undecided'}
  for arm in _others(results):
    by_metric = {
      metric: found
      for metric in _DATA
      if (found := _with_anchor_at_all(results, metric, arm))
    }
    if by_metric:
      compared = [of for found in by_metric.values() for of in found]
      said = '; '.join(
        f'{wording.metric_name(metric)} {_at(found, words)}'
        for metric, found in by_metric.items()
      )
      a, b = trained(results, compared[0][1])
      cost = _cost(results, compared)
      yield f'{a} data against {b} data at {cost}: {said}.'
      return


def _of_students(results: Results) -> Iterator[str]:
  compared = student_comparisons(results)
  if compared:
    a, b = trained(results, compared[0][1])
    yield (
      f'{a}-trained against {b}-trained student at {_cost(results, compared)}:'
      f' {_at(compared, _BETTER)}.'
    )
    return
  against_base = [
    f'{wording.arm_label(results, arm)} {_at([(budget, comparison)], _BETTER)}'
    for comparison in results.comparisons
    if (comparison.b, comparison.metric) == (wording.BASE, 'pass_at_1')
    for arm, _, budget in [comparison.a.rpartition('-')]
  ]
  if against_base:
    yield f'Finetuned against before: {", ".join(against_base)}.'


def _of_votes(results: Results) -> Iterator[str]:
  """Of the arm whose students are compared: what their majorities solve."""
  compared = student_comparisons(results)
  if not compared:
    return
  arm = compared[0][1].a.rpartition('-')[0]
  ks = sorted({k for of in results.students.values() for k in of.maj_at_k})
  votes = {k: _with_anchor_at_all(results, f'maj_at_{k}', arm) for k in ks}
  said = [
    f'maj@{k} {_at(found, _BETTER)}' for k, found in votes.items() if found
  ]
  if said:
    yield f'By majority votes of the same students: {"; ".join(said)}.'


def _of_ranking(results: Results) -> Iterator[str]:
  """Of three teachers or more, at the highest budget: which arm leads."""
  several = len(results.others) > 1 or results.anchor not in results.arms
  rankings = results.ranking or () if several else ()
  for found in rankings:
    if found.budget != results.budgets[-1]:
      continue
    first, *_ = found.rows
    open_ = [row for row in found.rows if row.best == 1]
    names = [wording.arm_label(results, row.arm) for row in open_]
    what = f'Of {len(found.rows)} arms of the {found.budget} budget,'
    what += f' {wording.MATCHED[found.matching]}, by'
    what += f' {wording.metric_name(found.metric)}'
    if first.worst == 1:
      yield f'{what}: {names[0]} is first.'
    else:
      yield f'{what}: {len(open_)} may be first: {", ".join(names)}.'


def _with_anchor_at_all(
  results: Results, metric: str, arm: str
) -> list[tuple[str, Comparison]]:
  """(budget, comparison) of an arm with the anchor, of every budget."""
  return [
    (budget, comparison)
    for budget in results.budgets
    if (comparison := _with_anchor(results, metric, arm, budget))
  ]


def _cost(results: Results, compared: list[tuple[str, Comparison]]) -> str:
  matched = all(comparison.matched for _, comparison in compared)
  return 'equal sampling cost' if matched else 'UNMATCHED sampling cost'


def _at(found: list[tuple[str, Comparison]], words: dict[int, str]) -> str:
  """'higher at both budgets', or budget by budget."""
  said = [words[comparison.absolute.direction] for _, comparison in found]
  if len(said) > 1 and len(set(said)) == 1:
    return f'{said[0]} at {"both" if len(said) == 2 else "all"} budgets'
  return ', '.join(
    f'{word} at the {budget} budget'
    for word, (budget, _) in zip(said, found, strict=True)
  )


def main(results: Results) -> list[str]:
  """One sentence for each budget; or what was sampled, without students.

  Before them, whether these students can tell anything.
  """
  compared = student_comparisons(results)
  if compared:
    told = [_outcome(results, *of) for of in compared]
    return [*_without_headroom(results), *told]
  return [_sampled(results, budget, cell) for _, budget, cell in results.cells]


def _without_headroom(results: Results) -> Iterator[str]:
  """Of the most human-written data, if they teach the student nothing."""
  for budget in results.budgets[-1:]:
    human = f'{arms.REFERENCE}-{budget}'
    found = results.comparison('pass_at_1', human, wording.BASE)
    if found and found.absolute.direction <= 0:
      yield (
        'This run cannot tell: human-written data change nothing that it can'
        f' see ({wording.effect(found.metric, found.absolute)} against the'
        f' {wording.arm_label(results, wording.BASE)}), so no data can be'
        ' better than others here. Finetune for more steps or at a higher rate,'
        ' or test on more problems.'
      )


def _outcome(results: Results, budget: str, comparison: Comparison) -> str:
  a, b = trained(results, comparison)
  start = 'Primary comparison' if comparison.primary else 'Exploratory'
  if not comparison.matched:
    start += ', unmatched (the two did not cost the same)'
  start += f': at the {budget} budget the {a}-trained student'
  gain = str(wording.effect(comparison.metric, comparison.absolute))
  relative = numbers.percent(comparison.relative.value, sign=True)
  if relative != NONE:
    gain += f' (relative {relative}%)'
  least = wording.detectable(comparison)
  of_data = wording.detectable_of_data(comparison)
  could = '' if least == NONE else f' (it could have detected {least})'
  if could and of_data != NONE:
    could = (
      f' (it could have detected {least} between these students, {of_data}'
      ' between such data)'
    )
  decided = comparison.absolute.direction
  if decided:
    word = 'better' if decided > 0 else 'worse'
    return (
      f'{start} is {word} than the {b}-trained one: {gain}; the interval'
      f' excludes zero, so this run can tell{could}.'
    )
  return (
    f'{start} scores {gain} against the {b}-trained one; the interval includes'
    f' zero, so this run cannot tell which is better{could}.'
  )


def _sampled(results: Results, budget: str, cell: Cell) -> str:
  k = cell.samples_per_problem
  coverage = numbers.interval(numbers.last(cell.coverage), unit='%')
  mean = cell.drawn_per_problem
  problems = round(cell.samples / (k if mean is msgspec.UNSET else mean))
  most = '' if mean is msgspec.UNSET else 'at most '
  of = cell.estimated_of  # they leave out the one that ended it
  those = 'problems' if of is msgspec.UNSET else f'first {of:,}'
  text = (
    f'{cell.label}, {budget} budget: with {most}{k} sample{"s" * (k > 1)} for'
    f' each of {problems:,} problems, {coverage} of the {those} are'
    ' solved at least once'
  )
  if k > 1:
    single = numbers.interval(cell.accuracy, unit='%')
    text += f'; of single samples {single}'
  pool = results.ledger.get(cell.generator or '')
  if pool and pool.tokens_per_s:
    text += f', at {pool.tokens_per_s:,.1f} tokens/s'
  return text + '.'


def left_out(results: Results) -> list[str]:
  """A sentence for each arm without a student, or without all its examples."""
  said = []
  for _, budget, cell in results.cells:
    name = f'{cell.label}, {budget} budget'
    if cell.left_out is not msgspec.UNSET:
      said.append(f'{name}: no student. {cell.left_out}')
    elif cell.dropped is not msgspec.UNSET and cell.examples is not None:
      said.append(
        f'{name}: {cell.dropped:,} of {cell.examples + cell.dropped:,} examples'
        ' are left out, as they are longer than finetune.row_tokens.'
      )
  return said


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
  for arm in _others(results):
    for budget in results.budgets:
      said = [
        f'{wording.metric_name(metric)}'
        f' {wording.effect(metric, comparison.absolute)}'
        for metric in _DATA
        if (comparison := _with_anchor(results, metric, arm, budget))
      ]
      if said:
        found.append(
          f'{wording.arm_label(results, arm)} data against'
          f' {texts.anchor(results)} data, {budget} budget: {", ".join(said)}.'
        )
    if found:
      break
  return found
