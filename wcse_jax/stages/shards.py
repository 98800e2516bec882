"""Rows that are committed in shards as they come, and those still missing."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import pyarrow as pa

from wcse_jax import store
from wcse_jax.records import Keyed
from wcse_jax.runtime import progress

# By kind of stage: the schema of its rows, and what they are, for people.
_KINDS = {
  'sample': (store.SAMPLES, 'samples'),
  'verify': (store.VERDICTS, 'verdicts'),
  'judge': (store.VERDICTS, 'judgements'),
  'evaluate': (store.SAMPLES, 'samples'),
}


def commit(
  stage: store.Stage,
  rows: Iterable,
  total: int,
  shard_rows: int,
  info: Callable[[], dict[str, Any]] = dict,
  then: Callable[[Sequence[Any]], Any] = lambda shard: None,
) -> None:
  """Commits rows in shards as they come; on an interrupt what there is.

  Args:
    stage: Where they are committed.
    rows: The records to commit.
    total: How many they are, for progress.
    shard_rows: The rows of a shard.
    info: Tells how a part was made, when it is committed.
    then: What to do with the rows of a part that was committed.
  """
  schema, unit = _KINDS[stage.name.split('/')[0]]
  shard: list[Any] = []

  def flush():
    if shard:
      with progress.whole():  # or the rows come twice, or their costs nowhere
        stage.write_part(store.to_table(shard, schema), schema, info())
        done = shard.copy()
        shard.clear()  # first: it is committed, whatever `then` raises
      then(done)

  try:
    for row in progress.of(rows, stage.name, total, unit):
      shard.append(row)
      if len(shard) == shard_rows:
        flush()
  finally:
    flush()


def missing[T: Keyed](
  stage: store.Stage, wanted: Sequence[T], generator: str = ''
) -> list[T]:
  """Returns those of the wanted rows that the stage does not have.

  Args:
    stage: What was committed.
    wanted: Samples, or what asks for them.
    generator: Whose rows count; '' counts all.
  """
  lacking = left(stage, wanted, generator)
  there = len(wanted) - len(lacking)
  if there and lacking:
    print(f'{stage.name}: {there:,} rows are there, going on')
  return lacking


def left[T: Keyed](
  stage: store.Stage, wanted: Sequence[T], generator: str = ''
) -> list[T]:
  """Returns what `missing` does, and says nothing."""
  have = keys(stage.read_parts(), generator)
  return [w for w in wanted if w.key not in have]


def keys(table: pa.Table | None, generator: str = '') -> set[tuple[str, int]]:
  """Returns problem and sample index of a table's rows; see `missing`."""
  columns = ['generator', 'problem_id', 'sample_index']
  return {
    (row['problem_id'], row['sample_index'])
    for row in (table.select(columns).to_pylist() if table else ())
    if generator in ('', row['generator'])
  }


class Growing[T]:
  """The rows of a stage as they come: each of its parts is read once.

  Args:
    stage: The stage.
    kind: What its rows are, e.g. `Verdict`.
  """

  def __init__(self, stage: store.Stage, kind: type[T]):
    self._stage, self._kind = stage, kind
    self._seen: dict[str, str] = {}

  def new(self) -> list[T]:
    """Returns the rows that were committed since the call before."""
    return store.from_table(self._stage.read_parts(self._seen), self._kind)


def lost(stage: store.Stage, of: store.Stage) -> set[tuple[str, int]]:
  """Returns the rows of a stage whose samples, of another, are not there."""
  said = keys(stage.recorded_rows())
  return said and said - keys(of.read_parts())


def drop(stage: store.Stage, rows: Collection[tuple[str, int]]) -> None:
  """Takes rows, by problem and sample index, out of a stage."""

  def without(table: pa.Table) -> pa.Table:
    columns = (table['problem_id'], table['sample_index'])
    named = zip(*(column.to_pylist() for column in columns), strict=True)
    return table.filter([key not in rows for key in named])

  stage.rewrite(without)
