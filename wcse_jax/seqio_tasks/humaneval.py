"""HumanEval as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import humaneval as humaneval_problems
from wcse_jax.tasks import source_files


class WcseHumaneval(seqio_task.Builder):
  """Python functions to write from their header and docstring."""

  HOMEPAGE = 'https://github.com/openai/human-eval'

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    rows = humaneval_problems.read(source.path(humaneval_problems.URL))
    return {'test': humaneval_problems.problems(rows)}


task = functools.partial(seqio_task.task, WcseHumaneval)
