"""The figures, as PNG. Readable without colour: marker and line differ too."""

from collections.abc import Iterable, Mapping
import dataclasses
import io
import itertools
from typing import Any

from wcse_jax.report import wording
from wcse_jax.results.schema import Results


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
  """A drawn figure. `caption` says what to look at."""

  name: str
  title: str
  caption: str
  png: bytes


# Colours of Okabe and Ito, told apart with any colour vision.
_STYLES: dict[str, dict[str, Any]] = {
  'wc': dict(color='#0072B2', marker='o', linestyle='-'),
  'se': dict(color='#D55E00', marker='s', linestyle='--'),
  'wc_compute_matched': dict(color='#0072B2', marker='o'),
  'wc_number_matched': dict(color='#56B4E9', marker='^'),
  'reference': dict(color='#009E73', marker='D'),
}
_OTHERS: tuple[dict[str, Any], ...] = tuple(
  dict(color=color, marker=marker, linestyle=line)
  for color, marker, line in (
    ('#CC79A7', 'v', '-.'),
    ('#000000', 'P', ':'),
    ('#E69F00', 'X', '-.'),
    ('#999999', '<', ':'),
  )
)
_RC: Any = {
  'axes.edgecolor': '#777777',
  'axes.grid': True,
  'axes.spines.right': False,
  'axes.spines.top': False,
  'font.size': 10,
  'grid.color': '#e4e4e4',
  'grid.linewidth': 0.8,
  'legend.frameon': False,
}


def draw(results: Results) -> list[Picture]:
  """Every figure that the results have the numbers for."""
  import matplotlib

  with matplotlib.rc_context(_RC):
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
  import matplotlib

  with matplotlib.rc_context(_RC):
    picture = _gains(results)
  return [picture] if picture else []


def _gains(results: Mapping[str, Results]) -> Picture | None:
  """The gain of WC- over SE-trained students: a row for each experiment."""
  compared = {
    name: [
      (budget, comparison['absolute'])
      for budget, comparison in wording.student_comparisons(of)
    ]
    for name, of in reversed(list(results.items()))
  }
  compared = {name: pairs for name, pairs in compared.items() if pairs}
  if not compared:
    return None
  budgets = list(dict.fromkeys(b for of in compared.values() for b, _ in of))
  fig, ax = _axes(height=1.4 + 0.42 * len(compared))
  for y, pairs in enumerate(compared.values()):
    for i, (budget, estimate) in enumerate(pairs):
      _points(
        ax,
        y + 0.3 * ((len(pairs) - 1) / 2 - i),
        [estimate],
        sideways=True,
        color=_STYLES['wc']['color'],
        **_marker(budgets.index(budget)),
        linestyle='none',
      )
  for i, budget in enumerate(budgets):
    ax.plot(
      [],
      [],
      linestyle='none',
      color='#333333',
      label=f'{budget} budget',
      **_marker(i),
    )
  ax.axvline(0, color='#555555', linestyle='-.', linewidth=1.2)
  ax.set_yticks(range(len(compared)), list(compared))
  ax.set_ylim(-0.5, len(compared) - 0.5)
  ax.grid(axis='y', visible=False)
  ax.tick_params(axis='y', length=0)
  ax.set_xlabel('SE better    |    WC better: pass@1, points')
  ax.figure.legend(loc='outside lower center', ncols=3, fontsize=9)
  return Picture(
    name='gains',
    title='WC- against SE-trained students',
    caption=(
      'The difference in test problems solved. A bar across zero is undecided.'
    ),
    png=_png(fig),
  )


def _marker(i: int) -> dict[str, Any]:
  """Of the i-th budget: told apart by shape and filling."""
  fill = {} if i % 2 else {'markerfacecolor': 'white'}
  return {'marker': 'oosDDv^P'[i % 8], **fill}


