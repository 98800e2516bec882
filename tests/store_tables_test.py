"""Records as tables, and back, bit for bit."""

import pandas as pd
import pyarrow as pa

from wcse_jax import records, store


def test_columns_are_those_promised():
  assert store.SAMPLES.names == [
    'generator',
    'problem_id',
    'sample_index',
    'text',
    'num_tokens',
    'num_prompt_tokens',
    'finish_reason',
    'logprob',
  ]
  assert store.VERDICTS.names == [
    'generator',
    'problem_id',
    'sample_index',
    'verdict',
    'answer',
    'rule',
    'sound',
  ]
  assert store.SAMPLES.field('sample_index').type == pa.int32()
  assert store.SAMPLES.field('logprob').type == pa.float64()
  assert [f.name for f in store.VERDICTS if f.nullable] == ['sound']


def test_records_survive_bit_for_bit_and_pandas_reads_them(tmp_path):
  samples = [
    records.Sample(
      generator='wc',
      problem_id=f'p{i}',
      sample_index=i,
      text=' a\n"é" \U0001f600',
      num_tokens=3,
      num_prompt_tokens=500,
      finish_reason='stop',
      logprob=-0.1 / 3**i,
    )
    for i in range(3)
  ]
  verdicts = [
    records.Verdict(
      generator='wc',
      problem_id='p',
      sample_index=i,
      verdict='unknown',
      answer='',
      rule='timeout',
      sound=sound,
    )
    for i, sound in enumerate((True, False, None))
  ]
  for name, rows, schema in (
    ('sample/wc', samples, store.SAMPLES),
    ('verify/wc', verdicts, store.VERDICTS),
  ):
    stage = store.Store(tmp_path).stage(name, {})
    path = stage.write_part(store.to_table(rows, schema), schema)
    assert path == tmp_path / name / 'part-00000.parquet'
    assert store.from_table(stage.read_parts(), type(rows[0])) == rows
    frame = pd.read_parquet(path)
    assert list(frame.columns) == schema.names and len(frame) == 3
  assert store.from_table(None, records.Sample) == []
