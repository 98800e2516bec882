"""Fakes for tests, ours and yours: a tiny model, a byte tokenizer."""

from collections.abc import Iterable
import dataclasses

from wcse_jax.models import checkpoint, presets


class ByteTokenizer:
  """One token per byte, after pad 0, eos 1, bos 2, unk 3."""

  vocab_size = 260
  pad, eos, bos = 0, 1, 2

  def encode(self, text: str) -> list[int]:
    return [4 + byte for byte in text.encode()]

  def decode(self, ids: Iterable[int]) -> str:
    return b''.join(self.pieces()[i] for i in ids).decode('utf-8', 'replace')

  def pieces(self) -> list[bytes]:
    return [b''] * 4 + [bytes([byte]) for byte in range(256)]


TINY = presets.GemmaConfig(
  num_embed=ByteTokenizer.vocab_size,
  embed_dim=32,
  hidden_dim=48,
  num_heads=4,
  head_dim=16,
  num_kv_heads=2,
  attention_types=('local', 'global'),
  query_pre_attn_scalar=16**-0.5,
  sliding_window_size=5,
  attn_logits_soft_cap=50.0,
  final_logit_softcap=30.0,
  use_post_attn_norm=True,
  use_post_ffw_norm=True,
)


def tiny_model(seed: int = 0, **changes) -> checkpoint.Model:
  """A random Gemma 2 of two layers over bytes; `changes` to its config."""
  config = dataclasses.replace(TINY, **changes)
  params = checkpoint.init(config, seed)
  return checkpoint.Model('tiny', config, params, ByteTokenizer())
