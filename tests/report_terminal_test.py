"""The closing summary, for the terminal."""

import re

import golden_results as golden
import pytest

from wcse_jax.report import outcomes, page, terminal, wording
from wcse_jax.report.figures import draw
from wcse_jax.results.types import Source

RESULTS = golden.RESULTS


@pytest.mark.parametrize('results', [RESULTS, golden.alone()])
def test_summary_fits_a_terminal(results):
  label = 'a label that goes on and on ' * 4
  results = golden.cell(results, 'se', 'high', label=label)
  results = golden.run(results, name='wc_' * 50)
  text = terminal.render(results)
  assert text.isascii()
  assert max(map(len, text.splitlines())) <= terminal.WIDTH
  assert outcomes.main(results)[0][:40] in text


def test_a_base_that_was_asked_behind_examples_is_called_so():

  base = golden.replace(RESULTS.students[wording.BASE], few_shot=True)
  results = golden.replace(
    RESULTS, students=RESULTS.students | {wording.BASE: base}
  )
  assert re.search('^base student, few-shot ', terminal.render(results), re.M)
  assert 'few-shot' not in terminal.render(RESULTS)
  assert 'against the base student, few-shot)' in _untaught(results)


def _untaught(results):
  """What is said where human-written data teach nothing."""
  none = golden.estimate(0.0, 0.1)
  compared = [
    golden.replace(c, absolute=none) if c.b == wording.BASE else c
    for c in results.comparisons
  ]
  results = golden.replace(results, comparisons=tuple(compared))
  return ' '.join(outcomes.main(results))


def test_summary_shows_estimates_with_intervals():
  text = terminal.render(RESULTS)
  assert re.search(r'^SE +high 3 +87\.5 \[62\.5,100\.0\]', text, re.M), text
  assert re.search(
    r'^WC compute-matched +high +32 +33\.3 \[0\.0,100\.0\]', text, re.M
  ), text


@pytest.mark.parametrize(
  ('name', 'exact', 'said'),
  [
    ('steps', True, 'an exact check of the steps'),
    ('steps', False, 'a check of the steps that does not see every fault'),
    ('judge', False, 'a language model'),
    ('people', False, 'people'),
  ],
)
def test_who_says_what_a_false_positive_is(name, exact, said):
  """A rate of slips in equations passed for that of wrong reasoning."""
  source = Source(name=name, exact=exact)
  results = golden.replace(RESULTS, fpr_source=source)
  assert f'False positives are by {said}.' in page.render(results, [])
  text = terminal.render(results)
  assert (f'FPR by {said}.' in text) != exact
  captions = {picture.name: picture.caption for picture in draw(results)}
  caption = captions['false_positive_rate']
  assert ('whose steps do not hold' if exact else f'by {said}:') in caption
  unknown = golden.replace(RESULTS, fpr_source=None)
  assert 'FPR by' not in terminal.render(unknown)
