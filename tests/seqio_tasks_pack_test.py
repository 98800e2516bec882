"""Packing, token by token, against a plain-Python expectation."""

import collections
import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sentencepiece

from wcse_jax import records, store
from wcse_jax.models import tokenizer as tokenizer_lib
from wcse_jax.runtime import children as child
from wcse_jax.seqio_tasks import pack as curate

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


def _write(path, texts):
  examples = [
    records.Example(
      problem_id=f'p{i}',
      source='wc',
      sample_index=0,
      prompt=prompt,
      completion=completion,
    )
    for i, (prompt, completion) in enumerate(texts)
  ]
  pq.write_table(store.to_table(examples, store.EXAMPLES), path)
  return str(path)


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
  assert curate.best_fit(lengths, 7) == rows


def test_best_fit_fills_rows():
  lengths = random.Random(0).choices(range(60, 300), k=512)
  rows = curate.best_fit(lengths, 512)
  assert sorted(i for row in rows for i in row) == list(range(512))
  assert all(sum(lengths[i] for i in row) <= 512 for row in rows)
  assert sum(lengths) > 0.93 * 512 * len(rows)


def test_packing(model, tmp_path):
  tokenizer = tokenizer_lib.Tokenizer(model)
  rng = random.Random(1)
  mixes = {
    name: [
      (
        'Ann has' * rng.randrange(3),
        ' 1 apples.' * rng.randrange(4) + f' The answer is {i}.',
      )
      for i in range(size)
    ]
    for name, size in (('few', 3), ('many', 300))
  }
  full, too_long = ('', '1' * (ROW - 1)), ('', '1' * ROW)  # and EOS
  mixes['many'][7:7] = [full, too_long, full]
  pairs = {
    name: [
      (tokenizer.encode(prompt), [*tokenizer.encode(completion), EOS])
      for prompt, completion in texts
      if (prompt, completion) != too_long
    ]
    for name, texts in mixes.items()
  }
  assert len(pairs['many'][7][1]) == ROW
  request = {
    'mixes': {
      name: _write(tmp_path / f'{name}.parquet', texts)
      for name, texts in mixes.items()
    },
    'tokenizer': str(model),
    'row_tokens': ROW,
    'out': {name: str(tmp_path / f'{name}-packed.parquet') for name in mixes},
  }
  result = child.run_child(
    'wcse_jax.seqio_tasks.pack', request, tmp_path / 'log'
  )
  for name in mixes:
    table = pq.read_table(request['out'][name])
    for field in table.schema:
      value = pa.float32() if field.name == 'loss_weights' else pa.int32()
      assert field.type == pa.list_(value, ROW)
    rows = table.to_pylist()
    assert rows == _expected(pairs[name])
    assert _recovered(rows) == collections.Counter(
      (tuple(prompt), tuple(completion)) for prompt, completion in pairs[name]
    )
    assert result[name] == {
      'examples': len(pairs[name]),
      'dropped': int(name == 'many'),
      'rows': len(rows),
      'tokens': sum(len(p) + len(c) for p, c in pairs[name]),
      'loss_tokens': sum(len(c) for _, c in pairs[name]),
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


def test_nothing_fits(model, tmp_path):
  mixes = {'se': _write(tmp_path / 'se.parquet', [('Ann', ' 1' * ROW)])}
  request = {
    'mixes': mixes,
    'tokenizer': str(model),
    'row_tokens': ROW,
    'out': {'se': str(tmp_path / 'out.parquet')},
  }
  with pytest.raises(child.TaskError, match='se.parquet: none of 1.*row_tok'):
    child.run_child('wcse_jax.seqio_tasks.pack', request)


def test_missing_tokenizer(tmp_path):
  request = {
    'mixes': {},
    'tokenizer': str(tmp_path / 'none.model'),
    'row_tokens': ROW,
    'out': {},
  }
  with pytest.raises(child.TaskError, match='none.model: No such file'):
    child.run_child('wcse_jax.seqio_tasks.pack', request)