def _against_cost(results: Results, metric: str) -> Picture | None:
  """Coverage or diversity over the cost of k samples, for each pool."""
  pools = {}  # the largest cell of each generator
  for _, _, cell in wording.cells(results):
    if cell.get(metric) and cell['generator']:
      generator = cell['generator']
      pools[generator] = max(
        (cell, pools.get(generator, cell)),
        key=lambda c: c['samples_per_problem'],
      )
  if not pools:
    return None
  # Samples, where the size of a model is not known.
  known = all(cell.get('cost_flops') for cell in pools.values())
  cost_of = lambda cell: cell['cost_flops'] / cell['samples'] if known else 1.0
  fig, ax = _axes()
  scale = 100 if metric == 'coverage' else 1
  styles = _styles(sorted(pools))
  for i, (generator, cell) in enumerate(sorted(pools.items())):
    # Intervals at one cost would hide each other: draw them side by side.
    aside = 1 + 0.06 * (i - (len(pools) - 1) / 2)
    items = wording.k_items(cell[metric])
    cost = [k * cost_of(cell) * aside for k, _ in items]
    style = styles[generator]
    _points(
      ax,
      cost,
      [estimate for _, estimate in items],
      scale=scale,
      label=_model_label(results, generator, alone=len(pools) == 1),
      **style,
    )
    named = 0.0  # the last k with its name beside it: they need room
    for x, (k, estimate) in zip(cost, items, strict=True):
      if estimate['value'] is not None and k >= 1.5 * named:
        named = k
        up = generator == 'wc' or len(pools) == 1
        edge = estimate['high' if up else 'low']
        ax.annotate(
          f'k={k}',
          (x, scale * (estimate['value'] if edge is None else edge)),
          xytext=(0, 4 if up else -4),
          textcoords='offset points',
          ha='center',
          va='bottom' if up else 'top',
          fontsize=8,
          color=style['color'],
        )
  for budget, cell in (results['arms'].get('se') or {}).items():
    if known and len(pools) > 1:
      cost = cost_of(cell) * cell['samples_per_problem']
      ax.axvline(cost, color='#999999', linestyle=':', linewidth=1, zorder=0)
      ax.annotate(
        f'{budget} budget',
        (cost, 1),
        xycoords=('data', 'axes fraction'),
        ha='center',
        va='bottom',
        fontsize=8,
        color='#555555',
      )
  ax.set_xscale('log')
  ax.margins(x=0.1, y=0.14)
  unit = 'FLOP' if known else ''
  ax.xaxis.set_major_formatter(lambda x, _: wording.si(x, unit))
  _readable_ticks(ax)
  ax.set_xlabel(
    'sampling cost of a problem, by the rule 2PW'
    if known
    else 'samples per problem'
  )
  ax.set_ylabel(
    'problems solved at least once, %'
    if metric == 'coverage'
    else 'unique correct solutions'
  )
  ax.legend(loc='lower right' if metric == 'coverage' else 'upper left')
  return Picture(
    name=f'{metric}_vs_cost',
    title=f'{metric.capitalize()} against'
    + (' sampling cost' if known else ' samples per problem'),
    caption=(
      'Each point is k samples per problem. On a dotted line both cost the'
      ' same; they are drawn slightly apart.'
      if known and len(pools) > 1
      else 'Each point is k samples per problem.'
    ),
    png=_png(fig),
  )


def _false_positives(results: Results) -> Picture | None:
  rows = [
    (arm, budget, cell['fpr'])
    for arm, budget, cell in wording.cells(results)
    if (cell.get('fpr') or {}).get('value') is not None
  ]
  if not rows:
    return None
  exact = (results.get('fpr_source') or {'exact': True})['exact']
  fig, ax = _axes()
  _rows(ax, results, rows)
  ax.set_xlim(left=0)
  ax.set_xlabel('correct answers with wrong reasoning, %')
  return Picture(
    name='false_positive_rate',
    title='False positive rate of the data',
    caption=(
      'The share of samples with a correct final answer whose steps do not'
      ' hold: less is better.'
      if exact
      else 'The share of samples with a correct final answer whose reasoning is'
      f' wrong, by {wording.checker(results)}: less is better.'
    ),
    png=_png(fig),
  )


def _students(results: Results) -> Picture | None:
  students = dict(results.get('students') or {})
  base = students.pop('base', None)
  rows = [
    (s['arm'], s['budget'], s['pass_at_1'])
    for s in students.values()
    if s['pass_at_1']['value'] is not None
  ]
  if not rows:
    return None
  fig, ax = _axes()
  _rows(ax, results, rows)
  if base and base['pass_at_1']['value'] is not None:
    value, low, high = (
      100 * (x if x is not None else base['pass_at_1']['value'])
      for x in map(base['pass_at_1'].get, ('value', 'low', 'high'))
    )
    ax.axvspan(low, high, color='#000000', alpha=0.07, linewidth=0)
    ax.axvline(value, color='#555555', linestyle='-.', linewidth=1.2)
    ax.annotate(
      'base student',
      (value, 1),
      xycoords=('data', 'axes fraction'),
      ha='center',
      va='bottom',
      fontsize=8,
      color='#555555',
    )
  ax.set_xlabel('test problems solved (pass@1, greedy), %')
  return Picture(
    name='student_accuracy',
    title='Accuracy of the students',
    caption='By what they were finetuned on; farther right is better.',
    png=_png(fig),
  )


def _filled(i: int, count: int) -> dict[str, Any]:
  """How the marker of the i-th budget is filled: less or more of it."""
  if i == count - 1:
    return {}
  if not i:
    return {'markerfacecolor': 'white'}
  style = ('bottom', 'left', 'top', 'right')[(i - 1) % 4]
  return {'fillstyle': style, 'markerfacecoloralt': 'white'}


def _styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
  """Of arms or pools; of those without a style of their own, in turn."""
  others = itertools.cycle(_OTHERS)
  return {
    name: _STYLES[name] if name in _STYLES else next(others)
    for name in dict.fromkeys(names)
  }


