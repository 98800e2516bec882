"""HumanEval as a TFDS dataset and a seqio Task."""

import pathlib

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import humaneval_problems, seqio_task, source_files


class WcseHumaneval(tfds.core.GeneratorBasedBuilder):
  """The official file, checked; it has a test split only."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, source_dir: str = '', **kwargs):
    """`source_dir` has HumanEval.jsonl.gz; '' downloads it."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Python functions to write from their header and docstring.',
      homepage='https://github.com/openai/human-eval',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    if self._source_dir:
      path = pathlib.Path(self._source_dir, humaneval_problems.FILE)
    else:
      url = humaneval_problems.URL
      path = source_files.download(dl_manager, url, 'humaneval')
    rows = humaneval_problems.read(path)
    return {'test': enumerate(humaneval_problems.problems(rows))}

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_humaneval', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Folder with the official HumanEval.jsonl.gz; '' takes
      $WCSE_DATA_DIR/humaneval if it is there, else downloads it.
    vocabulary: None is bytes.

  Raises:
    TaskError: The file is missing or altered, or the network is.
  """
  builder = WcseHumaneval(
    data_dir=data_dir, source_dir=source_files.folder('humaneval', source_dir)
  )
  return seqio_task.register(
    tasks.TASKS['humaneval'], builder, data_dir, vocabulary
  )
