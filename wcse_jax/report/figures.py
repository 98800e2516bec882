"""The figures, as PNG. Readable without colour: marker and line differ too."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import msgspec
import numpy as np

from wcse_jax.experiment.arms import called
from wcse_jax.report import drawing, numbers, outcomes, texts, wording
from wcse_jax.results.types import Cell, Results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
  """A drawn figure. `caption` says what to look at."""

  name: str
  title: str
  caption: str
  png: bytes


def draw(results: Results) -> list[Picture]:
  """Every figure that the results have the numbers for."""
  import matplotlib.style

  with matplotlib.style.context(drawing.STYLE):
    pictures = (
      _against_cost(results, 'coverage'),
      _against_cost(results, 'diversity'),
      _false_positives(results),
      _students(results),
      _validation(results),
    )
  return [picture for picture in pictures if picture]


def draw_all(results: Mapping[str, Results]) -> list[Picture]:
  """What compares several experiments, given by name."""
  import matplotlib.style

  with matplotlib.style.context(drawing.STYLE):
    picture = _gains(results)
  return [picture] if picture else []


def _picture(
  name: str, title: str, fig: Any, text: str = '', **values: Any
) -> Picture:
  """A figure; its caption is that of its name, or of another text."""
  caption = texts.of(f'figures.{text or name}', **values)
  return Picture(name=name, title=title, caption=caption, png=drawing.png(fig))


def _gains(results: Mapping[str, Results]) -> Picture | None:
  """The gain of students over the anchor's: a row for each experiment."""
  compared = {
    name: pairs
    for name, of in reversed([*results.items()])
    if (pairs := outcomes.student_comparisons(of))
  }
  if not compared:
    return None
  budgets = list(dict.fromkeys(b for of in compared.values() for b, _ in of))
  # Told apart by shape and filling.
  markers: list[dict[str, Any]] = [
    {'marker': 'oosDDv^P'[i % 8]} | ({} if i % 2 else drawing.filled(0, 2))
    for i in range(len(budgets))
  ]
  fig, ax = drawing.axes(height=1.4 + 0.42 * len(compared))
  for y, pairs in enumerate(compared.values()):
    for i, (budget, comparison) in enumerate(pairs):
      drawing.points(
        ax,
        y + 0.3 * ((len(pairs) - 1) / 2 - i),
        [comparison.absolute],
        sideways=True,
        color=drawing.BLUE,
        linestyle='none',
        **markers[budgets.index(budget)],
      )
  drawing.name_budgets(ax, budgets, markers)
  ax.axvline(0, color=drawing.INK, linestyle='-.', linewidth=1.2)
  drawing.name_rows(ax, list(compared))
  ax.set_ylim(-0.5, len(compared) - 0.5)
  a, b = texts.others(), texts.anchor()
  ax.set_xlabel(f'{b} better    |    {a} better: pass@1, points')
  ax.figure.legend(loc='outside lower center', ncols=3, fontsize=9)
  return _picture('gains', f'{a}- against {b}-trained students', fig)


def _largest(results: Results) -> dict[str, Cell]:
  """The cell of most samples of each generator, in the order of their names."""
  pools: dict[str, Cell] = {}
  for _, _, cell in results.cells:
    known = pools.get(cell.generator or '')
    if cell.generator and (
      not known or cell.samples_per_problem >= known.samples_per_problem
    ):
      pools[cell.generator] = cell
  return dict(sorted(pools.items()))


def _against_cost(results: Results, metric: str) -> Picture | None:
  """Coverage or diversity over the cost of k samples, for each pool."""
  pools = _largest(results)
  ended = any(
    of.drawn_per_problem is not msgspec.UNSET for of in pools.values()
  )
  if not pools or (ended and metric != 'coverage'):  # of samples never drawn
    return None
  several, is_share = len(pools) > 1, metric == 'coverage'
  # Samples, where the size of a model is not known.
  known = all(cell.cost_flops for cell in pools.values())
  cost_of = lambda cell: cell.cost_flops / cell.samples if known else 1.0
  fig, ax = drawing.axes()
  scale = 100 if is_share else 1
  styles = drawing.styles(pools)
  for i, (generator, cell) in enumerate(pools.items()):
    # Intervals at one cost would hide each other: draw them side by side.
    aside = 1 + 0.06 * (i - (len(pools) - 1) / 2)
    items = sorted(getattr(cell, metric).items())
    cost = [k * cost_of(cell) * aside for k, _ in items]
    drawing.points(
      ax,
      cost,
      [estimate for _, estimate in items],
      scale=scale,
      label=_model_label(results, generator, alone=not several),
      **styles[generator],
    )
    named = 0.0  # the last k with its name beside it: they need room
    for x, (k, estimate) in zip(cost, items, strict=True):
      if k >= 1.5 * named:
        named = k
        up = generator != results.anchor or not several
        ax.annotate(
          f'k={k}',
          (x, scale * (estimate.high if up else estimate.low)),
          xytext=(0, 4 if up else -4),
          textcoords='offset points',
          ha='center',
          va='bottom' if up else 'top',
          fontsize=8,
          color=styles[generator]['color'],
        )
  if known and several:
    for budget, cell in results.arms.get(results.anchor, {}).items():
      cost = cost_of(cell) * cell.samples_per_problem
      style = dict(color='#999999', linestyle=':', linewidth=1, zorder=0)
      drawing.named_line(ax, cost, f'{budget} budget', **style)
  _cost_axis(ax, 'FLOP' if known else '')
  ax.set_xlabel(
    'sampling cost of a problem, by the rule 2PW'
    if known
    else 'samples per problem'
  )
  ax.set_ylabel(
    'problems solved at least once, %'
    if is_share
    else 'unique correct solutions'
  )
  ax.legend(loc='lower right' if is_share else 'upper left')
  unit = 'sampling cost' if known else 'samples per problem'
  return _picture(
    f'{metric}_vs_cost',
    f'{metric.capitalize()} against {unit}',
    fig,
    'by_cost' if known and several else 'by_samples',
  )


