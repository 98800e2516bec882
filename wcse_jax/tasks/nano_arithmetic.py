"""Procedural word problems as a TFDS dataset and a seqio Task."""

import dataclasses

import seqio
import tensorflow_datasets as tfds

from wcse_jax import tasks
from wcse_jax.tasks import nano_problems, seqio_task


class WcseNanoArithmetic(tfds.core.GeneratorBasedBuilder):
  """`nano_problems`' splits, made on the spot."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=seqio_task.FEATURES,
      description='Procedural grade-school word problems of five levels.',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    del dl_manager  # nothing to download
    return {
      split: self._generate_examples(split) for split in nano_problems.SPLITS
    }

  def _generate_examples(self, split: str):
    for index in range(nano_problems.SPLITS[split]):
      yield index, dataclasses.asdict(nano_problems.problem(split, index))


def task(
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """The seqio Task 'wcse_nano_arithmetic', its dataset prepared.

  Args:
    data_dir: Where TFDS keeps the prepared dataset.
    source_dir: Unused: the problems come from no file.
    vocabulary: None is bytes.
  """
  del source_dir
  builder = WcseNanoArithmetic(data_dir=data_dir)
  return seqio_task.register(
    tasks.TASKS['nano_arithmetic'], builder, data_dir, vocabulary
  )
