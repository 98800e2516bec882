"""The built-in tasks as TFDS datasets and seqio Tasks, e.g. 'wcse_gsm8k'.

Both are made of the task's light module in `wcse_jax.tasks`: its `TASK`, its
`problems` and its grader.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
import itertools
from typing import Any

import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from wcse_jax import records, tasks, verify
from wcse_jax.tasks import datasets

_PREFIX = 'wcse_'  # of the names of datasets and Tasks

_FIELDS = {
  field.name: tf.int32 if field.type is int else tf.string
  for field in dataclasses.fields(records.Problem)
}


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A built-in task's dataset: its problems, made from the official files."""

  def __init__(
    self,
    *,
    task: str,
    source_dir: str = '',
    first: Mapping[str, int | None] | None = None,
    **kwargs,
  ):
    """Names the dataset after its task.

    Args:
      task: One of `wcse_jax.tasks.TASKS`.
      source_dir: The folder with the official files; '' looks for it, see
        `wcse_jax.tasks.datasets.Source`.
      first: How many problems of which splits, where that is not all; None is
        all of one. A dataset of some problems is a config of its own.
      **kwargs: Those of TFDS, e.g. `data_dir`.
    """
    self.name = _PREFIX + task  # pyright: ignore[reportAttributeAccessIssue]
    self._task = task
    self._source_dir = source_dir
    self._first = first
    version = tfds.core.Version(datasets.DATASETS[task].version)
    self.VERSION = version  # pyright: ignore[reportAttributeAccessIssue]
    config = None
    if first:
      numbers = (f'{split}_{n or "all"}' for split, n in first.items())
      config = tfds.core.BuilderConfig(name='-'.join(numbers))
    super().__init__(config=config, **kwargs)

  def _info(self) -> tfds.core.DatasetInfo:
    dataset = datasets.DATASETS[self._task]
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          name: tfds.features.Text() if kind is tf.string else kind
          for name, kind in _FIELDS.items()
        }
      ),
      description=dataset.description,
      homepage=dataset.homepage,
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager: tfds.download.DownloadManager):
    read = tasks.load(self._task, 'problems')
    splits = read(self._source_dir, dl_manager.download)
    first = self._first or {}
    wanted = splits.keys() & first.keys() or splits.keys()
    return {
      split: enumerate(
        map(dataclasses.asdict, itertools.islice(problems, first.get(split)))
      )
      for split, problems in splits.items()
      if split in wanted
    }

  def _generate_examples(self):
    raise NotImplementedError  # _split_generators gives them


def task(
  name: str,
  data_dir: str,
  source_dir: str = '',
  vocabulary: seqio.Vocabulary | None = None,
  first: Mapping[str, int | None] | None = None,
) -> seqio.Task:
  """A built-in task's seqio Task, e.g. 'wcse_gsm8k', its dataset prepared.

  Args:
    name: One of `wcse_jax.tasks.TASKS`.
    data_dir: The folder where TFDS keeps prepared datasets.
    source_dir: As in `Builder`.
    vocabulary: As in `add`.
    first: As in `Builder`.

  Raises:
    TaskError: A file is missing or altered, or the network is.
  """
  builder = Builder(
    task=name, data_dir=data_dir, source_dir=source_dir, first=first
  )
  builder.download_and_prepare()
  source = seqio.TfdsDataSource(
    builder.info.full_name.replace(
      f'/{builder.version}', f':{builder.version}'
    ),
    tfds_data_dir=data_dir,
    splits=tuple(builder.info.splits),
  )
  return add(builder.name, name, source, vocabulary)


def add(
  registered: str,
  name: str,
  source: seqio.DataSource,
  vocabulary: seqio.Vocabulary | None = None,
  *,
  timeout_s: float = 5.0,
  metric_fns: Sequence[Callable[..., dict[str, float]]] = (),
) -> seqio.Task:
  """Registers problems of a task as a seqio Task.

  The Task's 'inputs' are prefix and prompt, without BOS; its 'targets' the
  reference solution and EOS; the problem's own fields stay beside them. A Task
  of the same name is replaced.

  Args:
    registered: The name of the seqio Task.
    name: One of `wcse_jax.tasks.TASKS`, or the module of an own task.
    source: Examples with the fields of `wcse_jax.records.Problem`.
    vocabulary: How texts become tokens; None is one token a byte.
    timeout_s: Seconds that grading one solution may take.
    metric_fns: More functions of targets and predictions, beside `metrics`.
  """
  if registered in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(registered)
  vocabulary = vocabulary or seqio.ByteVocabulary()
  return seqio.TaskRegistry.add(
    registered,
    source=source,  # pyright: ignore[reportArgumentType], seqio's own slip
    preprocessors=[
      functools.partial(_to_inputs_and_targets, prefix=tasks.find(name).prefix),
      seqio.preprocessors.tokenize,
      seqio.preprocessors.append_eos,
    ],
    output_features={
      'inputs': seqio.Feature(vocabulary, add_eos=False),
      'targets': seqio.Feature(vocabulary, add_eos=True),
    },
    postprocess_fn=functools.partial(
      _postprocess, task=name, timeout_s=timeout_s
    ),
    metric_fns=[metrics, *metric_fns],
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
  timeout_s: float,
  example: Mapping[str, Any],
  is_target: bool = False,
) -> str | records.Grade:
  """The gold answer of a target; the grade of a prediction."""
  gold, question = (
    tf.compat.as_text(example[key]) for key in ('gold', 'question')
  )
  if is_target:
    return gold
  return verify.grade(
    task, gold=gold, text=text, question=question, timeout_s=timeout_s
  )


def metrics(
  targets: Sequence[str], predictions: Sequence[records.Grade]
) -> dict[str, float]:
  """Accuracy, and what it would be if all undecided ones were correct.

  Args:
    targets: The right answers.
    predictions: The grades of the answers given, one for each target.
  """
  verdicts = [grade.verdict for grade in predictions]
  correct = verdicts.count('correct')
  return {
    'pass_at_1': correct / len(targets),
    'pass_at_1_upper': (correct + verdicts.count('unknown')) / len(targets),
  }


def problems(task: seqio.Task, split: str) -> Iterator[records.Problem]:
  """Yields the problems of a split of a Task's source, in order."""
  # The source alone: the Task's own tokens are for seqio's users.
  dataset = task.source.get_dataset(split, shuffle=False)
  for example in dataset.as_numpy_iterator():
    fields: dict[str, Any] = {
      name: int(example[name]) if kind is tf.int32 else example[name].decode()
      for name, kind in _FIELDS.items()
    }
    yield records.Problem(**fields)
