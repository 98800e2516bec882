"""Functional MATH as a TFDS dataset and a seqio Task."""

import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import functional_math as functional_math_problems
from wcse_jax.tasks import source_files


class WcseFunctionalMath(seqio_task.Builder):
  """MATH with other numbers: all snapshots that are there, as one split."""

  HOMEPAGE = 'https://github.com/ConsequentAI/fneval'

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    snapshots = functional_math_problems.read(source.folder())
    return {'test': functional_math_problems.problems(snapshots)}


task = functools.partial(seqio_task.task, WcseFunctionalMath)
