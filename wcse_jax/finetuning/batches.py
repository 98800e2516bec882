"""Batches of a packed training table: batch t is a pure function of t."""

import dataclasses
import functools
import math

import numpy as np
import pyarrow as pa

from wcse_jax.experiment import arguments
from wcse_jax.experiment.rules import at_least
from wcse_jax.experiment.sections import FinetuneSpec
from wcse_jax.finetuning import FinetuneError

COLUMNS = {
  'tokens': np.int32,
  'targets': np.int32,
  'loss_weights': np.float32,
  'positions': np.int32,
  'segment_ids': np.int32,
}


@dataclasses.dataclass(frozen=True)
class Batches:
  """A packed table, read in an order that the seed gives.

  Batch sizes and steps count examples, as the paper's do; a batch is as many
  packed rows as hold `batch_size` examples on average, and there are as many
  batches as show the student `steps * batch_size` examples.

  Attributes:
    table: The columns, of shape [rows, row_tokens] each.
    examples: Number of examples in the whole table.
    rows: Number of packed rows of a batch.
    num_batches: Number of batches in all.
    seed: The seed of the order, a new permutation of the rows in each epoch.
  """

  table: dict[str, np.ndarray]
  examples: int
  rows: int
  num_batches: int
  seed: int

  def __getitem__(self, t: int) -> dict[str, np.ndarray]:
    """Returns batch t: columns of shape [rows, row_tokens]."""
    size = len(self.table['tokens'])
    at = range(t * self.rows, (t + 1) * self.rows)
    index = [_permutation(self.seed, i // size, size)[i % size] for i in at]
    return {name: column[index] for name, column in self.table.items()}


@functools.lru_cache(maxsize=2)  # a batch may go over the end of an epoch
def _permutation(seed: int, epoch: int, size: int) -> np.ndarray:
  rng = np.random.Generator(np.random.PCG64([seed, epoch]))
  return rng.permutation(size)


def make(
  table: dict[str, np.ndarray], *, batch_size: int, steps: int, seed: int
) -> Batches:
  """Lays out as packed rows what a student is shown.

  Args:
    table: Columns as `columns` returns them.
    batch_size: Examples of a step.
    steps: Number of steps.
    seed: The seed of the order.

  Raises:
    ArgumentError: `batch_size` or `steps` is less than 1.
    FinetuneError: No target of the table counts.
  """
  arguments.check(FinetuneSpec, batch_size=batch_size)
  arguments.check_as(int, at_least(1), steps=steps)
  if not np.any(table['loss_weights']):
    raise FinetuneError(
      'the training mix is empty: it has no solution to learn from. Raise the'
      ' budget or task.num_train, or leave this arm out.'
    )
  examples = int(table['segment_ids'].max(axis=1).sum())
  per_row = examples / len(table['tokens'])
  rows = max(1, round(batch_size / per_row))
  num_batches = math.ceil(steps * batch_size / (rows * per_row))
  return Batches(table, examples, rows, num_batches, seed)


def columns(table: pa.Table) -> dict[str, np.ndarray]:
  """The columns of a packed table, as `packing.Packed.table` writes them."""
  return {
    name: np.reshape(
      table[name].combine_chunks().flatten().to_numpy(),
      (-1, table.schema.field(name).type.list_size),
    ).astype(dtype)
    for name, dtype in COLUMNS.items()
  }
