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
    levels: The difficulties there are, easiest first.
  """

  name: str
  prefix: str
  prompt_format: str
  stop_strings: tuple[str, ...]
  levels: tuple[int, ...]

  def cut(self, text: str) -> str:
    """`text` up to the first stop string."""
    for stop in self.stop_strings:
      text = text.partition(stop)[0]
    return text


TASKS = {
  'nano_arithmetic': TaskInfo(
    name='nano_arithmetic',
    prefix=nano_problems.PREFIX,
    prompt_format='Problem: {question}\nSolution:',
    stop_strings=('\n\n',),
    levels=(1, 2, 3, 4, 5),
  ),
  'gsm8k': TaskInfo(
    name='gsm8k',
    prefix=gsm8k_problems.PREFIX,
    prompt_format=gsm8k_problems.PROMPT_FORMAT,
    stop_strings=gsm8k_problems.STOP_STRINGS,
    levels=(0,),
  ),
  **{
    name: TaskInfo(
      name=name,
      prefix=math_problems.PREFIX,
      prompt_format=math_problems.PROMPT_FORMAT,
      stop_strings=math_problems.STOP_STRINGS,
      levels=(1, 2, 3, 4, 5),  # 0 for two training problems of none
    )
    for name in ('math', 'functional_math')
  },
  'mbpp': TaskInfo(
    name='mbpp',
    prefix=mbpp_problems.PREFIX,
    prompt_format=mbpp_problems.PROMPT_FORMAT,
    stop_strings=mbpp_problems.STOP_STRINGS,
    levels=(0,),
  ),
  'humaneval': TaskInfo(
    name='humaneval',
    prefix=humaneval_problems.PREFIX,
    prompt_format=humaneval_problems.PROMPT_FORMAT,
    stop_strings=humaneval_problems.STOP_STRINGS,
    levels=(0,),
  ),
}
