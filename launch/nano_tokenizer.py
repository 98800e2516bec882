"""Trains the nano ladder's tokenizer, as the shipped one was.

python launch/nano_tokenizer.py --out=runs/ladder/tokenizer.model
"""

import io
import pathlib
import random
import sys

from absl import app, flags
import sentencepiece

from wcse_jax.tasks.nano import problems as nano_problems

_OUT = flags.DEFINE_string('out', None, 'File to write.', required=True)


def train_tokenizer(path: pathlib.Path | str) -> None:
  """Writes a SentencePiece BPE model of 512 pieces, with Gemma's special ids.

  Digits stand alone, bytes are the fallback, the newline is a piece of its own
  and text comes back from its ids unchanged.
  """
  rng = random.Random(f'{nano_problems.SEED}/tokenizer')
  documents = [nano_problems.corpus_document(rng) for _ in range(10_000)]
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(documents),
    model_writer=model,
    model_type='bpe',
    vocab_size=512,
    pad_id=0,
    eos_id=1,
    bos_id=2,
    unk_id=3,
    pad_piece='<pad>',
    eos_piece='<eos>',
    bos_piece='<bos>',
    user_defined_symbols=['\n'],
    normalization_rule_name='identity',
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    split_digits=True,
    byte_fallback=True,
    num_threads=1,
    minloglevel=2,
  )
  pathlib.Path(path).write_bytes(model.getvalue())


if __name__ == '__main__':
  sys.exit(app.run(lambda _: train_tokenizer(_OUT.value)))
