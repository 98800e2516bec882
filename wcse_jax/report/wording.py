"""Arms, measures and gains in words."""

from collections.abc import Mapping

import msgspec

from wcse_jax.report import numbers
from wcse_jax.report.numbers import NONE, Interval
from wcse_jax.results import paper
from wcse_jax.results.types import Cell, Comparison, Estimate, Results

BASE = 'base'  # the student as it was before
_NAMES = {
  'fpr': 'false positive rate',
  'student_fpr': 'false positive rate of students',
  'diversity': 'diversity per problem',
  'diversity_per_solved': 'diversity per solved problem',
  'rows_per_cost': 'right solutions for the same cost',
}
# How the arms of a ranking follow from the budget.
MATCHED = {
  'compute': 'by the rule 2PW',
  'price': 'in dollars',
  'measured': 'in FLOPs of solutions as long as they are',
  'wall_clock': 'by the clock',
  'number': 'as many samples of each, UNMATCHED in cost',
}
READING = {1: 'higher', 0: 'cannot tell', -1: 'lower'}


def metric_name(metric: str) -> str:
  """How people call a metric.

  >>> metric_name('maj_at_8')
  'maj@8'
  """
  if metric in _NAMES:
    return _NAMES[metric]
  return metric.replace('_at_', '@').replace('_', ' ')


def checker(results: Results) -> str:
  """By whose word a sample is a false positive; '' if that is not known."""
  source = results.fpr_source
  if not source:
    return ''
  if source.exact:
    return 'an exact check of the steps'
  return {
    'steps': 'a check of the steps that does not see every fault',
    'judge': 'a language model',
    'people': 'people',
  }[source.name]


def drawn(cell: Cell) -> str:
  """Samples of a problem: how many, or their mean, and the most."""
  most = numbers.count(cell.samples_per_problem)
  if cell.drawn_per_problem is msgspec.UNSET:
    return most
  return f'{numbers.decimal(cell.drawn_per_problem, places=1)} of {most}'


def _is_rate(metric: str) -> bool:
  """Whether a metric is a share (in points), not a number of solutions."""
  return not metric.startswith('diversity')


def effect(metric: str, absolute: Estimate | None) -> Interval | str:
  """The absolute gain.

  >>> str(effect('fpr', Estimate(value=0.021, low=0.004, high=0.038)))
  '+2.1 points [+0.4, +3.8]'
  """
  if _is_rate(metric):
    return numbers.interval(absolute, unit=' points', sign=True)
  return numbers.interval(absolute, numbers.decimal, sign=True)


def values(metric: str, a: float | None, b: float | None) -> str:
  """Both sides of a comparison: '28.2% against 26.6%'."""
  show = numbers.share if _is_rate(metric) else numbers.decimal
  return f'{show(a)} against {show(b)}'


def both(results: Results, comparison: Comparison) -> str:
  """As `values`, of a run's comparison of students or of data."""
  a, b = (
    _value(results, comparison.metric, side)
    for side in (comparison.a, comparison.b)
  )
  return values(comparison.metric, a, b)


def _value(results: Results, metric: str, side: str) -> float | None:
  """What one side has; None if the results do not tell."""
  arm, _, budget = side.rpartition('-')
  if metric == 'pass_at_1':
    return results.students[side].pass_at_1.value
  if metric == 'student_fpr':
    fpr = results.students[side].fpr
    return None if fpr is msgspec.UNSET else fpr.value
  if metric.endswith('_pass_at_1'):
    test = metric.removesuffix('_pass_at_1')
    return results.students[side].transfer[test].pass_at_1.value
  of = getattr(results.arms[arm][budget], metric, None)
  if isinstance(of, dict):
    of = numbers.last(of)
  return of.value if of else None


def reported(metric: str, finding: paper.Finding) -> str:
  """The paper's difference, with its half-width: '+1.6 ± 5.5 points'."""
  if not _is_rate(metric):
    return numbers.decimal(finding.difference, sign=True)
  points = numbers.percent(finding.difference, sign=True)
  return f'{points} ± {numbers.percent(finding.half_width)} points'


def relative(estimate: Estimate | None) -> Interval | str:
  """The relative gain, in percent."""
  return numbers.interval(estimate, unit='%', sign=True)


def detectable(comparison: Comparison) -> str:
  """The smallest absolute effect that the run could have detected."""
  return _detectable(comparison.metric, comparison.mde)


def detectable_of_data(comparison: Comparison) -> str:
  """The same of data, whose students other seeds would make others."""
  mde = comparison.mde_of_data
  return _detectable(comparison.metric, None if mde is msgspec.UNSET else mde)


def _detectable(metric: str, mde: float | None) -> str:
  if not _is_rate(metric):
    return numbers.decimal(mde)
  points = numbers.percent(mde)
  return points if points == NONE else f'{points} points'


def by_seed(comparison: Comparison) -> str:
  """The absolute gain of each finetuning seed; '' with one seed."""
  rate = _is_rate(comparison.metric)
  show = numbers.percent if rate else numbers.decimal
  return ', '.join(show(value, sign=True) for value in comparison.by_seed)


def arm_label(results: Results, arm: str) -> str:
  """How people call an arm."""
  if arm == BASE:
    few_shot = results.students[BASE].few_shot is True
    return f'base student{", few-shot" * few_shot}'
  return next(iter(results.arms[arm].values())).label


def models(results: Results, arm: str, budget: str) -> str:
  """The models that an arm's samples are of: 'gemma2_9b + gemma2_27b'."""
  pools = (results.arms[arm][budget].generator or '').split('+')
  names = (results.models.get(pool.partition('@')[0]) for pool in pools)
  return ' + '.join(model.name for model in names if model)


def side(results: Results, arm: str, budget: str) -> str:
  """The label of an arm at a budget: 'SE, low'."""
  label = arm_label(results, arm)
  return f'{label}, {budget}' if budget else label


def cells(results: Results) -> list[tuple[str, Cell]]:
  """Every cell, with the label of its arm and budget."""
  return [(side(results, arm, name), cell) for arm, name, cell in results.cells]


def against(results: Results, comparison: Comparison) -> str:
  """'WC compute-matched against SE'."""
  a, b = (
    arm_label(results, name.rpartition('-')[0] or BASE)
    for name in (comparison.a, comparison.b)
  )
  return f'{a} against {b}'


def against_at_cost(results: Results, comparison: Comparison) -> str:
  """As `against`, and whether at matched cost; of the base, no cost."""
  sides = against(results, comparison)
  if comparison.b == BASE:
    return sides
  cost = 'at matched cost' if comparison.matched else 'UNMATCHED in cost'
  return f'{sides}, {cost}'


def measure(
  comparison: Comparison, names: Mapping[str, str] | None = None
) -> str:
  """'student pass@1, low', by the budgets of both sides.

  Args:
    comparison: What is compared.
    names: Other names of budgets, by name.
  """
  name = metric_name(comparison.metric)
  if comparison.metric.startswith(('pass', 'maj')):
    name = f'student {name}'
  budgets = [
    (names or {}).get(budget, budget)
    for side in (comparison.a, comparison.b)
    if side != BASE
    for budget in [side.rpartition('-')[2]]
  ]
  primary = ' (primary)' if comparison.primary else ''
  return f'{name}, {" against ".join(dict.fromkeys(budgets))}{primary}'
