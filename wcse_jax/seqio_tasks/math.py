"""MATH as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import math as math_problems
from wcse_jax.tasks import source_files


class WcseMath(seqio_task.Builder):
  """MATH's train, 500 of its test problems as validation, and MATH-500."""

  HOMEPAGE = 'https://github.com/hendrycks/math'

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    rows = math_problems.splits(source.folder())
    return {split: math_problems.problems(rows[split], split) for split in rows}


task = functools.partial(seqio_task.task, WcseMath)
