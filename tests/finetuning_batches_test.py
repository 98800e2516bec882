"""Batches count examples, and are a pure function of table, seed and number."""

from finetuning_step_test import table
import numpy as np
import pyarrow as pa
import pytest

from wcse_jax.finetuning import FinetuneError, batches


def make(seed=3):
  return batches.make(table(), batch_size=4, steps=9, seed=seed)


def test_batches_count_examples_and_cover_every_row():
  plan = make()
  assert plan.examples == 18
  assert plan.rows == 2  # of two examples each
  assert plan.num_batches == 9  # 36 examples: two epochs
  rows = np.concatenate([plan[t]['targets'] for t in range(9)])
  first, second = rows[:9].tolist(), rows[9:].tolist()
  assert sorted(first) == sorted(second) == sorted(table()['targets'].tolist())
  assert first != second, 'each epoch has its own order'


def test_a_batch_depends_on_its_number_and_the_seed_alone():
  plan = make()
  plan[0], plan[8]
  np.testing.assert_array_equal(make()[7]['tokens'], plan[7]['tokens'])
  assert not (make(seed=4)[0]['tokens'] == plan[0]['tokens']).all()


def test_columns_are_read_as_they_were_written():
  written = pa.table(
    {
      name: pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), 24)
      for name, column in table().items()
    }
  )
  read = batches.columns(pa.concat_tables([written[:4], written[4:]]))
  for name, column in table().items():
    np.testing.assert_array_equal(read[name], column)
    assert read[name].dtype == column.dtype


def test_a_mix_without_a_solution_is_refused():
  empty = dict(table(), loss_weights=np.zeros((9, 24), np.float32))
  for mix in (empty, {name: column[:0] for name, column in table().items()}):
    with pytest.raises(FinetuneError, match='training mix is empty'):
      batches.make(mix, batch_size=4, steps=9, seed=0)
