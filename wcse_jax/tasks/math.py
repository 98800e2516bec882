"""MATH as a TFDS dataset and a seqio Task."""

import os
import pathlib

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import child, math_problems, seqio_task


class WcseMath(tfds.core.GeneratorBasedBuilder):
  """MATH's train, 500 of its test problems as validation, and MATH-500."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, source_dir: str, **kwargs):
    """`source_dir` has math500.jsonl and one of MATH's public forms."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Competition mathematics, with the Minerva prompt.',
      homepage='https://github.com/hendrycks/math',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager  # the publisher offers no download any more
    rows = math_problems.splits(pathlib.Path(self._source_dir))
    return {
      split: enumerate(math_problems.problems(rows[split], split))
      for split in rows
    }

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_math', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Folder with math500.jsonl and one of the public forms of MATH
      (see `math_problems`); '' takes $WCSE_DATA_DIR/math.
    vocabulary: None is bytes.

  Raises:
    TaskError: A file is missing or altered.
  """
  builder = WcseMath(
    data_dir=data_dir, source_dir=source_folder('math', source_dir)
  )
  return seqio_task.register(tasks.TASKS['math'], builder, data_dir, vocabulary)


def source_folder(name: str, source_dir: str) -> str:
  """The folder with a dataset's files.

  Raises:
    TaskError: None is given.
  """
  shared = os.environ.get('WCSE_DATA_DIR')
  if not source_dir and not shared:
    raise child.TaskError(
      'config.task.data_dir: none is given, and there is no download; give the'
      f' folder with the files of {name}, or set WCSE_DATA_DIR to the folder'
      f' above a folder {name} with them'
    )
  return source_dir or str(pathlib.Path(shared or '', name))
