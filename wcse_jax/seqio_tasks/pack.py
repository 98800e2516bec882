"""`python -m wcse_jax.seqio_tasks.pack request.json`: packs training tables.

The request: {mixes: {name: Parquet file of `store.EXAMPLES`}, tokenizer: a
SentencePiece .model, row_tokens: tokens of a packed row, out: {name: Parquet
file}}. All mixes are packed in one go: starting costs more than packing.

A packed table has one row per packed row, and fixed-length lists of
`row_tokens` as columns: `tokens`, the model's inputs, where every example (a
segment) starts with BOS; `targets`, the same one step ahead, where every
example ends with EOS; `loss_weights`, 1 where the target belongs to the
completion or is its EOS; `positions` within the segment; `segment_ids` from 1,
0 where the row is empty. Examples stay whole, each in the fullest row that has
room for it (best fit, among `row_tokens` examples in order), so the table is a
pure function of the input; those longer than a row are dropped and counted.

The result: {name: {examples, dropped, rows, tokens, loss_tokens}}.
"""

import bisect
from collections.abc import Sequence
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import store
from wcse_jax.models import tokenizer as tokenizer_lib
from wcse_jax.runtime import children as child

# Columns, where seqio has them, and the type of their elements.
_COLUMNS = {
  'tokens': ('decoder_input_tokens', np.int32),
  'targets': ('decoder_target_tokens', np.int32),
  'loss_weights': ('decoder_loss_weights', np.float32),
  'positions': ('decoder_positions', np.int32),
  'segment_ids': ('decoder_segment_ids', np.int32),
}


def curate(request: dict[str, Any]) -> dict[str, Any]:
  """Writes the packed tables; see the module."""
  tokenizer = tokenizer_lib.Tokenizer(request['tokenizer'])
  if tokenizer.pad != 0:
    raise child.TaskError(
      f'{tokenizer.path}: pad is {tokenizer.pad}; packing needs a tokenizer '
      'trained with pad_id=0'
    )
  row_tokens = request['row_tokens']
  result = {}
  for mix, path in request['mixes'].items():
    table = pq.read_table(path, columns=['prompt', 'completion'])
    examples = [
      (
        tokenizer.encode(row['prompt']),
        [*tokenizer.encode(row['completion']), tokenizer.eos],
      )
      for row in table.to_pylist()
    ]
    kept = [e for e in examples if len(e[0]) + len(e[1]) <= row_tokens]
    if not kept:
      raise child.TaskError(
        f'{path}: none of {len(examples)} examples of the mix {mix} fits '
        f'config.finetune.row_tokens = {row_tokens}; raise that'
      )
    in_order = []
    for start in range(0, len(kept), row_tokens):
      some = kept[start : start + row_tokens]
      rows = best_fit([len(p) + len(c) for p, c in some], row_tokens)
      in_order += [some[example] for row in rows for example in row]
    columns = _pack(in_order, row_tokens, tokenizer.bos)
    _write(columns, row_tokens, pathlib.Path(request['out'][mix]))
    result[mix] = {
      'examples': len(kept),
      'dropped': len(examples) - len(kept),
      'rows': len(columns['tokens']),
      'tokens': int(np.count_nonzero(columns['segment_ids'])),
      'loss_tokens': int(columns['loss_weights'].sum()),
    }
    if result[mix]['tokens'] != sum(len(p) + len(c) for p, c in kept):
      raise AssertionError(f'packing lost tokens of the mix {mix}')
  return result


def best_fit(lengths: Sequence[int], row_tokens: int) -> list[list[int]]:
  """Returns the examples of each row, by number.

  Each goes into the fullest row so far that has room for it, or into a new one.

  Args:
    lengths: Of the examples, in tokens; none is longer than a row.
    row_tokens: Of a row.
  """
  rows: list[list[int]] = []
  room: list[tuple[int, int]] = []  # what is left of each row, and which it is
  for example, length in enumerate(lengths):
    at = bisect.bisect_left(room, (length, 0))
    if at == len(room):
      left, row = row_tokens, len(rows)
      rows.append([])
    else:
      left, row = room.pop(at)
    rows[row].append(example)
    bisect.insort(room, (left - length, row))
  return rows


def _pack(
  examples: list[tuple[list[int], list[int]]], row_tokens: int, bos: int
) -> dict[str, np.ndarray]:
  """The columns of the packed table, each of shape [rows, row_tokens].

  seqio packs in order, and `row_tokens` examples on their own.
  """
  import seqio  # brings TensorFlow
  import tensorflow as tf

  tokens = tf.TensorSpec([None], tf.int32)
  dataset = tf.data.Dataset.from_generator(
    lambda: ({'inputs': p, 'targets': c} for p, c in examples),
    output_signature={'inputs': tokens, 'targets': tokens},
  )
  # Only the sum of the two lengths matters to a prefix LM: the check of each
  # against its own is off, and the examples are known to fit.
  converter = seqio.PrefixLMFeatureConverter(
    pack=True, bos_id=bos, apply_length_check=False
  )
  packed = converter(dataset, {'inputs': row_tokens, 'targets': 0})
  rows = list(packed.as_numpy_iterator())
  columns = {
    column: np.stack([row[feature] for row in rows]).astype(dtype)
    for column, (feature, dtype) in _COLUMNS.items()
  }
  # seqio starts a segment of padding, too, with BOS.
  columns['tokens'][columns['segment_ids'] == 0] = 0
  return columns


def _write(columns: dict[str, np.ndarray], row_tokens: int, path: pathlib.Path):
  table = pa.table(
    {
      name: pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), row_tokens)
      for name, x in columns.items()
    }
  )
  sink = pa.BufferOutputStream()
  pq.write_table(table, sink)
  store.commit(path, sink.getvalue().to_pybytes())


if __name__ == '__main__':
  child.serve(curate)
