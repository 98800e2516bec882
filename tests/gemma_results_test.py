"""What is said of Gemma 3 270M's run is what its results say."""

import pathlib

import pytest

from wcse_jax.report import numbers
from wcse_jax.results import types

ROOT = pathlib.Path(__file__).parents[1]
PATH = ROOT / 'docs' / 'results' / 'gemma3_270m' / 'report' / 'results.json'


@pytest.fixture(scope='module')
def results():
  (found,) = types.read(PATH).values()
  return found


@pytest.mark.parametrize(
  'page', ['docs/GEMMA_270M.md', 'launch/colab/2_your_gemma.ipynb']
)
def test_the_table_has_every_student_and_its_gain(results, page):
  page = (ROOT / page).read_text()
  gains = {
    row.a: row.absolute
    for row in results.comparisons
    if row.b == 'base' and row.metric == 'pass_at_1'
  }
  assert len(results.students) == 4 and len(gains) == 3
  for name, student in results.students.items():
    solved = numbers.interval(student.pass_at_1, unit='%')
    gain = numbers.interval(gains.get(name), sign=True)
    assert f'| {student.examples} | {solved} |' in page, name
    if name in gains:
      value, low, high = gain
      assert f'| {value} points [{low}, {high}] |' in page, name


def test_the_first_pages_say_the_same(results):
  before, after = (
    numbers.share(results.students[name].pass_at_1.value)
    for name in ('base', 'se-high')
  )
  for page in ('README.md', 'configs/gemma3_270m.py'):
    text = (ROOT / page).read_text()
    assert before in text and after in text
    assert '+15.0 points [+11.8, +18.2]' in text
