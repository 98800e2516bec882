"""Every row of an external file becomes a sample or is listed with a reason."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wcse_jax import store
from wcse_jax.records import Sample
from wcse_jax.sampling import external

PROBLEMS = ('p0', 'p1')
ROW = {
  'problem_id': 'p0',
  'model': 'pro',
  'text': ' 1+1=2.',
  'num_tokens': 9,
  'num_prompt_tokens': 100,
}


def read(folder, *lines, name='samples.jsonl'):
  path = folder / name
  path.write_bytes(
    b'\n'.join(
      line if isinstance(line, bytes) else json.dumps(line).encode()
      for line in lines
    )
  )
  return external.read(path, 'pro', 'se', PROBLEMS)


def test_a_row_becomes_a_sample(tmp_path):
  full = {
    **ROW,
    'sample_index': 4,
    'finish_reason': 'length',
    'logprob': -2,
    'temperature': 0.7,  # a column that nobody asked for
  }
  samples, _ = read(tmp_path, ROW, full)
  assert samples[1] == Sample(
    generator='se',
    problem_id='p0',
    sample_index=4,
    text=' 1+1=2.',
    num_tokens=9,
    num_prompt_tokens=100,
    finish_reason='length',
    logprob=-2.0,
  )
  assert samples[0].generator == 'se' and samples[0].finish_reason == 'eos'
  assert math.isnan(samples[0].logprob)
  assert store.to_table(samples, store.SAMPLES).num_rows == 2  # it can be kept


def test_rows_without_index_are_counted_by_problem(tmp_path):
  rows = [ROW, ROW, {**ROW, 'problem_id': 'p1'}, ROW]
  samples, _ = read(tmp_path, *rows)
  assert [s.sample_index for s in samples] == [0, 1, 0, 2]


@pytest.mark.parametrize(
  'row, reason',
  [
    (b'{"text": ', 'not JSON'),
    (b'\xff\xfe', 'not JSON'),
    (b'[' * 100_000, 'not JSON'),
    (b'7', 'not an object'),
    ({**ROW, 'problem_id': 'p9'}, "unknown problem_id 'p9'"),
    ({**ROW, 'problem_id': 0}, 'problem_id = 0: give a text'),
    ({**ROW, 'model': 'gpt'}, "unknown model 'gpt'; known: pro"),
    ({**ROW, 'text': None}, 'no text: give a text'),
    ({**ROW, 'text': ' \n'}, 'text is empty'),
    ({**ROW, 'text': '\ud800'}, 'whole characters'),
    ({**ROW, 'num_tokens': -1}, 'num_tokens = -1: give a whole number'),
    ({**ROW, 'num_tokens': '9'}, "num_tokens = '9': give a whole number"),
    ({**ROW, 'num_tokens': True}, 'num_tokens = True: give a whole number'),
    (
      {**ROW, 'num_tokens': 2**31},
      f'num_tokens = {2**31}: give a whole number',
    ),
    ({**ROW, 'num_tokens': 10**400}, 'num_tokens = 1000'),
    ({**ROW, 'num_prompt_tokens': 1.5}, 'num_prompt_tokens = 1.5: give'),
    ({**ROW, 'num_prompt_tokens': None}, 'no num_prompt_tokens: give a whole'),
    ({**ROW, 'num_tokens': float('nan')}, 'num_tokens = nan: give a whole'),
    ({**ROW, 'num_tokens': {'a': 1}}, 'num_tokens = '),
    ({**ROW, 'finish_reason': 'a`b.c`'}, "'a`b.c`': give eos, stop or length"),
    ({**ROW, 'logprob': 0.5}, 'logprob = 0.5: give a number, 0 or less'),
    ({**ROW, 'logprob': -(10**400)}, 'logprob = -1000'),
    ({**ROW, 'sample_index': -1}, 'sample_index = -1: give a whole number'),
    (b'{"text": "a", "model": "m", "text": "b"}', 'text is there 2 times'),
    (b'["text", "a"]', 'not an object'),
    (b'{"num_tokens": ' + b'9' * 5000 + b'}', 'not JSON'),
  ],
)
def test_a_bad_row_is_listed_with_line_and_reason(tmp_path, row, reason):
  samples, (bad,) = read(tmp_path, ROW, b'', row, ROW)
  assert [s.sample_index for s in samples] == [0, 1]
  assert bad.startswith(f'{tmp_path / "samples.jsonl"}:3: ')
  assert reason in bad


def test_duplicates_are_named_with_the_first(tmp_path):
  indexed = {**ROW, 'sample_index': 0}
  samples, bad_rows = read(tmp_path, indexed, {**indexed, 'text': 'other'})
  assert [s.text for s in samples] == [' 1+1=2.']
  path = tmp_path / 'samples.jsonl'
  assert bad_rows == [
    f"{path}:2: problem_id 'p0' has sample 0 of 'pro' already, at {path}:1"
  ]


def test_no_row_is_dropped(tmp_path):
  rows = [
    {**ROW, 'sample_index': i % 7, 'num_tokens': i % 5 - 1} for i in range(50)
  ]
  samples, bad_rows = read(tmp_path, *rows)
  assert len(samples) + len(bad_rows) == 50
  assert len(samples) == 7


def test_parquet_is_read_as_json_lines_are(tmp_path):
  rows = [
    {**ROW, 'sample_index': 0.0},  # as pandas writes a column with gaps
    {**ROW, 'sample_index': None},
    {**ROW, 'problem_id': 'p9', 'sample_index': 0.0},
  ]
  path = tmp_path / 'samples.parquet'
  pq.write_table(pa.Table.from_pylist(rows), path)
  samples, bad_rows = external.read(path, 'pro', 'se', PROBLEMS)
  assert [s.sample_index for s in samples] == [0, 1]
  assert bad_rows == [f"{path}:3: unknown problem_id 'p9'"]


def test_columns_that_nobody_asked_for_are_not_read(tmp_path):
  """A time that Python cannot hold, a name that comes twice."""
  path = tmp_path / 'samples.parquet'
  far = pa.array([2**62], pa.timestamp('ms'))
  table = pa.Table.from_pylist([ROW]).append_column('sampled', far)
  pq.write_table(table, path)
  assert len(external.read(path, 'pro', 'se', PROBLEMS)[0]) == 1
  assert external.first_model(path) == 'pro'
  pq.write_table(pa.table({'problem_id': far}), path)
  with pytest.raises(external.ExternalError, match='cannot be read'):
    external.read(path, 'pro', 'se', PROBLEMS)
  line = json.dumps(ROW)[:-1] + ', "meta": {"a": 1, "a": 2}, "meta": 3}'
  assert len(read(tmp_path, line.encode())[0]) == 1


@pytest.mark.parametrize('name', ['none.jsonl', 'none.parquet', 'samples.csv'])
def test_an_unreadable_file_is_named(tmp_path, name):
  with pytest.raises(external.ExternalError, match=f'{name} cannot be read'):
    external.read(tmp_path / name, 'pro', 'se', PROBLEMS)


def test_a_damaged_parquet_file_is_named(tmp_path):
  path = tmp_path / 'samples.parquet'
  path.write_bytes(b'PAR1 nothing PAR1')
  with pytest.raises(external.ExternalError, match='cannot be read'):
    external.read(path, 'pro', 'se', PROBLEMS)


def test_more_samples_than_there_are_is_refused_with_the_remedy(tmp_path):
  rows = [{**ROW, 'problem_id': p} for p in ('p0', 'p0', 'p1', 'p0')]
  samples, _ = read(tmp_path, *rows)
  external.require(samples, 'se', PROBLEMS, 1)
  for budget, remedy in (
    (4, ', or plan with budgets of at most 4 samples of SE per problem'),
    (0, '.'),
  ):
    with pytest.raises(external.ExternalError) as error:
      external.require(samples, 'se', PROBLEMS, 3, {1: budget}.get)
    assert str(error.value).startswith(
      'se: 1 of 2 problems have fewer than 3 samples, counted from index 0:'
      f' p1 has 1.\nAdd rows for them{remedy}'
    )


def test_problems_that_arms_do_not_share_are_named(tmp_path):
  samples, _ = read(tmp_path, ROW, ROW)
  for names, remedy in (
    (('p0', 'p1'), ', or plan with the first problems, which have some (config'
     '.task.num_train = 1).'),
    (('p1', 'p0'), '.'),
  ):  # fmt: skip
    with pytest.raises(external.ExternalError) as error:
      external.require(samples, 'se', names, 5)
    assert str(error.value) == (
      'Arms do not share problems.\nse: 1 of 2 problems have no samples:'
      f' p1.\nAdd rows for them{remedy}'
    )


def test_a_file_that_was_copied_into_itself_is_not_twice_as_many(tmp_path):
  rows = [
    {**ROW, 'problem_id': p, 'text': text}
    for p, text in (('p0', 'a'), ('p1', 'b'), ('p0', 'a'), ('p1', 'c'))
  ]
  samples, bad_rows = read(tmp_path, *rows, *rows)
  assert [s.text for s in samples] == ['a', 'b', 'a', 'c']
  assert len(bad_rows) == 4
  path = tmp_path / 'samples.jsonl'
  assert bad_rows[1] == (
    f"{path}:6: a copy of {path}:2, as all 4 are of 'pro' from {path}:5 on:"
    ' delete them, or give each row its sample_index'
  )
  numbered = [{**row, 'sample_index': i // 2} for i, row in enumerate(2 * rows)]
  for good in (rows, [*rows, *rows[:3]], numbered):
    samples, bad_rows = read(tmp_path, *good)
    assert (len(samples), bad_rows) == (len(good), [])


def test_a_gap_in_the_indices_ends_what_can_be_used(tmp_path):
  rows = [{**ROW, 'sample_index': i} for i in (0, 2, 3)]
  samples, _ = read(tmp_path, *rows)
  with pytest.raises(external.ExternalError, match='p0 has 1'):
    external.require(samples, 'se', ['p0'], 2)
