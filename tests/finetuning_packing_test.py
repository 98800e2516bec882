"""Packing: token by token against a plain expectation, and against seqio."""

import collections
import io
import json
import os
import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sentencepiece

from wcse_jax.finetuning import packing
from wcse_jax.models import tokenizer as tokenizer_lib
from wcse_jax.runtime import children

PAD, EOS, BOS = 0, 1, 2
ROW = 32


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A small SentencePiece model with Gemma's special ids."""
  rng = random.Random(0)
  text = [
    f'Ann has {rng.randrange(99)} apples. The answer is {rng.randrange(99)}.'
    for _ in range(200)
  ]
  file = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(text),
    model_writer=file,
    model_type='bpe',
    vocab_size=400,
    pad_id=PAD,
    eos_id=EOS,
    bos_id=BOS,
    unk_id=3,
    split_digits=True,
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    normalization_rule_name='identity',
    byte_fallback=True,
    hard_vocab_limit=False,
    minloglevel=2,
  )
  path = tmp_path_factory.mktemp('tokenizer') / 'tiny.model'
  path.write_bytes(file.getvalue())
  return path


_PADDING = {
  'tokens': PAD,
  'targets': PAD,
  'loss_weights': 0,
  'positions': 0,
  'segment_ids': 0,
}


def _expected(pairs):
  """Rows of examples, each in the fullest that has room for it.

  seqio packs batches of ROW examples on their own.
  """
  rows = []
  for start in range(0, len(pairs), ROW):
    batch = []
    for prompt, completion in pairs[start : start + ROW]:
      tokens = prompt + completion
      fitting = [r for r in batch if len(r['tokens']) + len(tokens) <= ROW]
      if not fitting:
        fitting = [{name: [] for name in _PADDING}]
        batch += fitting
      row = max(fitting, key=lambda row: len(row['tokens']))
      segment = max(row['segment_ids'], default=0) + 1
      row['tokens'] += [BOS, *tokens[:-1]]
      row['targets'] += tokens
      row['loss_weights'] += [0] * len(prompt) + [1] * len(completion)
      row['positions'] += range(len(tokens))
      row['segment_ids'] += [segment] * len(tokens)
    rows += batch
  for row in rows:
    for name, padding in _PADDING.items():
      row[name] += [padding] * (ROW - len(row[name]))
  return rows


@pytest.mark.parametrize(
  ('lengths', 'rows'),
  [
    ([5, 4, 3, 2], [[0, 3], [1, 2]]),  # in order: [5], [4, 3], [2]
    ([7, 7], [[0], [1]]),
    ([3, 3, 3, 1, 4], [[0, 1, 3], [2, 4]]),
    ([], []),
  ],
)
def test_best_fit(lengths, rows):
  assert packing.best_fit(lengths, 7) == rows


def test_best_fit_fills_rows():
  lengths = random.Random(0).choices(range(60, 300), k=512)
  rows = packing.best_fit(lengths, 512)
  assert sorted(i for row in rows for i in row) == list(range(512))
  assert all(sum(lengths[i] for i in row) <= 512 for row in rows)
  assert sum(lengths) > 0.93 * 512 * len(rows)


def _texts(size):
  rng = random.Random(size)
  return [
    (
      'Ann has' * rng.randrange(3),
      ' 1 apples.' * rng.randrange(4) + f' The answer is {i}.',
    )
    for i in range(size)
  ]


@pytest.mark.parametrize('size', [3, 300])
def test_packing(model, size):
  tokenizer = tokenizer_lib.Tokenizer(model)
  full, too_long = ('', '1' * (ROW - 1)), ('', '1' * ROW)  # and EOS
  texts = [*_texts(size), full, too_long, full]
  pairs = packing.encode(texts, tokenizer)
  assert pairs[0] == (
    tokenizer.encode(texts[0][0]),
    [*tokenizer.encode(texts[0][1]), EOS],
  )
  packed = packing.pack(pairs, ROW, bos=BOS)
  assert len(pairs.pop(-2)[1]) == ROW + 1
  assert len(pairs[-1][1]) == ROW
  table = packed.table()
  for field in table.schema:
    value = pa.float32() if field.name == 'loss_weights' else pa.int32()
    assert field.type == pa.list_(value, ROW)
  file = io.BytesIO()
  pq.write_table(table, file)
  read = pq.read_table(io.BytesIO(file.getvalue()))
  assert read.schema.equals(table.schema, check_metadata=True)
  rows = table.to_pylist()
  assert rows == _expected(pairs)
  assert _recovered(rows) == collections.Counter(
    (tuple(prompt), tuple(completion)) for prompt, completion in pairs
  )
  assert packed.counts() == {
    'examples': size + 2,
    'dropped': 1,
    'rows': len(rows),
    'tokens': sum(len(p) + len(c) for p, c in pairs),
    'loss_tokens': sum(len(c) for _, c in pairs),
  }


