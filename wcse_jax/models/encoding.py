"""How prompts and solutions become ids: as they are, or in turns."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import TYPE_CHECKING

from wcse_jax.models.tokenizer import TokenizerError
from wcse_jax.tasks import turns as turns_lib
from wcse_jax.tasks.turns import Turns

if TYPE_CHECKING:
  from wcse_jax.models.checkpoint import Tokenizer


@dataclasses.dataclass(frozen=True)
class Encoding:
  """How a model's prompts and solutions become ids.

  A mark of a turn becomes its single id where the format has it, and never
  where a question or a solution spells it.

  Attributes:
    tokenizer: The model's tokenizer.
    turns: How turns are marked; None: there are none, and text is encoded as it
      is.

  Raises:
    TokenizerError: By any call: it has no token for a mark that is needed.
  """

  tokenizer: Tokenizer
  turns: Turns | None = None

  def prompt(self, text: str) -> list[int]:
    """Returns the ids of a prompt, or of what stands before all prompts."""
    if not self.turns:
      return self.tokenizer.encode(text)
    ids: list[int] = []
    for part, is_mark in self.turns.parts(text):
      ids += [self._id(part)] if is_mark else self._plain(part)
    return ids

  def solution(self, text: str) -> list[int]:
    """Returns the ids of a solution, with what ends it."""
    if not self.turns:
      return [*self.tokenizer.encode(text), self.tokenizer.eos]
    return [*self._plain(text), self._id(self.turns.closes)]

  def text(self, ids: list[int]) -> str:
    """Returns the solution that ids are, without what ends it.

    What a model thought before it answered is none of it.
    """
    if self.turns and self.turns.thought:
      begins, ends = map(self._known.get, self.turns.thought)
      if begins in ids:
        ids = ids[len(ids) - ids[::-1].index(ends) :] if ends in ids else []
    return self.tokenizer.decode(ids)

  @property
  def ends(self) -> tuple[int, ...]:
    """The ids that end a solution, besides EOS."""
    return (self._id(self.turns.closes),) if self.turns else ()

  @functools.cached_property
  def _known(self) -> dict[str, int]:
    marks = self.turns.marks if self.turns else ()
    ids = {mark: self.tokenizer.piece_id(mark) for mark in marks}
    return {mark: i for mark, i in ids.items() if i is not None}

  def _id(self, mark: str) -> int:
    if mark not in self._known:
      lacks = f'the tokenizer has no token {mark}, which marks turns'
      has = ' or '.join(families(self.tokenizer))
      raise TokenizerError(
        f'{lacks}; it has those of {has}: write turns = "{has}"'
        if has
        else f'{lacks}: ask in plain text, or name a chat-tuned model'
      )
    return self._known[mark]

  def _plain(self, text: str) -> list[int]:
    """Ids of a text in which no mark is a token."""
    ids: list[int] = []
    marks = '|'.join(map(re.escape, self._known))
    # Between the first character of each mark and its others.
    for part in re.split(f'(?<=(?=(?:{marks})).)', text) if marks else [text]:
      ids += self.tokenizer.encode(part) if part else []
    return ids


def families(tokenizer: Tokenizer) -> list[str]:
  """Returns the families whose turns a tokenizer has the marks of."""
  return [
    name
    for name, turns in turns_lib.FAMILIES.items()
    if name == turns.name
    and None not in map(tokenizer.piece_id, (turns.opens, turns.closes))
  ]
