"""Procedural word problems as a TFDS dataset and a seqio Task."""

import dataclasses
import functools

from wcse_jax.seqio_tasks import task as seqio_task
from wcse_jax.tasks import source_files
from wcse_jax.tasks.nano import problems as nano_problems


class WcseNanoArithmetic(seqio_task.Builder):
  """Procedural grade-school word problems of five levels."""

  def problems(self, source: source_files.Source) -> seqio_task.Problems:
    del source  # they come from no file
    return {
      split: [
        dataclasses.asdict(nano_problems.problem(split, i)) for i in range(size)
      ]
      for split, size in nano_problems.SPLITS.items()
    }


task = functools.partial(seqio_task.task, WcseNanoArithmetic)
