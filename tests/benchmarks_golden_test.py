"""What golden.py finds in two workdirs: what differs, but for times."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = pathlib.Path(__file__).parents[1] / 'benchmarks'
SAMPLES = [
  {'generator': 'se', 'problem_id': f'p{i}', 'sample_index': 0, 'text': f' {i}'}
  for i in range(4)
]
VERDICTS = [
  {'generator': 'se', 'problem_id': f'p{i}', 'sample_index': 0, 'sound': None}
  for i in range(4)
]
LOSSES = [{'step': 1, 'loss': 0.5}, {'step': 2, 'loss': 0.1 + 0.2}]
RESULTS = {
  'run': {'seconds': {'sample': 1.5}, 'started': 'monday'},
  'arms': {'se': {'low': {'cost': {'device_seconds': 1.0, 'tokens': 7}}}},
  'winners': [
    {
      'flips': False,
      'rows': [
        {'matching': 'number', 'absolute': {'value': 0.1}},
        {'matching': 'seconds', 'absolute': {'value': 0.2}},
      ],
    }
  ],
}


@pytest.fixture
def golden(monkeypatch):
  monkeypatch.syspath_prepend(str(BENCHMARKS))
  import golden

  return golden


def write(
  folder,
  samples=SAMPLES,
  verdicts=VERDICTS,
  losses=LOSSES,
  results=RESULTS,
  took=1.0,
  split=2,
):
  """Writes a workdir in which everything took `took` seconds."""
  for stage, rows in (('sample/se', samples), ('verify/se', verdicts)):
    (folder / stage).mkdir(parents=True)
    for number, part in enumerate((rows[:split], rows[split:])):
      about = {'stage': stage, 'info': {'worker_seconds': took}}
      table = pa.Table.from_pylist(part).replace_schema_metadata(
        {b'wcse_jax': json.dumps(about).encode()}
      )
      pq.write_table(table, folder / stage / f'part-{number:05d}.parquet')
  manifest = {'fingerprint': 'f', 'time': f'{took}', 'sha256': f'{took}'}
  (folder / 'verify/se/_MANIFEST.json').write_text(json.dumps(manifest))
  (folder / 'seconds.json').write_text(str(took))
  (folder / 'finetune').mkdir()
  (folder / f'finetune/events.out.tfevents.{took}').write_text('')
  lines = ''.join(f'{json.dumps(row)}\n' for row in losses)
  (folder / 'finetune/metrics.jsonl').write_text(lines)
  (folder / 'report').mkdir()
  (folder / 'report/results.json').write_text(json.dumps(results))
  return folder


def changed(value, *path):
  """A copy of JSON in which the last of `path` stands where the others say."""
  *keys, last, new = path
  copy = json.loads(json.dumps(value))
  inner = copy
  for key in keys:
    inner = inner[key]
  inner[last] = new
  return copy


def compared(golden, tmp_path, ignored=(), **changes):
  """Returns what differs between a workdir and one with changes, by path."""
  sides = [
    golden.golden_workdir.read(write(tmp_path / name, **options))
    for name, options in (('before', {}), ('after', changes))
  ]
  return {
    difference.path: (difference.before, difference.after)
    for difference in golden.golden_compare.differences(*sides, '', ignored)
  }


def test_times_do_not_count(golden, tmp_path):
  slow = changed(RESULTS, 'run', 'seconds', {'sample': 9.5, 'verify': 1.0})
  slow = changed(slow, 'run', 'started', 'tuesday')
  cost = ('arms', 'se', 'low', 'cost')
  slow = changed(slow, *cost, 'device_seconds', 9.0)
  slow = changed(slow, 'winners', 0, 'flips', True)
  slow = changed(slow, 'winners', 0, 'rows', 1, 'absolute', 'value', 0.3)
  assert compared(golden, tmp_path, results=slow, took=9.0) == {}


@pytest.mark.parametrize(
  ('changes', 'path', 'values'),
  [
    (
      {'samples': changed(SAMPLES, 3, 'text', ' 3.')},
      'sample/se/rows.text.3',
      (' 3', ' 3.'),
    ),
    (
      {'verdicts': VERDICTS[:3]},
      'verify/se/rows.problem_id.3',
      ('p3', 'missing'),
    ),
    (
      {'verdicts': changed(VERDICTS, 1, 'sound', False)},
      'verify/se/rows.sound.1',
      (None, False),
    ),
    (
      {'losses': changed(LOSSES, 1, 'loss', 0.3)},
      'finetune/metrics.jsonl.1.loss',
      (0.1 + 0.2, 0.3),
    ),
    (
      {'results': changed(RESULTS, 'arms', 'se', 'low', 'cost', 'tokens', 7.0)},
      'report/results.json.arms.se.low.cost.tokens',
      (7, 7.0),
    ),
    (
      {
        'results': changed(
          RESULTS, 'winners', 0, 'rows', 0, 'absolute', 'value', 0.1 + 1e-16
        )
      },
      'report/results.json.winners.0.rows.number.absolute.value',
      (0.1, 0.1 + 1e-16),
    ),
    (
      {'results': changed(RESULTS, 'run', {'started': 'monday'})},
      'report/results.json.run.seconds',
      ({'sample': 1.5}, 'missing'),
    ),
  ],
)
def test_what_differs_is_found_where_it_is(
  golden, tmp_path, changes, path, values
):
  found = compared(golden, tmp_path, **changes)
  assert found[path] == values
  assert compared(golden, tmp_path / 'again', [f'*{path[9:]}'], **changes) == {
    other: values
    for other, values in found.items()
    if not other.endswith(path[9:])
  }


def test_the_order_of_samples_counts_and_that_of_verdicts_does_not(
  golden, tmp_path
):
  found = compared(golden, tmp_path / 'a', samples=SAMPLES[::-1])
  assert found['sample/se/rows.problem_id.0'] == ('p0', 'p3')
  assert compared(golden, tmp_path / 'b', verdicts=VERDICTS[::-1]) == {}


def test_parts_may_be_split_elsewhere(golden, tmp_path):
  assert compared(golden, tmp_path, split=3) == {}


def test_the_first_bit_of_a_checkpoint_is_found(golden):
  differences = golden.golden_compare.differences
  before = np.zeros((2, 3), np.float32)
  after = before.copy()
  after[1, 2] = -0.0
  assert list(differences({'w': before}, {'w': before.copy()})) == []
  (difference,) = differences({'w': before}, {'w': after})
  assert str(difference) == 'w.1,2: 0.0 -> -0.0'
  (difference,) = differences(before, before.astype(np.float64), 'w')
  assert str(difference) == "w: 'float32 (2, 3)' -> 'float64 (2, 3)'"


def test_a_page_is_what_a_reader_sees(golden):
  page = (
    '<style>p {}</style><p class="x">7 &lt; 8</p>\n<table><tr><td>a</td>'
    '<td>b</td></tr></table><img src="data:image/png;base64,AA">'
  )
  text = golden.golden_workdir.text
  lines = text(page)
  assert lines[:2] == ['7 < 8', 'a | b'] and len(lines) == 3
  assert text(page.replace('class="x"', 'id="y"')) == lines
  assert text(page.replace('AA', 'AB'))[:2] == lines[:2]
  assert text(page.replace('AA', 'AB')) != lines
