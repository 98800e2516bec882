"""Word problems of one step: the first level of `nano_arithmetic`.

Behind eight examples the smallest pretrained Gemma solves some of them, and
writes nothing but the step and the answer. Its problems come from no file.
"""

from collections.abc import Iterable, Iterator
import dataclasses
import itertools

from wcse_jax import data_files
from wcse_jax.records import Problem
from wcse_jax.tasks import datasets
from wcse_jax.tasks.nano import problems as procedure
from wcse_jax.tasks.nano import task

TASK = dataclasses.replace(
  procedure.TASK, name='nano_one_step', prefix=data_files.text(__file__)
)

grade = task.grade
quick = task.quick


def problems(
  data_dir: str = '', download: datasets.Download | None = None
) -> dict[str, Iterable[Problem]]:
  """The problems of each split, drawn as far as somebody reads them.

  Those of a split are problems of that split of `nano_arithmetic`. No folder
  and no download is needed.
  """
  splits = task.problems(data_dir, download)
  return {split: _first_level(split, splits[split]) for split in splits}


def _first_level(split: str, drawn: Iterable[Problem]) -> Iterator[Problem]:
  easy = itertools.islice(drawn, 0, None, len(procedure.LEVELS))
  for index, problem in enumerate(easy):
    yield dataclasses.replace(
      problem, problem_id=f'{TASK.name}/{split}/{index:04d}'
    )
