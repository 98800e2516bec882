"""What docs/RESULTS.md says of an experiment is what its results.json says."""

import pathlib

import pytest

from wcse_jax.report import numbers, wording
from wcse_jax.results import types

ROOT = pathlib.Path(__file__).parents[1]
FOLDER = ROOT / 'docs' / 'results' / 'paper'
EXPERIMENTS = sorted(path.parts[-3] for path in FOLDER.glob('*/report/*.json'))


def rows(name):
  """The rows of a table: each pair of arms, its data and its students."""
  (results,) = types.read(FOLDER / name / 'report' / 'results.json').values()
  pairs = {
    (row.a, row.b): None
    for row in results.comparisons
    if row.metric == 'pass_at_1' and row.b != wording.BASE
  }
  for a, b in pairs:
    found = [
      results.comparison(metric, a, b) for metric in ('coverage', 'pass_at_1')
    ]
    gains = [numbers.interval(row and row.absolute, sign=True) for row in found]
    solved = [
      numbers.share(results.students[side].pass_at_1.value) for side in (a, b)
    ]
    sides = wording.against(results, found[1])
    budget = a.rpartition('-')[2]
    if found[1].matched:
      sides = f'{sides}, equal cost'
    said = ' | '.join(map(str, gains))
    yield f'| {sides} | {budget} | {said} | {" against ".join(solved)} |'


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_the_page_has_every_pair_of_students(name):
  page = (ROOT / 'docs' / 'RESULTS.md').read_text()
  _, _, section = page.partition(f'### `{name}`')
  section = section.partition('\n#')[0]
  expected = [*rows(name)]
  assert expected
  for row in expected:
    assert row in section, row


def test_no_result_is_left_out():
  page = (ROOT / 'docs' / 'RESULTS.md').read_text()
  assert (
    sorted(
      line.strip('# `\n') for line in page.splitlines() if line[:5] == '### `'
    )
    == EXPERIMENTS
  )
