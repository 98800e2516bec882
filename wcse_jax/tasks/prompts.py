r"""A prompt of one's own: a text file with few-shot examples and '{question}'.

  Solve each problem.

  Problem: Tom has 20 eggs and sells 6. How many are left?
  Solution: 20-6=14. The answer is 14.

  Problem: {question}
  Solution:

What stands before the last paragraph is read by a model once, the same for all
questions; students are asked by the last paragraph alone. A solution ends where
the model begins the next problem: at an empty line and what stands before
'{question}' there, 'Problem:', or at any empty line if nothing does.

Chat-tuned models are asked in turns: a file that ends in .toml (`chat`).
"""

import dataclasses
import pathlib

from wcse_jax import tasks
from wcse_jax.tasks import chat
from wcse_jax.tasks.chat import HERE as _HERE
from wcse_jax.tasks.chat import PromptError as PromptError


def configured(
  name: str, path: str = '', *, bare: bool = False
) -> tasks.TaskInfo:
  """Returns a task, asked by a prompt of one's own if there is one.

  Args:
    name: As for `tasks.find`.
    path: A file as the module shows it, or `chat`; '' is the task's own prompt.
    bare: Whether marks of turns are left out.

  Raises:
    ValueError: There is no such task.
    PromptError: The file cannot be read, or lacks something.
  """
  info = tasks.find(name)
  if not path:
    return info
  try:
    text = pathlib.Path(path).read_text()
  except (OSError, ValueError) as e:
    raise PromptError(f'{path}: {e}', 'name a text file') from e
  if path.endswith(chat.SUFFIX):
    made = chat.parse(text, path)
    return made.bare(info) if bare else made.asked(info)
  return with_text(info, text, path)


def alike(info: tasks.TaskInfo, task: tasks.TaskInfo) -> tasks.TaskInfo:
  """Returns a task asked in the turns of another, where that has some."""
  if not task.turns:
    return info
  asked = ('prefix', 'prompt_format', 'stop_strings', 'turns')
  return dataclasses.replace(info, **{of: getattr(task, of) for of in asked})


def with_text(
  info: tasks.TaskInfo, text: str, where: str = 'the prompt'
) -> tasks.TaskInfo:
  r"""Returns a task that is asked by a text.

  Args:
    info: The task.
    text: As the module shows it.
    where: What to call it in messages.

  Raises:
    PromptError: It has not '{question}' once.

  Example:
    >>> made = with_text(tasks.find('gsm8k'), 'Hi!\n\nP: {question}\nS:\n')
    >>> made.prefix, made.prompt_format, made.stop_strings
    ('Hi!\n\n', 'P: {question}\nS:', ('\n\nP:', '\nP:'))
  """
  text = text.replace('\r\n', '\n').rstrip()
  if text.count(_HERE) != 1:
    raise PromptError(
      f'{where} has {_HERE} {text.count(_HERE)} times',
      f'write {_HERE} once, in the last paragraph, where a question goes',
    )
  start = text.rfind('\n\n', 0, text.index(_HERE))
  start = start + 2 if start >= 0 else 0
  prefix, asked = text[:start], text[start:]
  before, after = (
    part.replace('{', '{{').replace('}', '}}') for part in asked.split(_HERE)
  )
  head = asked[: asked.index(_HERE)].strip()
  return dataclasses.replace(
    info,
    prefix=prefix,
    prompt_format=f'{before}{_HERE}{after}',
    stop_strings=(f'\n\n{head}', f'\n{head}') if head else ('\n\n',),
  )
