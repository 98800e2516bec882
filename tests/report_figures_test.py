"""The figures."""

import golden_results as golden

from wcse_jax.report import drawing, figures


def drawn(monkeypatch, results):
  """The figures as matplotlib has them, by name."""
  monkeypatch.setattr(drawing, 'png', lambda fig: fig)
  return {picture.name: picture.png for picture in figures.draw(results)}


def test_budgets_are_told_apart_without_colour(monkeypatch):
  results = golden.RESULTS
  arms = {
    arm: {**budgets, '3': budgets['high']}
    for arm, budgets in results.arms.items()
  }
  fig = drawn(monkeypatch, golden.replace(results, arms=arms))
  fills = {
    (line.get_fillstyle(), line.get_markerfacecolor())
    for line in fig['false_positive_rate'].axes[0].get_lines()
    if 'budget' in str(line.get_label())
  }
  assert len(fills) == 3


def test_other_arms_differ_from_one_another():
  styles = drawing.styles(['se', 'se@1.0', 'se@1.3', 'se+wc_compute_matched'])
  assert len({style['marker'] for style in styles.values()}) == 4
  assert styles['se'] == drawing.styles(['se@1.0', 'se'])['se']


def test_the_kept_checkpoint_has_a_ring(monkeypatch):
  students = dict(golden.RESULTS.students)
  students['se-low'] = golden.replace(
    students['se-low'], validation=((10, 0.2), (20, 0.5)), best_step=20
  )
  results = golden.replace(golden.RESULTS, students=students)
  curve, ring = drawn(monkeypatch, results)['validation'].axes[0].get_lines()
  assert curve.get_xydata().tolist() == [[50, 20], [100, 50]]
  assert ring.get_xydata().tolist() == [[100, 50]]


def test_intervals_have_both_bounds(monkeypatch):
  fig = drawn(monkeypatch, golden.RESULTS)['student_accuracy']
  (bars, *_) = fig.axes[0].collections
  (low, _), (high, _) = bars.get_segments()[0]
  of = golden.RESULTS.students['se-low'].pass_at_1
  assert (low, high) == (100 * of.low, 100 * of.high)
