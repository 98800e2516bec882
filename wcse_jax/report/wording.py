"""Numbers and outcomes in words, for the page and for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from wcse_jax.results.schema import Results

Comparison = Mapping[str, Any]
NONE = '-'
BASE = 'base'  # the student as it was before
# WC's arms: the one that a run is about comes first.
_MATCHED_FIRST = ('wc_compute_matched', 'wc_price_matched', 'wc_number_matched')


def percent(value: float | None, *, sign: bool = False) -> str:
  """A fraction in percent, without the percent sign: 0.443 -> '44.3'."""
  return decimal(None if value is None else 100 * value, places=1, sign=sign)


def decimal(value: float | None, *, places: int = 2, sign: bool = False) -> str:
  """A number with fixed decimals; never '-0.0'."""
  if value is None:
    return NONE
  value = round(value, places) + 0.0
  return f'{value:{"+" if sign else ""}.{places}f}'


def interval(
  estimate: Mapping[str, float | None] | None,
  show=percent,
  *,
  unit: str = '',
  sign: bool = False,
) -> str:
  """An estimate with its interval: '44.3% [38.7, 50.0]'."""
  if estimate is None or estimate.get('value') is None:
    return NONE
  value, low, high = (
    show(estimate.get(key), sign=sign) for key in ('value', 'low', 'high')
  )
  return f'{value}{unit} [{low}, {high}]'


def si(value: float | None, unit: str = '') -> str:
  """Three digits and a prefix: 2.5e9, 'FLOP' -> '2.5 GFLOP'."""
  if value is None:
    return NONE
  power = 0
  while power < 7 and abs(value) >= 999.5:
    value, power = value / 1000, power + 1
  return f'{value:.3g} {" kMGTPEZ"[power].strip()}{unit}'.strip()


def metric_name(metric: str) -> str:
  """'maj_at_8' -> 'maj@8'."""
  if metric == 'fpr':
    return 'false positive rate'
  return metric.replace('_at_', '@').replace('_', ' ')


def checker(results: Results) -> str:
  """By whose word a sample is a false positive; '' if that is not known."""
  source = results.get('fpr_source')
  if not source:
    return ''
  if source['exact']:
    return 'an exact check of the steps'
  return {
    'steps': 'a check of the steps that does not see every fault',
    'judge': 'a language model',
    'people': 'people',
  }[source['name']]


def is_rate(metric: str) -> bool:
  """Whether a metric is a share (in points), not a number of solutions."""
  return not metric.startswith('diversity')


def effect(comparison: Comparison) -> str:
  """The absolute gain: '+2.1 points [+0.4, +3.8]'."""
  if is_rate(comparison['metric']):
    return interval(comparison['absolute'], unit=' points', sign=True)
  return interval(comparison['absolute'], decimal, sign=True)


def detectable(comparison: Comparison) -> str:
  """The smallest absolute effect that the run could have detected."""
  if not is_rate(comparison['metric']):
    return decimal(comparison.get('mde'))
  points = percent(comparison.get('mde'))
  return points if points == NONE else f'{points} points'


def by_seed(comparison: Comparison) -> str:
  """The absolute gain of each finetuning seed; '' with one seed."""
  show = percent if is_rate(comparison['metric']) else decimal
  values = comparison.get('by_seed') or ()
  return ', '.join(show(value, sign=True) for value in values)


def direction(comparison: Comparison) -> int:
  """1 if a is above b, -1 if below, 0 if the interval includes zero."""
  estimate = comparison.get('absolute') or {}
  low, high = estimate.get('low'), estimate.get('high')
  if low is None or high is None or low <= 0 <= high:
    return 0
  return 1 if low > 0 else -1


def k_items(by_k: Mapping[str, Any] | None) -> list[tuple[int, Any]]:
  """A {k: ...} of the results, in order of k."""
  return sorted((int(k), item) for k, item in (by_k or {}).items())


def last(by_k: Mapping[str, Any] | None) -> Any:
  """What a {k: ...} holds for its largest k; None if empty."""
  items = k_items(by_k)
  return items[-1][1] if items else None


def cells(results: Results) -> Iterator[tuple[str, str, dict[str, Any]]]:
  """Every (arm, budget, cell)."""
  for arm, budgets in (results.get('arms') or {}).items():
    for budget, cell in budgets.items():
      yield arm, budget, cell


def arm_label(results: Results, arm: str | None) -> str:
  """The arm's own label, or its name."""
  for name, _, cell in cells(results):
    if name == arm and cell.get('label'):
      return cell['label']
  return arm.replace('_', ' ') if arm and arm != BASE else 'base student'


def side(results: Results, arm: str | None, budget: str | None) -> str:
  """The label of an arm at a budget: 'SE, low'."""
  label = arm_label(results, arm)
  return f'{label}, {budget}' if budget else label


def against(results: Results, comparison: Comparison) -> str:
  """'WC compute-matched against SE, at matched cost'; of the base, no cost."""
  a, b = (
    arm_label(results, comparison[side].rpartition('-')[0] or BASE)
    for side in ('a', 'b')
  )
  if comparison['b'] == BASE:
    return f'{a} against {b}'
  cost = 'at matched cost' if comparison['matched'] else 'UNMATCHED in cost'
  return f'{a} against {b}, {cost}'


