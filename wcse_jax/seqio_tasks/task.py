"""What the tasks have in common as TFDS datasets and seqio Tasks."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from wcse_jax import records, tasks, verify
from wcse_jax.tasks import source_files
from wcse_jax.verify import graders

Problems = Mapping[str, Iterable[dict[str, Any]]]

_FEATURES = tfds.features.FeaturesDict(
  {
    field.name: tf.int32 if field.type is int else tfds.features.Text()
    for field in dataclasses.fields(records.Problem)
  }
)


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A task's dataset, made from its official files.

  Its subclass for the task 'gsm8k' is `WcseGsm8k`; the docstring of that is
  the dataset's description.
  """

  VERSION = tfds.core.Version('1.0.0')
  HOMEPAGE: str | None = None

  def __init__(self, *, source_dir: str = '', **kwargs):
    """`source_dir` is that of `source_files.Source`."""
    self._source_dir = source_dir
    super().__init__(**kwargs)

  @property
  def task(self) -> tasks.TaskInfo:
    return tasks.TASKS[self.name.removeprefix('wcse_')]

  def problems(self, source: source_files.Source) -> Problems:
    """The problems of each split, with the fields of `records.Problem`.

    Raises:
      TaskError: A file is missing or altered, or the network is.
    """
    raise NotImplementedError

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=_FEATURES,
      description=self.__doc__,
      homepage=self.HOMEPAGE,
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    source = source_files.Source(self.task.name, self._source_dir, dl_manager)
    return {s: enumerate(rows) for s, rows in self.problems(source).items()}

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  builder: type[Builder],
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """A builder's seqio Task, e.g. 'wcse_gsm8k', its dataset prepared.

  The Task's 'inputs' are prefix and prompt, without BOS; its 'targets' the
  reference solution and EOS; the problem's own fields stay beside them. A Task
  of the same name is replaced.

  Args:
    builder: Of the task's module, which has this function without it.
    data_dir: Where TFDS keeps prepared datasets.
    source_dir: The folder with the official files, see `source_files.Source`.
    vocabulary: None is bytes.

  Raises:
    TaskError: A file is missing or altered, or the network is.
  """
  made = builder(data_dir=data_dir, source_dir=source_dir)
  made.download_and_prepare()
  if made.name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(made.name)
  vocabulary = vocabulary or seqio.ByteVocabulary()
  source = seqio.TfdsDataSource(
    f'{made.name}:{made.version}',
    tfds_data_dir=data_dir,
    splits=tuple(made.info.splits),
  )
  return seqio.TaskRegistry.add(
    made.name,
    source=source,  # pyright: ignore[reportArgumentType], seqio's own slip
    preprocessors=[
      functools.partial(_to_inputs_and_targets, prefix=made.task.prefix),
      seqio.preprocessors.tokenize,
      seqio.preprocessors.append_eos,
    ],
    output_features={
      'inputs': seqio.Feature(vocabulary, add_eos=False),
      'targets': seqio.Feature(vocabulary, add_eos=True),
    },
    postprocess_fn=functools.partial(_postprocess, task=made.task.name),
    metric_fns=[_metrics],
  )


def _to_inputs_and_targets(
  dataset: tf.data.Dataset, prefix: str
) -> tf.data.Dataset:
  return dataset.map(
    lambda problem: {
      **problem,
      'inputs': tf.strings.join([prefix, problem['prompt']]),
      'targets': problem['solution'],
    }
  )


def _postprocess(
  text: str,
  *,
  task: str,
  example: Mapping[str, Any],
  is_target: bool = False,
) -> str | graders.Grade:
  """The gold answer of a target; the grade of a prediction."""
  gold, question = (
    tf.compat.as_text(example[key]) for key in ('gold', 'question')
  )
  if is_target:
    return gold
  return verify.grade(task, gold=gold, text=text, question=question)


def _metrics(
  targets: Sequence[str], predictions: Sequence[graders.Grade]
) -> dict[str, float]:
  """Accuracy, and what it would be if all undecided ones were correct."""
  verdicts = [grade.verdict for grade in predictions]
  correct = verdicts.count('correct')
  return {
    'pass_at_1': correct / len(targets),
    'pass_at_1_upper': (correct + verdicts.count('unknown')) / len(targets),
  }
