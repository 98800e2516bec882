"""Overlap between training and test problems: counts and bounds."""

import json

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import store
from wcse_jax.analysis import overlap

_TRAIN = {'a': 'One two three four five.', 'b': 'six SEVEN', 'c': ''}


@pytest.mark.parametrize(
  ('text', 'n', 'expected'),
  [
    ('zero one, two: Three!', 3, [('a', 0.5)]),
    ('zero one, two', 3, []),
    ('one two three four five', 3, [('a', 1.0)]),
    ('two one three two four', 1, [('a', 1.0)]),
    ('Six seven', 3, [('b', 1.0)]),  # shorter than n: as a whole
    ('six seven eight', 3, []),
    ('', 3, []),
    ('\\frac{six}{seven}', 2, [('b', 0.5)]),
  ],
)
def test_find(text, n, expected):
  found = overlap.find(_TRAIN, {'t': text}, n)
  assert [(o.train_id, o.share) for o in found] == expected


def test_report():
  test = {'y': 'four five six', 'x': 'one two three four five', 'z': 'no'}
  report = overlap.report(_TRAIN | {'d': 'four five'}, test, 2)
  assert msgspec.to_builtins(report) == {
    'n': 2,
    'train': 4,
    'test': 3,
    'pairs': 4,
    'test_overlapping': 2,
    'test_more_than_half': 1,
    'test_whole': 1,
    'worst': (
      {'test_id': 'x', 'train_id': 'a', 'share': 1.0},
      {'test_id': 'y', 'train_id': 'a', 'share': 0.5},
    ),
  }
  assert len(overlap.report(_TRAIN, test, 2, listed=1).worst) == 1
  assert overlap.report({}, test).worst == ()
  with pytest.raises(ValueError, match='n = 0'):
    overlap.report(_TRAIN, test, 0)


def test_command_line(tmp_path, capsys):
  row = {name: '' for name in store.PROBLEMS.names} | {'level': 0}
  rows = [
    row | {'problem_id': 'p', 'split': 'train', 'question': 'one two three'},
    row | {'problem_id': 'q', 'split': 'test', 'question': 'One two four'},
  ]
  path = tmp_path / 'problems.parquet'
  pq.write_table(pa.Table.from_pylist(rows, schema=store.PROBLEMS), path)
  overlap.main([str(path), '--n=2'])
  report = json.loads(capsys.readouterr().out)
  assert report['test_overlapping'] == 1
  assert report['worst'] == [{'test_id': 'q', 'train_id': 'p', 'share': 0.5}]
