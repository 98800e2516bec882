"""The tasks: what a model is asked, and how its answers are graded.

Each dataset has a light module with its texts (`*_problems`) and one with its
TFDS builder and seqio Task. Only the latter, `prepare` and `curate` import
TensorFlow; the pipeline runs those as child processes (`child.run_child`).
"""

import dataclasses

from wcse_jax.tasks import (
  gsm8k_problems,
  humaneval_problems,
  math_problems,
  mbpp_problems,
  nano_problems,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskInfo:
  """A task, as far as sampling and grading need to know it.

  Attributes:
    name: Also the name of its grader in `wcse_jax.verify.graders.GRADERS`.
    prefix: Few-shot examples. A model is given `prefix + problem.prompt`.
    prompt_format: Makes `problem.prompt` of a question.
    stop_strings: A solution ends before the first of them.
  """

  name: str
  prefix: str
  prompt_format: str
  stop_strings: tuple[str, ...]

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
  )
  for name, texts in {
    'nano_arithmetic': nano_problems,
    'gsm8k': gsm8k_problems,
    'math': math_problems,
    'functional_math': math_problems,
    'mbpp': mbpp_problems,
    'humaneval': humaneval_problems,
  }.items()
}
