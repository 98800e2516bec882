"""The tasks: what a model is asked, and how its answers are graded.

Each dataset has a light module with its texts (`*_problems`) and one with its
TFDS builder and seqio Task. Only the latter, `prepare` and `curate` import
TensorFlow; the pipeline runs those as child processes (`child.run_child`).

An own task is a Python module that is named instead: it has a `TASK`, a
function `problems(data_dir)` that gives each split's Problems, and a
`grade(gold, text, question)` as those of `wcse_jax.verify.graders`.
"""

import dataclasses
import importlib
from typing import Any

from wcse_jax.tasks import gsm8k as gsm8k_problems
from wcse_jax.tasks import humaneval as humaneval_problems
from wcse_jax.tasks import ifeval as ifeval_problems
from wcse_jax.tasks import math as math_problems
from wcse_jax.tasks import mbpp as mbpp_problems
from wcse_jax.tasks.nano import problems as nano_problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskInfo:
  """A task, as far as sampling and grading need to know it.

  Attributes:
    name: Also that of its grader.
    prefix: Few-shot examples. A model is given `prefix + problem.prompt`.
    prompt_format: Makes `problem.prompt` of a question.
    stop_strings: A solution ends before the first of them.
    exact_steps: Whether its grader's `sound` decides exactly if the reasoning
      is right. If not, people's and a judge's word on it goes before.
  """

  name: str
  prefix: str
  prompt_format: str
  stop_strings: tuple[str, ...]
  exact_steps: bool = False

  def cut(self, text: str) -> str:
    """`text` before the first stop string in it."""
    ends = [text.find(stop) for stop in self.stop_strings]
    return text[: min((end for end in ends if end >= 0), default=None)]


TASKS = {
  name: TaskInfo(
    name=name,
    prefix=texts.PREFIX,
    prompt_format=texts.PROMPT_FORMAT,
    stop_strings=texts.STOP_STRINGS,
    exact_steps=texts is nano_problems,
  )
  for name, texts in {
    'nano_arithmetic': nano_problems,
    'gsm8k': gsm8k_problems,
    'math': math_problems,
    'functional_math': math_problems,
    'mbpp': mbpp_problems,
    'humaneval': humaneval_problems,
    'ifeval': ifeval_problems,
  }.items()
}


def find(name: str) -> TaskInfo:
  """One of TASKS, or the TASK of the Python module of that name.

  Raises:
    ValueError: There is neither; says what is known.
  """
  return TASKS[name] if name in TASKS else own(name, 'TASK')


def own(name: str, what: str) -> Any:
  """What an own task's module has under a name.

  Raises:
    ValueError: It cannot be imported, or has no such thing.
  """
  try:
    return getattr(importlib.import_module(name), what)
  except (ImportError, AttributeError, ValueError) as e:
    raise ValueError(
      f'{name!r} is none of {", ".join(TASKS)}, and no Python module with'
      f' {what} ({e})'
    ) from e
