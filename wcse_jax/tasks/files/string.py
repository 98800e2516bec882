r"""A file's problems whose answers are texts: a name, a choice, a word.

The answer of a solution is what its last \boxed{} holds, or what follows its
last 'answer is' or 'Answer:', or its last line; case, spaces, quotes and a full
stop at the end do not count.
"""

import dataclasses
import functools
import re

from wcse_jax.records import Grade
from wcse_jax.tasks import files, gsm8k

TASK = dataclasses.replace(gsm8k.TASK, name='file_string')
problems = functools.partial(files.problems, TASK)

_MOST = 100_000  # characters of a solution
_SAID = re.compile(
  r'\\boxed\s*\{(?:\\text\w*\s*\{)?([^{}]*)\}'
  r'|\banswer(?:\s+is\b\s*:?|\s*:)[ \t]*([^\n]*)',
  re.I,
)
_SENTENCE = re.compile(r'[.!;]\s')
_DRESS = ' \t\r\n"\'`*$.'


def grade(gold: str, text: str, question: str) -> Grade:
  """The same text.

  >>> grade('Paris', 'It is in France. The answer is "paris".', '').verdict
  'correct'
  """
  del question
  text = TASK.cut(text)
  if len(text) > _MOST:
    return Grade('unknown', '', 'size')
  if not _plain(gold):
    return Grade('unknown', '', 'gold')
  said = _answer(text)
  if not said:
    return Grade('wrong', '', 'no_answer')
  # 'The answer is B. Therefore ...' ends with its sentence.
  answers = {_plain(said), _plain(_SENTENCE.split(said, maxsplit=1)[0])}
  verdict = 'correct' if _plain(gold) in answers else 'wrong'
  return Grade(verdict, said, 'string')


quick = grade


def _answer(text: str) -> str:
  found = list(_SAID.finditer(text))
  if found:
    return (found[-1][1] or found[-1][2] or '').strip(_DRESS)
  lines = text.strip().splitlines()
  return lines[-1].strip(_DRESS) if lines else ''


def _plain(text: str) -> str:
  return ' '.join(text.casefold().split()).strip(_DRESS)
