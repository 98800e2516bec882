"""SentencePiece tokenizers with exact text: nothing added or stripped."""

from collections.abc import Iterable
import functools
import pathlib

import sentencepiece

from wcse_jax.errors import Error

SPACE = '\u2581'  # how SentencePiece writes a space
PROBE = '  a  b '  # must survive: tokenizers that fold spaces do not fit


class TokenizerError(Error):
  """A tokenizer file that is missing or does not fit."""


class Tokenizer:
  """A SentencePiece model of the Gemma kind.

  Text is the concatenation of the ids' surface forms, so that
  `decode(a + b) == decode(a) + decode(b)` wherever no character is cut in two
  (SentencePiece's own `decode` may strip a leading space).

  Attributes:
    path: The `.model` file.
    vocab_size: Number of ids, V.
    bos: Id that every sequence starts with; `encode` does not add it.
    eos: Id that ends a solution.
    pad: Id that fills rows.

  Example:
    >>> from wcse_jax.models import checkpoint
    >>> tokenizer = Tokenizer(checkpoint.NANO / 'tokenizer.model')
    >>> ids = tokenizer.encode(' 12 apples')
    >>> tokenizer.decode(ids[:1]) + tokenizer.decode(ids[1:])
    ' 12 apples'
    >>> len(tokenizer.pieces()), tokenizer.pieces()[tokenizer.eos]
    (512, b'')
  """

  def __init__(self, path: str | pathlib.Path):
    """Loads a tokenizer.

    Args:
      path: The SentencePiece file.

    Raises:
      TokenizerError: The file is missing, or is of another kind.
    """
    self.path = pathlib.Path(path)
    try:
      self._processor = sentencepiece.SentencePieceProcessor()
      self._processor.LoadFromSerializedProto(self.path.read_bytes())
    except OSError as e:
      raise TokenizerError(
        f'{self.path}: {e.strerror}; give the path of a SentencePiece .model'
      ) from e
    except (RuntimeError, ValueError) as e:  # its message may be no UTF-8
      raise TokenizerError(
        f'{self.path} is not a SentencePiece model; replace the file'
      ) from e
    self.vocab_size: int = self._processor.vocab_size()
    self.bos: int = self._processor.bos_id()
    self.eos: int = self._processor.eos_id()
    self.pad: int = self._processor.pad_id()
    if min(self.bos, self.eos, self.pad) < 0:
      raise TokenizerError(
        f'{self.path} has bos {self.bos}, eos {self.eos}, pad {self.pad}'
        ' (-1 is none); all three are needed: train it with their ids'
      )
    try:
      changed = self.decode(self.encode(PROBE)) != PROBE
    except ValueError as e:  # a piece is no UTF-8, or no byte
      raise TokenizerError(
        f'{self.path} is damaged ({e}); replace the file'
      ) from e
    if changed:
      raise TokenizerError(
        f'{self.path} changes spaces; train it with add_dummy_prefix=False,'
        ' remove_extra_whitespaces=False, normalization_rule_name="identity"'
      )

  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text, without BOS.

    Text that spells a control token ('<eos>') is encoded as text. A literal
    U+2581 is read as a space: SentencePiece cannot tell them apart.
    """
    return self._processor.encode(text)

  def decode(self, ids: Iterable[int]) -> str:
    """Returns the text of ids; bytes that are no UTF-8 become U+FFFD."""
    pieces = self.pieces()
    return b''.join(pieces[i] for i in ids).decode('utf-8', 'replace')

  def piece_id(self, piece: str) -> int | None:
    """Returns the id of a piece, of a control token too; None if none is it."""
    found = self._processor.piece_to_id(piece)
    return None if self._processor.is_unknown(found) else found

  def pieces(self) -> list[bytes]:
    """Returns the surface bytes of every id; b'' for control and unknown."""
    return self._pieces

  @functools.cached_property
  def _pieces(self) -> list[bytes]:
    sp, ids = self._processor, list(range(self.vocab_size))
    silent = (sp.is_control(ids), sp.is_unknown(ids), sp.is_unused(ids))
    return [
      b''
      if any(kinds)
      else bytes([int(piece[1:-1], 16)])  # '<0x0A>'
      if is_byte
      else piece.replace(SPACE, ' ').encode()
      for piece, is_byte, *kinds in zip(
        sp.id_to_piece(ids), sp.is_byte(ids), *silent, strict=True
      )
    ]
