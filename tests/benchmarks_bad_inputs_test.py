"""A few of the bad inputs that `benchmarks/bad_inputs.py` tries."""

import itertools
import pathlib
import random
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import bad_inputs  # noqa: E402
from bad_values import Case  # noqa: E402

from wcse_jax import errors  # noqa: E402

# Of each group, so many as take seconds; `tried` says what became of one.
NUMBERS = {'config': 60, 'files': 8, 'external': 60, 'calls': 60}
SEED = 0


@pytest.mark.parametrize('group', NUMBERS)
def test_none_ends_in_a_traceback(group, tmp_path):
  cases = [*bad_inputs.GROUPS[group](tmp_path)]
  some = random.Random(SEED).sample(cases, NUMBERS[group])
  ends = {case.name: bad_inputs.tried(case) for case in some}
  faults = {
    name: end for name, end in ends.items() if end not in ('taken', 'refused')
  }
  assert not faults
  assert 'refused' in ends.values()


def test_there_are_hundreds():
  groups = ('config', 'calls')
  cases = (bad_inputs.GROUPS[group](pathlib.Path()) for group in groups)
  assert len([*itertools.chain(*cases)]) > 400


def test_what_is_no_error_of_the_project_counts():
  def raising(error):
    raise error

  for error, end in (
    (errors.Error('no', 'do this'), 'refused'),
    (errors.Error(), 'an error without a remedy: Error('),
    (KeyError('x'), "KeyError: 'x' (benchmarks_bad_inputs_test.py:"),
    (SystemExit(2), 'SystemExit: 2'),
  ):
    case = Case('it', lambda error=error: raising(error))
    assert bad_inputs.tried(case).startswith(end)
  assert bad_inputs.tried(Case('it', lambda: None)) == 'taken'


def test_what_says_nothing_counts(monkeypatch):
  monkeypatch.setattr(bad_inputs, '_PATIENCE_S', 1)

  def endless():
    while True:
      pass

  said = bad_inputs.tried(Case('it', endless))
  assert said.startswith('bad_inputs.SlowError')
