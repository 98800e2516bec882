"""A prompt in a chat-tuned model's own turns: a TOML file.

  turns = "gemma3"
  user = '{question} End with "The answer is" and the number.'

  [[examples]]
  question = "Tom has 20 eggs and sells 6. How many are left?"
  solution = "20-6=14. The answer is 14."

`turns` names the marks: gemma2, gemma3 or gemma4. `user` is what the user says,
'{question}' in it, which it is alone if there is no `user`. Each of `examples`
is a turn of the user and one of the model, before the question; without any the
model is asked zero-shot. Gemma 4 also has a turn of the `system`, and thinks
before it answers with `thinking = true`; what it thought is no part of a
solution. Students are asked by the user's last turn alone.
"""

import dataclasses
import tomllib
from typing import Any

from wcse_jax.errors import Error
from wcse_jax.experiment import rules
from wcse_jax.tasks import TaskInfo
from wcse_jax.tasks.turns import FAMILIES, Turns

SUFFIX = '.toml'
HERE = '{question}'
_FIELDS = {
  'turns': str,
  'user': str,
  'system': str,
  'thinking': bool,
  'examples': list,
}


class PromptError(Error):
  """A file that is no prompt; says what it lacks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chat:
  """What a file says.

  Attributes:
    turns: How turns are marked.
    user: What the user says, with '{question}' once.
    system: What the system says first.
    thinking: Whether the model thinks before it answers.
    examples: Questions and their solutions.
  """

  turns: Turns
  user: str = HERE
  system: str = ''
  thinking: bool = False
  examples: tuple[tuple[str, str], ...] = ()

  def asked(self, info: TaskInfo) -> TaskInfo:
    """Returns a task that is asked in these turns."""
    turns, prefix = self.turns, ''
    if self.thinking or self.system:
      thinks = turns.thinks if self.thinking else ''
      prefix = turns.turn('system', thinks + self.system)
    for question, solution in self.examples:
      prefix += turns.turn('user', self._says(question))
      prefix += turns.turn('model', solution)
    asked = turns.turn('user', _escaped(self.user)) + turns.reply
    return dataclasses.replace(
      info, prefix=prefix, prompt_format=asked, stop_strings=(), turns=turns
    )

  def bare(self, info: TaskInfo) -> TaskInfo:
    """Returns a task asked without marks, which a server sets by itself."""
    texts = [self.system] if self.system else []
    for question, solution in self.examples:
      texts.append(f'{self._says(question)}\n{solution}')
    return dataclasses.replace(
      info,
      prefix=''.join(f'{text}\n\n' for text in texts),
      prompt_format=_escaped(self.user),
      stop_strings=(),
    )

  def _says(self, question: str) -> str:
    return self.user.replace(HERE, question)


def _escaped(user: str) -> str:
  """What the user says, as `str.format` reads it."""
  before, after = (
    user.replace('{', '{{').replace('}', '}}').split('{{question}}')
  )
  return f'{before}{HERE}{after}'


def parse(text: str, where: str) -> Chat:
  """Reads a file as the module shows it.

  Args:
    text: The file's text.
    where: What to call it in messages.

  Raises:
    PromptError: It is no TOML, a field is unknown, missing or of another type,
      or a text spells a mark.

  Example:
    >>> made = parse("turns = 'gemma4'", 'it')
    >>> made.turns.closes, made.user
    ('<turn|>', '{question}')
    >>> parse("turns = 'chatml'", 'it')
    Traceback (most recent call last):
    wcse_jax.tasks.chat.PromptError: it: turns = 'chatml'
    give gemma2, gemma3, gemma4
  """
  try:
    fields = tomllib.loads(text)
  except tomllib.TOMLDecodeError as e:
    raise PromptError(f'{where}: {e}', 'write it as TOML') from e
  fault = lambda name, value, remedy: PromptError(
    f'{where}: {name} = {rules.shown(value)}', remedy
  )
  for name, value in fields.items():
    if name not in _FIELDS:
      raise fault(name, value, f'known: {", ".join(_FIELDS)}')
    if not isinstance(value, _FIELDS[name]):
      raise fault(name, value, f'give {_a(_FIELDS[name])}')
  examples = tuple(
    _example(row, number, fault)
    for number, row in enumerate(fields.pop('examples', ()), 1)
  )
  if (name := fields.pop('turns', '')) not in FAMILIES:
    raise fault('turns', name, f'give {", ".join(FAMILIES)}')
  made = Chat(turns=FAMILIES[name], examples=examples, **fields)
  if made.user.count(HERE) != 1:
    raise fault('user', made.user, f'write {HERE} once, where a question goes')
  if not made.turns.thinks:
    for name in ('system', 'thinking'):
      if value := fields.get(name):
        raise fault(name, value, f'{made.turns.name} has none: leave it out')
  texts = [made.user, made.system, *(t for row in examples for t in row)]
  for mark in made.turns.marks:
    for spelled in texts:
      if mark in spelled:
        remedy = f'leave {mark} out: marks of turns are set by themselves'
        raise fault('a text', spelled, remedy)
  return made


def _example(row: Any, number: int, fault: Any) -> tuple[str, str]:
  names = ('question', 'solution')
  if (
    not isinstance(row, dict)
    or {*row} != {*names}
    or not all(isinstance(text, str) and text.strip() for text in row.values())
  ):
    raise fault(f'examples, {number}', row, 'give texts: question and solution')
  return row['question'], row['solution']


def _a(kind: type) -> str:
  known = {str: 'a text', bool: 'true or false'}
  return known.get(kind, 'tables, each headed [[examples]]')