def measure(
  comparison: Comparison, names: Mapping[str, str] | None = None
) -> str:
  """'student pass@1, low', by the budgets of both sides, if named so."""
  metric = comparison['metric']
  name = metric_name(metric)
  if metric.startswith(('pass', 'maj')):
    name = f'student {name}'
  sides = [
    side.rpartition('-')[2]
    for side in (comparison['a'], comparison['b'])
    if side != BASE
  ]
  if names:
    sides = [names.get(side, side) for side in sides]
  return f'{name}, {" against ".join(dict.fromkeys(sides))}'


def find(
  results: Results, metric: str, arm: str, budget: str, against: str = 'se'
) -> Comparison | None:
  """The comparison of two arms at one budget, if the run has it."""
  for comparison in results.get('comparisons') or ():
    if (comparison['metric'], comparison['a'], comparison['b']) == (
      metric,
      f'{arm}-{budget}',
      f'{against}-{budget}',
    ):
      return comparison
  return None


def budgets(results: Results) -> list[str]:
  """Every budget of the run, lowest first."""
  return list(dict.fromkeys(budget for _, budget, _ in cells(results)))


def student_comparisons(results: Results) -> list[tuple[str, Comparison]]:
  """(budget, comparison) of the WC- with the SE-trained student, if any."""
  for arm in _MATCHED_FIRST:
    found = [
      (budget, comparison)
      for budget in budgets(results)
      if (comparison := find(results, 'pass_at_1', arm, budget))
    ]
    if found:
      return found
  return []


def headline(results: Results) -> str:
  """The outcome in one line, whatever it is."""
  compared = student_comparisons(results)
  words = {1: 'better', -1: 'worse', 0: 'undecided'}
  if not compared:
    against_base = [
      f'{arm_label(results, arm)} {words[direction(comparison)]} at the'
      f' {budget} budget'
      for comparison in results.get('comparisons') or ()
      if (comparison['b'], comparison['metric']) == (BASE, 'pass_at_1')
      for arm, _, budget in [comparison['a'].rpartition('-')]
    ]
    if against_base:
      return f'Finetuned against before: {", ".join(against_base)}.'
    return (
      'No students were compared in this run.'
      if results.get('students')
      else 'This run sampled and verified solutions; it trained no student.'
    )
  by_budget = ', '.join(
    f'{words[direction(comparison)]} at the {budget} budget'
    for budget, comparison in compared
  )
  matched = all(comparison['matched'] for _, comparison in compared)
  cost = 'equal sampling cost' if matched else 'UNMATCHED sampling cost'
  return f'WC-trained against SE-trained student at {cost}: {by_budget}.'


def outcomes(results: Results) -> list[str]:
  """One sentence for each budget; or what was sampled, without students."""
  compared = student_comparisons(results)
  if compared:
    return [_outcome(budget, comparison) for budget, comparison in compared]
  return [
    _sampled(results, *item)
    for item in cells(results)
    if item[2].get('coverage')
  ]


def _outcome(budget: str, comparison: Comparison) -> str:
  start = f'At the {budget} budget the WC-trained student'
  if not comparison['matched']:
    start = 'Unmatched (the two did not cost the same): a' + start[1:]
  if (comparison['absolute'] or {}).get('value') is None:
    return f'{start} could not be compared with the SE-trained one.'
  relative = percent((comparison['relative'] or {}).get('value'), sign=True)
  gain = effect(comparison)
  if relative != NONE:
    gain += f' (relative {relative}%)'
  least = detectable(comparison)
  could = '' if least == NONE else f' (it could have detected {least})'
  decided = direction(comparison)
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


def _sampled(
  results: Results, arm: str, budget: str, cell: dict[str, Any]
) -> str:
  label = cell.get('label') or arm
  count = cell['samples'] // max(cell['samples_per_problem'], 1)
  k, coverage = k_items(cell['coverage'])[-1]
  text = (
    f'{label}, {budget} budget: with {k} sample{"s" * (k > 1)} for each of'
    f' {count} problems, {interval(coverage, unit="%")} of the problems are'
    ' solved at least once'
  )
  if cell.get('accuracy') and k > 1:
    text += f'; of single samples {interval(cell["accuracy"], unit="%")}'
  speed = (results.get('ledger') or {}).get(cell.get('generator'), {})
  if speed.get('tokens_per_s'):
    text += f', at {speed["tokens_per_s"]:,.1f} tokens/s'
  return text + '.'


def other_outcomes(results: Results) -> list[str]:
  """A sentence for each other pair of arms whose students are compared."""
  told = [id(comparison) for _, comparison in student_comparisons(results)]
  return [
    f'{against(results, comparison)}, {measure(comparison)}:'
    f' {effect(comparison)}.'
    for comparison in results.get('comparisons') or ()
    if comparison['metric'] == 'pass_at_1'
    and comparison['b'] != BASE
    and id(comparison) not in told
    and (comparison['absolute'] or {}).get('value') is not None
  ]


def data_outcomes(results: Results) -> list[str]:
  """A sentence for each budget on the data of the arms that are compared."""
  found = []
  for arm in _MATCHED_FIRST:
    for budget in budgets(results):
      said = [
        f'{metric_name(metric)} {effect(comparison)}'
        for metric in ('coverage', 'diversity', 'fpr')
        if (comparison := find(results, metric, arm, budget))
        and (comparison['absolute'] or {}).get('value') is not None
      ]
      if said:
        found.append(
          f'{arm_label(results, arm)} data against SE data, {budget} budget:'
          f' {", ".join(said)}.'
        )
    if found:
      break
  return found
