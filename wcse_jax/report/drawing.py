"""What figures are drawn with: axes, styles, points with bars, rows of arms."""

from collections.abc import Iterable, Sequence
import io
import itertools
from typing import Any

import numpy as np

from wcse_jax.report import wording
from wcse_jax.results.types import Estimate, Results

INK = '#555555'
# Colours of Okabe and Ito, told apart with any colour vision.
BLUE = '#0072B2'
_LOOKS = ('color', 'marker', 'linestyle')
_OWN = {
  'wc': (BLUE, 'o', '-'),
  'se': ('#D55E00', 's', '--'),
  'wc_compute_matched': (BLUE, 'o', '-'),
  'wc_number_matched': ('#56B4E9', '^', '-'),
  'reference': ('#009E73', 'D', '-'),
}
_OTHERS = (
  ('#CC79A7', 'v', '-.'),
  ('#000000', 'P', ':'),
  ('#E69F00', 'X', '-.'),
  ('#999999', '<', ':'),
)
STYLE = 'wcse_jax.report.figures'  # figures.mplstyle, as matplotlib names it


def axes(height: float = 3.5) -> tuple[Any, Any]:
  """A figure of one pair of axes."""
  from matplotlib.figure import Figure

  fig = Figure(figsize=(4.7, height), layout='constrained')
  ax = fig.add_subplot()
  ax.set_axisbelow(True)
  return fig, ax


def png(fig: Any) -> bytes:
  """The figure as a PNG of few colours: a quarter of the size."""
  from PIL import Image

  drawn, small = io.BytesIO(), io.BytesIO()
  fig.savefig(drawn, format='png', dpi=200)
  image = Image.open(drawn).convert('RGB')
  image.quantize(48, dither=Image.Dither.NONE).save(small, 'png', optimize=True)
  return small.getvalue()


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
  """The style of each arm or pool; of those without one of their own, in turn.

  >>> list(styles(['se', 'se@1.2'])['se@1.2'].values())
  ['#CC79A7', 'v', '-.']
  """
  others = itertools.cycle(_OTHERS)
  return {
    name: dict(zip(_LOOKS, _OWN.get(name) or next(others), strict=True))
    for name in dict.fromkeys(names)
  }


def filled(i: int, count: int) -> dict[str, Any]:
  """How the marker of the i-th budget is filled: less or more of it."""
  if i == count - 1:
    return {}
  if not i:
    return {'markerfacecolor': 'white'}
  style = ('bottom', 'left', 'top', 'right')[(i - 1) % 4]
  return {'fillstyle': style, 'markerfacecoloralt': 'white'}


def points(
  ax: Any,
  position: Any,
  estimates: Sequence[Estimate],
  *,
  scale: float = 100,
  sideways: bool = False,
  **style: Any,
) -> None:
  """Draws estimates with interval bars; what is not known is left out.

  Args:
    ax: The axes.
    position: The place of each estimate across its axis.
    estimates: What is drawn.
    scale: Factor of the estimates.
    sideways: Whether estimates go to the right, or up.
    **style: Arguments of matplotlib's `errorbar`.
  """
  value, low, high = np.array(
    [[of.value, of.low, of.high] for of in estimates], float
  ).T
  # What is not known has no bar; rounding may put a bound a hair on the wrong
  # side of the value.
  bars = np.nan_to_num(scale * np.array([value - low, high - value]).clip(0))
  style |= dict(capsize=3, markersize=6, linewidth=1.6, elinewidth=1.4)
  if sideways:
    ax.errorbar(scale * value, position, xerr=bars, **style)
  else:
    ax.errorbar(position, scale * value, yerr=bars, **style)


def named_line(ax: Any, x: float, name: str, **style: Any) -> None:
  """An upright line with its name above."""
  ax.axvline(x, **style)
  above = {'xycoords': ('data', 'axes fraction'), 'va': 'bottom'}
  ax.annotate(name, (x, 1), ha='center', fontsize=8, color=INK, **above)


def name_rows(ax: Any, names: Sequence[str]) -> None:
  """Names the rows 0, 1, ... of a figure, without lines between them."""
  ax.set_yticks(range(len(names)), names)
  ax.grid(axis='y', visible=False)
  ax.tick_params(axis='y', length=0)


def name_budgets(
  ax: Any, budgets: Sequence[str], markers: Sequence[dict[str, Any]]
) -> None:
  """A legend of the markers of budgets."""
  for budget, marker in zip(budgets, markers, strict=True):
    style = {'linestyle': 'none', 'color': '#333333', **marker}
    ax.plot([], [], label=f'{budget} budget', **style)


def rows(
  ax: Any, results: Results, cells: Sequence[tuple[str, str, Estimate]]
) -> None:
  """A row for each arm, in it a point for each budget: hollow to full.

  Args:
    ax: The axes.
    results: Name the arms and the order of the budgets.
    cells: Arm, budget and estimate.
  """
  arms = list(dict.fromkeys(arm for arm, _, _ in cells))
  drawn = {budget for _, budget, _ in cells}
  budgets = [budget for budget in results.budgets if budget in drawn]
  by_arm = styles(arms)
  for arm, budget, estimate in cells:
    i = budgets.index(budget)
    style = {name: by_arm[arm][name] for name in ('color', 'marker')}
    points(
      ax,
      arms.index(arm) + 0.26 * (i - (len(budgets) - 1) / 2),
      [estimate],
      sideways=True,
      linestyle='none',
      **style,
      **filled(i, len(budgets)),
    )
  count = len(budgets)
  marks = [{'marker': 'o', **filled(i, count)} for i in range(count)]
  name_budgets(ax, budgets, marks)
  labels = [wording.arm_label(results, arm) for arm in arms]
  name_rows(ax, [label.replace(' ', '\n', 1) for label in labels])
  ax.set_ylim(len(arms) - 0.5, -0.5)
  if count > 1:
    ax.figure.legend(loc='outside lower center', ncols=count, fontsize=9)
