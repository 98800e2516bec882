"""MBPP as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import mbpp as mbpp_problems
from wcse_jax.tasks import source_files


class WcseMbpp(seqio_task.Builder):
  """Basic Python programming problems, each with three tests."""

  HOMEPAGE = (
    'https://github.com/google-research/google-research/tree/master/mbpp'
  )

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    rows = mbpp_problems.read(source.path(mbpp_problems.URL))
    return {
      split: mbpp_problems.problems(rows, split)
      for split in mbpp_problems.SPLITS
    }


task = functools.partial(seqio_task.task, WcseMbpp)
