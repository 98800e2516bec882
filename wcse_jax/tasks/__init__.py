"""The tasks: what a model is asked, and how its answers are graded.

Each task is a light Python module. It has a `TASK`; a function `problems`
that gives the problems of each split; and a `grade(gold, text, question)` that
says what a solution is worth. What follows a stop string of the task does not
count. A grader may take long or crash: `wcse_jax.verify.pool` runs it where it
can be killed. A built-in task may have a `quick`, too: the same as `grade` if
that can be told at once and in any process, else None.

An own task is any other module of that shape, named instead of one of TASKS.
Those of FILES have their problems in a file that anyone has.
"""

import dataclasses
import importlib
import re
from typing import Any

from wcse_jax import errors, records
from wcse_jax.experiment import arguments, sections
from wcse_jax.tasks.turns import Turns

# The modules of the built-in tasks, by the tasks' names.
TASKS = {
  'nano_arithmetic': 'wcse_jax.tasks.nano.task',
  'nano_one_step': 'wcse_jax.tasks.nano.one_step',
  'gsm8k': 'wcse_jax.tasks.gsm8k',
  'math': 'wcse_jax.tasks.math',
  'functional_math': 'wcse_jax.tasks.functional_math',
  'mbpp': 'wcse_jax.tasks.mbpp',
  'mbpp_sanitized': 'wcse_jax.tasks.mbpp_sanitized',
  'humaneval': 'wcse_jax.tasks.humaneval',
  'ifeval': 'wcse_jax.tasks.ifeval',
}

# The graders of config.task.file, and the tasks that ask and grade as they do.
FILES = {grader: f'file_{grader}' for grader in sections.GRADERS}
_MODULES = TASKS | {
  name: f'wcse_jax.tasks.files.{grader}' for grader, name in FILES.items()
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskInfo:
  """A task, as far as sampling and grading need to know it.

  Attributes:
    name: The task's name, e.g. 'gsm8k', by which its grader is found.
    prefix: Few-shot examples. A model is given `prefix + problem.prompt`.
    prompt_format: Text with '{question}', which becomes `problem.prompt`.
    stop_strings: A solution ends before the first of them.
    turns: How turns are marked in `prefix` and prompts, of chat-tuned models:
      then a solution ends with its turn. None: they are plain text.
    exact_steps: Whether its grader's `sound` decides exactly if the reasoning
      is right. If not, people's and a judge's word on it goes before.
    answer_is_solution: Whether an answer is all that counts of its solution, as
      of a program: solutions of one answer are one.
    grader_version: Which verdicts its grader gives: raised with every change of
      one on the certificate's sets, so that those given before are not mixed
      with those given since.

  Raises:
    ArgumentError: A text is none, or the stop strings are one text.
  """

  name: str
  prefix: str
  prompt_format: str
  stop_strings: tuple[str, ...]
  turns: Turns | None = None
  exact_steps: bool = False
  answer_is_solution: bool = False
  grader_version: int = 1

  def __post_init__(self):
    for name in ('name', 'prefix', 'prompt_format'):
      arguments.check_as(str, **{name: getattr(self, name)})
    texts = arguments.texts(stop_strings=self.stop_strings)
    object.__setattr__(self, 'stop_strings', texts)

  @property
  def grader_identity(self) -> dict[str, int]:
    """The version of what grades; none is 1, as before there were versions."""
    version = self.grader_version
    return {'grader_version': version} if version > 1 else {}

  def problem(
    self,
    name: str,
    split: str,
    *,
    question: str,
    solution: str,
    gold: str,
    level: int = 0,
  ) -> records.Problem:
    """A problem of the task, its prompt in the task's format.

    Args:
      name: Unique within the split.
      split: 'train', 'validation' or 'test'.
      question: As in `records.Problem`, as are the others.
      solution: As there.
      gold: As there.
      level: As there.
    """
    return records.Problem(
      problem_id=f'{self.name}/{split}/{name}',
      split=split,
      question=question,
      prompt=self.prompt_format.format(question=question),
      solution=solution,
      gold=gold,
      level=level,
    )

  def cut(self, text: str) -> str:
    """The part of a text before the first stop string in it."""
    return records.cut(text, self.stop_strings)


def find(name: str) -> TaskInfo:
  r"""What is to be known of a task.

  >>> find('gsm8k').cut(' 4 + 5 = 9. The answer is 9.\n\nQ: And now?')
  ' 4 + 5 = 9. The answer is 9.'

  Args:
    name: One of TASKS, or the name of a Python module with a `TASK`.

  Raises:
    ValueError: There is neither; the message says what is known.
  """
  task = load(name, 'TASK')
  if not isinstance(task, TaskInfo):
    raise ValueError(
      f'the TASK of {name!r} is {task!r:.80}: make it a wcse_jax.tasks.TaskInfo'
    )
  return task


def load(name: str, what: str) -> Any:
  """What the module of a task has under a name, e.g. its 'grade'.

  Raises:
    ValueError: The module cannot be imported, or has no such thing.
  """
  foreseen = (ImportError, AttributeError, ValueError)
  try:
    if not isinstance(name, str) or not re.fullmatch(
      r'[\w-]+(\.[\w-]+)*', name
    ):
      raise ValueError('give a name like my_task, or my_package.my_task')
    return getattr(importlib.import_module(_MODULES.get(name, name)), what)
  except Exception as e:  # an own task's module may raise anything
    if not isinstance(e, foreseen) and name in TASKS:
      raise
    raise ValueError(
      f'{name!r} is none of {", ".join(TASKS)}, and no Python module with'
      f' {what} ({type(e).__name__}: {e}){errors.where(e)}'
    ) from e
