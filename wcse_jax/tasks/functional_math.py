"""Functional MATH as a TFDS dataset and a seqio Task."""

import pathlib

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import functional_math_problems, seqio_task
from wcse_jax.tasks import math as math_task


class WcseFunctionalMath(tfds.core.GeneratorBasedBuilder):
  """The variants of all snapshots that are there, as the test split."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, source_dir: str, **kwargs):
    """`source_dir` has Oct-2023.jsonl, Dec-2023.jsonl, or both."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Problems of MATH with other numbers.',
      homepage='https://github.com/ConsequentAI/fneval',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager  # the files are given
    snapshots = functional_math_problems.read(pathlib.Path(self._source_dir))
    return {'test': enumerate(functional_math_problems.problems(snapshots))}

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_functional_math', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Folder with the snapshots; '' takes
      $WCSE_DATA_DIR/functional_math.
    vocabulary: None is bytes.

  Raises:
    TaskError: A file is missing or altered.
  """
  source_dir = math_task.source_folder('functional_math', source_dir)
  builder = WcseFunctionalMath(data_dir=data_dir, source_dir=source_dir)
  return seqio_task.register(
    tasks.TASKS['functional_math'], builder, data_dir, vocabulary
  )
