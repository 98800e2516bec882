"""MBPP as a TFDS dataset and a seqio Task."""

import pathlib

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import mbpp_problems, seqio_task, source_files


class WcseMbpp(tfds.core.GeneratorBasedBuilder):
  """The official file, checked, in its official splits."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, source_dir: str = '', **kwargs):
    """`source_dir` has mbpp.jsonl; '' downloads it."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Basic Python programming problems, each with three tests.',
      homepage='https://github.com/google-research/google-research/tree/master/mbpp',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    if self._source_dir:
      path = pathlib.Path(self._source_dir, mbpp_problems.FILE)
    else:
      url = mbpp_problems.URL
      path = source_files.download(dl_manager, url, 'mbpp')
    rows = mbpp_problems.read(path)
    return {
      split: enumerate(mbpp_problems.problems(rows, split))
      for split in mbpp_problems.SPLITS
    }

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_mbpp', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Folder with the official mbpp.jsonl; '' takes
      $WCSE_DATA_DIR/mbpp if it is there, else downloads it.
    vocabulary: None is bytes.

  Raises:
    TaskError: The file is missing or altered, or the network is.
  """
  builder = WcseMbpp(
    data_dir=data_dir, source_dir=source_files.folder('mbpp', source_dir)
  )
  return seqio_task.register(tasks.TASKS['mbpp'], builder, data_dir, vocabulary)
