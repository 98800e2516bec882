import contextlib
import json
import os
import pathlib

import pytest
import sentencepiece

from wcse_jax.models import checkpoint, tokenizer

TEXTS = [
  '',
  ' ',
  'Problem: 12 apples.\nSolution: 12 + 7 = 19.',
  ' leading, trailing ',
  'two  spaces,   three\n\n\ttab\r\n',
  'caf\u00e9 \u65e5\u672c \U0001f916 \ufb01',  # a ligature: NFKC would split it
  '<bos><eos><pad><unk><s></s><0x0A>',
]


def train(folder: pathlib.Path, **kwargs) -> pathlib.Path:
  """Trains a tiny tokenizer of the Gemma kind."""
  corpus = [
    f'Ann has {i} apples and {j} pears.' for i in range(9) for j in 'ab'
  ]
  options = dict(
    sentence_iterator=iter(corpus),
    model_prefix=str(folder / 'tiny'),
    model_type='bpe',
    vocab_size=320,
    hard_vocab_limit=False,
    byte_fallback=True,
    split_digits=True,
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    normalization_rule_name='identity',
    pad_id=0,
    eos_id=1,
    bos_id=2,
    unk_id=3,
    minloglevel=2,
  )
  sentencepiece.SentencePieceTrainer.train(**options | kwargs)
  return folder / 'tiny.model'


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
  return tokenizer.Tokenizer(train(tmp_path_factory.mktemp('tokenizer')))


@pytest.mark.parametrize('text', TEXTS)
def test_text_survives(tiny, text):
  assert tiny.decode(tiny.encode(text)) == text


def test_special_ids(tiny):
  assert (tiny.pad, tiny.eos, tiny.bos) == (0, 1, 2)
  assert len(tiny.pieces()) == tiny.vocab_size


def test_control_text_does_not_become_control_ids(tiny):
  ids = tiny.encode('<bos> <eos> <pad> <unk> <s> </s>')
  assert not {tiny.pad, tiny.eos, tiny.bos, 3} & set(ids)


def test_decode_is_the_concatenation_of_pieces(tiny):
  pieces = tiny.pieces()
  assert [pieces[i] for i in (tiny.pad, tiny.eos, tiny.bos, 3)] == [b''] * 4
  ids = [tiny.bos, *tiny.encode(' apples\u00e9'), tiny.eos]
  joined = b''.join(pieces[i] for i in ids)
  assert joined.decode() == tiny.decode(ids) == ' apples\u00e9'


def test_decode_keeps_a_leading_space_at_any_cut(tiny):
  # SentencePiece's own decode may strip it.
  ids = tiny.encode('Ann has 3 apples and 4 pears.')
  for cut in range(len(ids)):
    assert tiny.decode(ids[:cut]) + tiny.decode(ids[cut:]) == tiny.decode(ids)


def test_half_a_character_is_replaced(tiny):
  ids = tiny.encode('\u00e9')
  assert [tiny.pieces()[i] for i in ids] == [b'\xc3', b'\xa9']
  assert tiny.decode(ids[:1]) == '\ufffd'
  assert tiny.decode(ids) == '\u00e9'


def test_missing_file(tmp_path):
  with pytest.raises(tokenizer.TokenizerError, match=r'gone\.model: No such'):
    tokenizer.Tokenizer(tmp_path / 'gone.model')


@pytest.mark.parametrize('content', [b'', b'no protocol buffer'])
def test_foreign_file(tmp_path, content):
  path = tmp_path / 'foreign.model'
  path.write_bytes(content)
  with pytest.raises(tokenizer.TokenizerError, match='not a SentencePiece'):
    tokenizer.Tokenizer(path)


def test_truncated_file(tmp_path, tiny):
  path = tmp_path / 'short.model'
  path.write_bytes(tiny.path.read_bytes()[:-100])
  with pytest.raises(tokenizer.TokenizerError, match='not a SentencePiece'):
    tokenizer.Tokenizer(path)


def test_tokenizer_without_bos(tmp_path):
  path = train(tmp_path, bos_id=-1)
  with pytest.raises(tokenizer.TokenizerError, match='bos -1'):
    tokenizer.Tokenizer(path)


@pytest.mark.parametrize(
  'option', ['add_dummy_prefix', 'remove_extra_whitespaces']
)
def test_tokenizer_that_changes_spaces(tmp_path, option):
  path = train(tmp_path, **{option: True})
  with pytest.raises(tokenizer.TokenizerError, match='changes spaces'):
    tokenizer.Tokenizer(path)


def test_gsm8k_survives(tiny):
  data = os.environ.get('WCSE_DATA_DIR')
  if not data:
    pytest.skip('WCSE_DATA_DIR is not set')
  lines = pathlib.Path(data, 'gsm8k', 'test.jsonl').read_text().splitlines()
  for line in lines:
    for text in json.loads(line).values():
      assert tiny.decode(tiny.encode(text)) == text


def test_a_damaged_piece_is_named(tmp_path):
  """It ended in a UnicodeDecodeError."""
  whole = (checkpoint.NANO / 'tokenizer.model').read_bytes()
  middle = len(whole) // 2
  damaged = tmp_path / 'tokenizer.model'
  for at in range(middle, middle + 40):
    damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    with contextlib.suppress(tokenizer.TokenizerError):
      tokenizer.Tokenizer(damaged)