def _recovered(rows):
  """The examples in packed rows, whatever their order."""
  found = collections.Counter()
  for row in rows:
    columns = {name: np.array(values) for name, values in row.items()}
    for segment in range(1, columns['segment_ids'].max() + 1):
      here = columns['segment_ids'] == segment
      targets, weights = columns['targets'][here], columns['loss_weights'][here]
      found[
        tuple(targets[weights == 0].tolist()),
        tuple(targets[weights == 1].tolist()),
      ] += 1
  return found


def test_nothing_fits():
  packed = packing.pack([([5] * ROW, [EOS])], ROW, bos=BOS)
  counts = {'examples': 0, 'dropped': 1, 'rows': 0}
  assert packed.counts() == {**counts, 'tokens': 0, 'loss_tokens': 0}


def test_padding_that_is_not_zero_is_an_error(model, monkeypatch):
  tokenizer = tokenizer_lib.Tokenizer(model)
  monkeypatch.setattr(tokenizer, 'pad', 3)
  with pytest.raises(children.TaskError, match='tiny.model: pad is 3.*pad_id'):
    packing.encode([], tokenizer)


def _cases():
  """By name, the tokens of a row and its examples: random ones and edges."""
  rng = random.Random(0)
  draw = lambda n: [rng.randrange(3, 99) for _ in range(n)]
  many = [
    (draw(rng.randrange(9)), draw(rng.randrange(1, 9))) for _ in range(99)
  ]
  return {
    'several chunks': (16, many),
    'one chunk': (128, many),
    'as long as a row': (
      8,
      [(draw(5), draw(3)), ([], draw(8)), (draw(7), [1])],
    ),
    'one token': (4, [([], [1]), (draw(1), [1]), ([], [1]), (draw(3), [1])]),
    'a last row for one': (4, [(draw(2), draw(2)), (draw(1), draw(1))] * 4),
    'alone': (64, [(draw(3), draw(2))]),
  }


@pytest.mark.slow
def test_rows_are_those_of_seqio():
  """Every row, of every case, is the one that seqio's own converter makes."""
  done = subprocess.run(
    [sys.executable, __file__],
    capture_output=True,
    text=True,
    check=False,
    env=os.environ | {'JAX_PLATFORMS': 'cpu', 'TF_CPP_MIN_LOG_LEVEL': '3'},
  )
  assert done.returncode == 0, done.stderr[-3000:]
  expected = json.loads(done.stdout.splitlines()[-1])
  assert expected.keys() == _cases().keys()
  for case, (row_tokens, examples) in _cases().items():
    packed = packing.pack(examples, row_tokens, bos=BOS)
    assert packed.columns.keys() == expected[case].keys()
    for name, column in packed.columns.items():
      assert column.tolist() == expected[case][name], (case, name)


# --- in the other process -----------------------------------------------------

_FEATURES = {
  'tokens': 'decoder_input_tokens',
  'targets': 'decoder_target_tokens',
  'loss_weights': 'decoder_loss_weights',
  'positions': 'decoder_positions',
  'segment_ids': 'decoder_segment_ids',
}


def _of_seqio(row_tokens, examples):
  """The columns as seqio packs them, which does so in the order given."""
  import seqio
  import tensorflow as tf

  order = []
  for start in range(0, len(examples), row_tokens):
    some = examples[start : start + row_tokens]
    lengths = [len(p) + len(c) for p, c in some]
    for row in packing.best_fit(lengths, row_tokens):
      order += [some[i] for i in row]
  tokens = tf.TensorSpec([None], tf.int32)
  dataset = tf.data.Dataset.from_generator(
    lambda: ({'inputs': p, 'targets': c} for p, c in order),
    output_signature={'inputs': tokens, 'targets': tokens},
  )
  # Only the sum of the two lengths matters to a prefix LM.
  converter = seqio.PrefixLMFeatureConverter(
    pack=True, bos_id=BOS, apply_length_check=False
  )
  packed = converter(dataset, {'inputs': row_tokens, 'targets': 0})
  rows = list(packed.as_numpy_iterator())
  columns = {
    name: np.stack([row[feature] for row in rows])
    for name, feature in _FEATURES.items()
  }
  # seqio starts a segment of padding, too, with BOS.
  columns['tokens'][columns['segment_ids'] == 0] = PAD
  return {name: column.tolist() for name, column in columns.items()}


if __name__ == '__main__':
  made = {name: _of_seqio(*case) for name, case in _cases().items()}
  print(json.dumps(made))
