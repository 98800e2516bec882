"""GSM8K as a TFDS dataset and a seqio Task."""

import os
import pathlib
import urllib.request

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import child, gsm8k_problems, seqio_task

_URL = (
  'https://raw.githubusercontent.com/openai/grade-school-math/'
  '3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/'
)


class WcseGsm8k(tfds.core.GeneratorBasedBuilder):
  """The official files, checked; 500 of train are the validation split."""

  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, *, source_dir: str = '', **kwargs):
    """`source_dir` has train.jsonl and test.jsonl; '' downloads them."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Grade-school word problems with chain-of-thought prompt.',
      homepage='https://github.com/openai/grade-school-math',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    if self._source_dir:
      folder = pathlib.Path(self._source_dir)
      paths = {name: folder / name for name in gsm8k_problems.SHA256}
    else:
      paths = _download(dl_manager)
    train, test = (
      gsm8k_problems.read(paths[name], name)
      for name in ('train.jsonl', 'test.jsonl')
    )
    return {
      split: enumerate(gsm8k_problems.problems(rows, split))
      for split, rows in (
        ('train', train),
        ('validation', train),
        ('test', test),
      )
    }

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def _download(
  dl_manager: tfds.download.DownloadManager,
) -> dict[str, pathlib.Path]:
  try:  # TFDS itself would try for minutes
    urllib.request.urlopen(f'{_URL}test.jsonl', timeout=20).close()
  except OSError as error:
    raise child.TaskError(
      f'config.task.data_dir: none is given, and {_URL} cannot be reached; '
      'give the folder of train.jsonl and test.jsonl, or set WCSE_DATA_DIR to '
      'the folder above a folder gsm8k with them'
    ) from error
  return {
    name: pathlib.Path(dl_manager.download(_URL + name))
    for name in gsm8k_problems.SHA256
  }


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_gsm8k', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Folder with the official train.jsonl and test.jsonl; ''
      takes $WCSE_DATA_DIR/gsm8k if it is there, else downloads them.
    vocabulary: None is bytes.

  Raises:
    TaskError: A file is missing or altered, or the network is.
  """
  if not source_dir and (shared := os.environ.get('WCSE_DATA_DIR')):
    default = pathlib.Path(shared, 'gsm8k')
    source_dir = str(default) if default.is_dir() else ''
  builder = WcseGsm8k(data_dir=data_dir, source_dir=source_dir)
  return seqio_task.register(
    tasks.TASKS['gsm8k'], builder, data_dir, vocabulary
  )
