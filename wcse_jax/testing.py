"""Fakes for tests, ours and yours: a tiny model, a byte tokenizer."""

from collections.abc import Iterable
import dataclasses

from wcse_jax.models import checkpoint, gemma, presets


class ByteTokenizer:
  """A tokenizer with one id per byte, after pad 0, eos 1, bos 2, unk 3.

  Example:
    >>> ByteTokenizer().encode('A'), ByteTokenizer().decode([2, 69, 70])
    ([69], 'AB')
  """

  vocab_size = 260
  pad, eos, bos = 0, 1, 2

  def encode(self, text: str) -> list[int]:
    return [4 + byte for byte in text.encode()]

  def decode(self, ids: Iterable[int]) -> str:
    return b''.join(self.pieces()[i] for i in ids).decode('utf-8', 'replace')

  def piece_id(self, piece: str) -> int | None:
    return 4 + ord(piece) if len(piece) == 1 and piece.isascii() else None

  def pieces(self) -> list[bytes]:
    return [b''] * 4 + [bytes([byte]) for byte in range(256)]


# A Gemma 2.
TINY = dataclasses.replace(
  presets.PRESETS['nano_wc'].config,
  num_embed=ByteTokenizer.vocab_size,
  embed_dim=32,
  hidden_dim=48,
  head_dim=16,
  attention_types=('local', 'global'),
  query_pre_attn_scalar=16**-0.5,
  sliding_window_size=5,
)


def tiny_model(seed: int = 0, **changes) -> checkpoint.Model:
  """Returns a model of two layers over bytes, with random weights.

  Args:
    seed: The seed of its weights.
    **changes: Fields of its `GemmaConfig` that are to be others.

  Example:
    >>> model = tiny_model(final_logit_softcap=None)
    >>> model.config.num_params, model.config.final_logit_softcap
    (30112, None)
  """
  config = dataclasses.replace(TINY, **changes)
  params = gemma.init(config, seed)
  return checkpoint.Model('tiny', config, params, ByteTokenizer())
