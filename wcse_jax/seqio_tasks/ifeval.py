"""IFEval as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import ifeval as ifeval_problems
from wcse_jax.tasks import source_files


class WcseIfeval(seqio_task.Builder):
  """Instructions whose following can be checked, without solutions."""

  HOMEPAGE = (
    'https://github.com/google-research/google-research/tree/master/'
    'instruction_following_eval'
  )

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    rows = ifeval_problems.read(source.path(ifeval_problems.URL))
    return {
      split: ifeval_problems.problems(rows, split)
      for split in ifeval_problems.SPLITS
    }


task = functools.partial(seqio_task.task, WcseIfeval)
