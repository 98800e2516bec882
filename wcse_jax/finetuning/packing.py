"""Packed training tables: whole examples, side by side in rows of one length.

An example is never cut: each goes into the fullest row that has room for it
(best fit, among `row_tokens` examples in order), so a table is a pure function
of its examples. The layout is that of seqio's PrefixLMFeatureConverter.
"""

import bisect
from collections.abc import Iterable, Sequence
import dataclasses

import numpy as np
import pyarrow as pa

from wcse_jax.experiment import arguments
from wcse_jax.experiment.sections import FinetuneSpec
from wcse_jax.finetuning.batches import COLUMNS
from wcse_jax.models.encoding import Encoding
from wcse_jax.models.tokenizer import Tokenizer
from wcse_jax.runtime.children import TaskError
from wcse_jax.tasks.turns import Turns

Pair = tuple[Sequence[int], Sequence[int]]  # tokens of prompt and completion


@dataclasses.dataclass(frozen=True, kw_only=True)
class Packed:
  """A packed training table.

  Attributes:
    columns: Arrays of shape [rows, row_tokens] by name. `tokens` are the
      model's inputs, where every example (a segment) starts with BOS;
      `targets` are the same one step ahead, where every example ends with EOS;
      `loss_weights` are 1 where the target belongs to the completion or is its
      EOS, else 0; `positions` count from 0 within a segment; `segment_ids`
      count from 1 within a row. All are 0 where a row is empty.
    examples: How many examples the table holds.
    dropped: How many examples were longer than a row, and were left out.
  """

  columns: dict[str, np.ndarray]
  examples: int
  dropped: int

  def counts(self) -> dict[str, int]:
    """Numbers of examples, rows and tokens, by name."""
    return {
      'examples': self.examples,
      'dropped': self.dropped,
      'rows': len(self.columns['tokens']),
      'tokens': int(np.count_nonzero(self.columns['segment_ids'])),
      'loss_tokens': int(self.columns['loss_weights'].sum()),
    }

  def table(self) -> pa.Table:
    """The columns as lists of fixed length, a row of the table each."""
    lists = {}
    for name, x in self.columns.items():
      elements = pa.array(x.ravel())
      # Named as Parquet names them, so that a table is the same when read.
      kind = pa.list_(pa.field('element', elements.type), x.shape[1])
      lists[name] = pa.FixedSizeListArray.from_arrays(elements, type=kind)
    return pa.table(lists)


def encode(
  texts: Iterable[tuple[str, str]],
  tokenizer: Tokenizer,
  turns: Turns | None = None,
) -> list[Pair]:
  """Tokenizes (prompt, completion) pairs; EOS ends every completion.

  Args:
    texts: The pairs.
    tokenizer: The student's tokenizer.
    turns: How turns are marked in prompts: then completions end as they do.

  Raises:
    TaskError: The tokenizer's padding is not 0, which fills packed rows.
  """
  if tokenizer.pad != 0:
    raise TaskError(
      f'{tokenizer.path}: pad is {tokenizer.pad}; packing needs a tokenizer '
      'trained with pad_id=0'
    )
  encoding = Encoding(tokenizer, turns)
  return [
    (encoding.prompt(prompt), encoding.solution(completion))
    for prompt, completion in texts
  ]


def pack(examples: Sequence[Pair], row_tokens: int, *, bos: int) -> Packed:
  """Packs tokenized examples into rows.

  >>> packed = pack([([5], [6, 1]), ([7, 8], [9, 1]), ([4], [1])], 5, bos=2)
  >>> packed.columns['tokens'].tolist()
  [[2, 5, 6, 2, 4], [2, 7, 8, 9, 0]]
  >>> packed.columns['loss_weights'].tolist()
  [[0.0, 1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0, 0.0]]

  Args:
    examples: The tokens of prompt and completion; EOS ends the completion.
    row_tokens: Tokens of a row. Longer examples are dropped.
    bos: The id that starts every example.

  Raises:
    ArgumentError: A row is to hold no token.
  """
  arguments.check(FinetuneSpec, row_tokens=row_tokens)
  kept = [pair for pair in examples if sum(map(len, pair)) <= row_tokens]
  rows: list[list[Pair]] = []
  for start in range(0, len(kept), row_tokens):
    some = kept[start : start + row_tokens]
    lengths = [sum(map(len, pair)) for pair in some]
    rows += [[some[i] for i in row] for row in best_fit(lengths, row_tokens)]
  shape = len(rows), row_tokens
  columns = {name: np.zeros(shape, dtype) for name, dtype in COLUMNS.items()}
  for index, row in enumerate(rows):
    end = 0
    for segment, (prompt, completion) in enumerate(row, start=1):
      targets = [*prompt, *completion]
      start, end = end, end + len(targets)
      at = index, slice(start, end)
      columns['tokens'][at] = [bos, *targets[:-1]]
      columns['targets'][at] = targets
      columns['loss_weights'][index, start + len(prompt) : end] = 1
      columns['positions'][at] = range(len(targets))
      columns['segment_ids'][at] = segment
  return Packed(
    columns=columns, examples=len(kept), dropped=len(examples) - len(kept)
  )


def best_fit(lengths: Sequence[int], row_tokens: int) -> list[list[int]]:
  """Puts examples into rows, each where it leaves the least room.

  >>> best_fit([5, 4, 3, 2], row_tokens=7)
  [[0, 3], [1, 2]]

  Args:
    lengths: Tokens of each example; none is longer than a row.
    row_tokens: Tokens of a row.

  Returns:
    The examples of each row, by number.

  Raises:
    ValueError: An example is longer than a row.
  """
  if max(lengths, default=0) > row_tokens:
    raise ValueError(
      f'an example of {max(lengths)} tokens is longer than a row of'
      f' {row_tokens}: leave it out, or raise row_tokens'
    )
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
