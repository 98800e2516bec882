"""A file's problems, asked and graded as those of MATH."""

import dataclasses
import functools

from wcse_jax.tasks import files, math
from wcse_jax.tasks.math import grade, quick

__all__ = ['TASK', 'grade', 'problems', 'quick']

TASK = dataclasses.replace(math.TASK, name='file_math')
problems = functools.partial(files.problems, TASK)