def _cost_axis(ax: Any, unit: str) -> None:
  from matplotlib import ticker

  ax.set_xscale('log')
  ax.margins(x=0.1, y=0.14)
  ax.xaxis.set_major_formatter(lambda x, _: numbers.si(x, unit))
  ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 3), numticks=8))
  ax.xaxis.set_minor_locator(ticker.NullLocator())


def _false_positives(results: Results) -> Picture | None:
  rows = [(arm, budget, of.fpr) for arm, budget, of in results.cells if of.fpr]
  if not rows:
    return None
  fig, ax = drawing.axes()
  drawing.rows(ax, results, rows)
  ax.set_xlim(left=0)
  ax.set_xlabel('correct answers with wrong reasoning, %')
  exact = not results.fpr_source or results.fpr_source.exact
  return _picture(
    'false_positive_rate',
    'False positive rate of the data',
    fig,
    '' if exact else 'false_positive_rate_by',
    checker=wording.checker(results),
  )


def _students(results: Results) -> Picture | None:
  students = dict(results.students)
  base = students.pop(wording.BASE, None)
  rows = [(s.arm, s.budget, s.pass_at_1) for s in students.values()]
  if not rows:
    return None
  fig, ax = drawing.axes()
  drawing.rows(ax, results, rows)
  if base:
    of = base.pass_at_1
    value, low, high = (100 * (x or 0) for x in (of.value, of.low, of.high))
    ax.axvspan(low, high, color='#000000', alpha=0.07, linewidth=0)
    style = dict(color=drawing.INK, linestyle='-.', linewidth=1.2)
    name = wording.arm_label(results, wording.BASE)
    drawing.named_line(ax, value, name, **style)
  ax.set_xlabel('test problems solved (pass@1, greedy), %')
  return _picture('student_accuracy', 'Accuracy of the students', fig)


def _validation(results: Results) -> Picture | None:
  """Accuracy by checkpoint; the step is a share: budgets differ in length."""
  students = [
    student
    for student in results.students.values()
    if student.budget and len(student.validation) > 1
  ]
  if not students:
    return None
  fig, ax = drawing.axes(height=3.0 + 0.08 * len(students))
  budgets = results.budgets
  styles = drawing.styles(student.arm for student in students)
  for student in students:
    i, style = budgets.index(student.budget), styles[student.arm]
    last, _ = student.validation[-1]
    step, accuracy = np.transpose(student.validation)
    x, y, kept = 100 * step / last, 100 * accuracy, step == student.best_step
    ax.plot(
      x,
      y,
      color=style['color'],
      marker=style['marker'],
      linestyle=('-' if i == len(budgets) - 1 else ':'),
      linewidth=1.2,
      markersize=4,
      label=wording.side(results, student.arm, student.budget),
      **drawing.filled(i, len(budgets)),
    )
    ax.plot(
      x[kept],
      y[kept],
      'o',
      markersize=10,
      markerfacecolor='none',
      color='#333333',
    )
  ax.set_xlabel('share of the finetuning steps, %')
  ax.set_ylabel('validation accuracy, %')
  ax.figure.legend(loc='outside lower center', ncols=2, fontsize=7)
  return _picture('validation', 'Validation by checkpoint', fig)


def _model_label(results: Results, generator: str, *, alone: bool) -> str:
  """'WC: nano_wc (600 k)'; a pool that is alone needs no 'WC'."""
  model = results.models.get(generator)
  if not model:
    return called(generator)
  text = model.name if alone else f'{called(generator)}: {model.name}'
  size = model.nominal_params
  return f'{text} ({numbers.si(size)})' if size else text