def _validation(results: Results) -> Picture | None:
  """Accuracy by checkpoint; the step is a share: budgets differ in length."""
  curves = [
    (s, s['validation'])
    for s in (results.get('students') or {}).values()
    if s['budget'] and len(s.get('validation') or ()) > 1
  ]
  if not curves:
    return None
  fig, ax = _axes(height=3.0 + 0.08 * len(curves))
  budgets = wording.budgets(results)
  styles = _styles(student['arm'] for student, _ in curves)
  for student, points in curves:
    i = budgets.index(student['budget'])
    style = styles[student['arm']]
    last = points[-1][0]
    x = [100 * step / last for step, _ in points]
    y = [100 * accuracy for _, accuracy in points]
    ax.plot(
      x,
      y,
      color=style['color'],
      marker=style['marker'],
      linestyle=('-' if i == len(budgets) - 1 else ':'),
      linewidth=1.2,
      markersize=4,
      label=wording.side(results, student['arm'], student['budget']),
      **_filled(i, len(budgets)),
    )
    kept = student['best_step']
    best = [k for k, (step, _) in enumerate(points) if step == kept]
    ax.plot(
      [x[k] for k in best],
      [y[k] for k in best],
      linestyle='none',
      marker='o',
      markersize=10,
      markerfacecolor='none',
      color='#333333',
    )
  ax.set_xlabel('share of the finetuning steps, %')
  ax.set_ylabel('validation accuracy, %')
  ax.figure.legend(loc='outside lower center', ncols=2, fontsize=7)
  return Picture(
    name='validation',
    title='Validation by checkpoint',
    caption=(
      'Of the first seed. Rings are the checkpoints that were kept: the best.'
    ),
    png=_png(fig),
  )


def _rows(ax: Any, results: Results, rows: list) -> None:
  """A row for each arm, in it a point for each budget: hollow to full."""
  arms = list(dict.fromkeys(arm for arm, _, _ in rows))
  budgets = [
    b for b in wording.budgets(results) if b in {row[1] for row in rows}
  ]
  styles = _styles(arms)
  for arm, budget, estimate in rows:
    i = budgets.index(budget) if budget in budgets else 0
    y = arms.index(arm) + 0.26 * (i - (len(budgets) - 1) / 2)
    style = styles[arm]
    _points(
      ax,
      y,
      [estimate],
      sideways=True,
      color=style['color'],
      marker=style['marker'],
      linestyle='none',
      **_filled(i, len(budgets)),
    )
  for i, budget in enumerate(budgets):
    ax.plot(
      [],
      [],
      'o',
      color='#333333',
      label=f'{budget} budget',
      **_filled(i, len(budgets)),
    )
  ax.set_yticks(
    range(len(arms)),
    [wording.arm_label(results, arm).replace(' ', '\n', 1) for arm in arms],
  )
  ax.set_ylim(len(arms) - 0.5, -0.5)
  ax.grid(axis='y', visible=False)
  ax.tick_params(axis='y', length=0)
  if len(budgets) > 1:
    ax.figure.legend(loc='outside lower center', ncols=len(budgets), fontsize=9)


def _points(
  ax: Any,
  position: Any,
  estimates: list,
  *,
  scale: float = 100,
  sideways: bool = False,
  **style: Any,
) -> None:
  """Estimates with interval bars, upright or sideways; null is left out."""
  values, below, above = [], [], []
  for estimate in estimates:
    value = estimate['value']
    known = value is not None
    low, high = estimate['low'], estimate['high']
    values.append(scale * value if known else float('nan'))
    below.append(scale * (value - low) if known and low is not None else 0)
    above.append(scale * (high - value) if known and high is not None else 0)
  style |= dict(capsize=3, markersize=6, linewidth=1.6, elinewidth=1.4)
  # Rounding may put a bound a hair on the wrong side of the value.
  error = [[max(x, 0) for x in below], [max(x, 0) for x in above]]
  if sideways:
    ax.errorbar(values, position, xerr=error, **style)
  else:
    ax.errorbar(position, values, yerr=error, **style)


def _readable_ticks(ax: Any) -> None:
  from matplotlib import ticker

  ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 3), numticks=8))
  ax.xaxis.set_minor_locator(ticker.NullLocator())


def _model_label(results: Results, generator: str, *, alone: bool) -> str:
  """'WC: nano_wc (600 k)'; a pool that is alone needs no 'WC'."""
  model = (results.get('models') or {}).get(generator)
  if not model:
    return str(generator).upper()
  size = model.get('nominal_params') or model.get('exact_params')
  text = model['name'] if alone else f'{generator.upper()}: {model["name"]}'
  return f'{text} ({wording.si(size)})' if size else text


def _axes(height: float = 3.5) -> tuple[Any, Any]:
  from matplotlib.figure import Figure

  fig = Figure(figsize=(4.7, height), layout='constrained')
  ax = fig.add_subplot()
  ax.set_axisbelow(True)
  return fig, ax


def _png(fig: Any) -> bytes:
  from PIL import Image

  drawn, small = io.BytesIO(), io.BytesIO()
  fig.savefig(drawn, format='png', dpi=200)
  # A quarter of the size, for pages of many figures.
  image = Image.open(drawn).convert('RGB')
  image.quantize(48, dither=Image.Dither.NONE).save(small, 'png', optimize=True)
  return small.getvalue()
