"""results.json is read and written as it is."""

import json

import golden_results as golden
import numpy as np
import pytest

from wcse_jax.analysis import intervals
from wcse_jax.results import types


def test_what_is_read_is_written_again():
  path = golden.WORKDIR / 'report' / 'results.json'
  written = types.encode(golden.RESULTS)
  assert json.loads(written) == json.loads(path.read_text())
  assert types.decode(written) == {'wc_distill': golden.RESULTS}
  both = golden.experiments(a=0.1, b=0.2)
  assert types.decode(types.encode(both)) == both


def test_files_with_the_names_of_before_are_read():
  """Both sides were WC and SE, whoever they were."""
  written = types.encode(golden.RESULTS)
  assert '"anchor_samples"' in written and '"se_samples"' not in written
  before = written.replace('anchor_samples', 'se_samples')
  before = before.replace('other_samples', 'wc_samples')
  assert types.decode(before) == types.decode(written)
  both = types.encode({'a': golden.RESULTS})
  of_before = both.replace('anchor_samples', 'se_samples')
  assert types.decode(of_before) == {'a': golden.RESULTS}


def test_numbers_keep_their_kind():
  """A whole number of parameters is not read as 591456.0."""
  params = golden.RESULTS.models['wc'].nominal_params
  assert isinstance(params, int)
  text = types.encode(
    golden.replace(golden.RESULTS, problems={'train': np.int64(7)})
  )
  assert '"train": 7\n' in text


def test_nan_and_infinity_are_never_written():
  made = types.Estimate.of(intervals.Estimate(np.nan, 0.1, float('inf')))
  assert made == types.Estimate(value=None, low=0.1, high=None)
  bad = golden.compared(
    *(golden.RESULTS, 'coverage', 'wc_compute_matched-low', 'se-low'),
    mde=float('nan'),
  )
  with pytest.raises(ValueError, match='not JSON compliant'):
    types.encode(bad)


def test_results_cannot_be_changed():
  with pytest.raises(AttributeError):
    golden.RESULTS.schema_version = 3


@pytest.mark.parametrize(
  ('low', 'high', 'direction'),
  [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (0, 1, 0), (None, 1, 0)],
)
def test_a_direction_is_told_by_both_bounds(low, high, direction):
  made = types.Estimate(value=0.15, low=low, high=high)
  assert made.direction == direction


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"schema_version": 2}'])
def test_other_files_are_refused(text):
  with pytest.raises(types.SchemaError, match='no results'):
    types.decode(text)
