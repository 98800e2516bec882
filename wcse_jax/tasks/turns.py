"""How chat-tuned models mark who speaks: each family in its own tokens."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turns:
  r"""The marks of a family of chat-tuned models, each a single token.

  Attributes:
    name: The family, as the file of a prompt calls it.
    opens: Stands before a turn's role.
    closes: Stands behind a turn: the model's ends a solution.
    thinks: Stands in a system's turn that lets the model think first; '' where
      no model of the family does.
    thought: What stands before and behind a thought; () likewise.

  Example:
    >>> GEMMA3.turn('user', 'Hi!') + GEMMA3.reply
    '<start_of_turn>user\nHi!<end_of_turn>\n<start_of_turn>model\n'
  """

  name: str
  opens: str
  closes: str
  thinks: str = ''
  thought: tuple[str, ...] = ()

  @property
  def marks(self) -> tuple[str, ...]:
    """All marks."""
    return *filter(None, (self.opens, self.closes, self.thinks)), *self.thought

  @property
  def reply(self) -> str:
    """What the model's own turn begins with."""
    return f'{self.opens}model\n'

  def turn(self, role: str, text: str) -> str:
    """Returns a whole turn: of the 'user', the 'model' or the 'system'."""
    return f'{self.opens}{role}\n{text}{self.closes}\n'

  def parts(self, text: str) -> list[tuple[str, bool]]:
    """Cuts turns into marks and texts.

    Args:
      text: Whole turns; or one of the user, whose text may spell marks that are
        none, and what the model's begins with.

    Returns:
      Each part, and whether it is a mark.

    Example:
      >>> asked = GEMMA3.turn('user', 'Say <end_of_turn>.') + GEMMA3.reply
      >>> [part for part, is_mark in GEMMA3.parts(asked) if is_mark]
      ['<start_of_turn>', '<end_of_turn>', '<start_of_turn>']
    """
    head, tail = f'{self.opens}user\n', f'{self.closes}\n{self.reply}'
    if text.startswith(head) and text.endswith(tail):
      inner = text[len(head) : -len(tail)]
      return [*self._cut(head), (inner, False), *self._cut(tail)]
    return self._cut(text)

  def _cut(self, text: str) -> list[tuple[str, bool]]:
    marks = '|'.join(map(re.escape, self.marks))
    parts = re.split(f'({marks})', text)
    return [(part, part in self.marks) for part in parts if part]


GEMMA3 = Turns(name='gemma3', opens='<start_of_turn>', closes='<end_of_turn>')
GEMMA4 = Turns(
  name='gemma4',
  opens='<|turn>',
  closes='<turn|>',
  thinks='<|think|>',
  thought=('<|channel>', '<channel|>'),
)
FAMILIES = {'gemma2': GEMMA3, 'gemma3': GEMMA3, 'gemma4': GEMMA4}
