"""What the tasks have in common as TFDS datasets and seqio Tasks."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
from typing import Any

import seqio
import tensorflow as tf
import tensorflow_datasets as tfds

from wcse_jax import records, tasks, verify
from wcse_jax.verify import graders

# The fields of `records.Problem`, for a builder's `_info`.
FEATURES = tfds.features.FeaturesDict(
  {
    field.name: tf.int32 if field.type is int else tfds.features.Text()
    for field in dataclasses.fields(records.Problem)
  }
)


def register(
  info: tasks.TaskInfo,
  builder: tfds.core.GeneratorBasedBuilder,
  data_dir: str,
  vocabulary: seqio.Vocabulary | None = None,
) -> seqio.Task:
  """Prepares a builder's dataset if need be, and adds its seqio Task.

  The Task's 'inputs' are prefix and prompt, without BOS; its 'targets' the
  reference solution and EOS; the problem's own fields stay beside them. A Task
  of the same name is replaced.

  Args:
    info: The task.
    builder: Its builder, made with `data_dir`.
    data_dir: Where TFDS keeps prepared datasets.
    vocabulary: None is bytes.
  """
  builder.download_and_prepare()
  name = f'wcse_{info.name}'
  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  vocabulary = vocabulary or seqio.ByteVocabulary()
  source = seqio.TfdsDataSource(
    f'{builder.name}:{builder.version}',
    tfds_data_dir=data_dir,
    splits=tuple(builder.info.splits),
  )
  return seqio.TaskRegistry.add(
    name,
    source=source,  # pyright: ignore[reportArgumentType], seqio's own slip
    preprocessors=[
      functools.partial(_to_inputs_and_targets, prefix=info.prefix),
      seqio.preprocessors.tokenize,
      seqio.preprocessors.append_eos,
    ],
    output_features={
      'inputs': seqio.Feature(vocabulary, add_eos=False),
      'targets': seqio.Feature(vocabulary, add_eos=True),
    },
    postprocess_fn=functools.partial(_postprocess, info=info),
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
  info: tasks.TaskInfo,
  example: Mapping[str, Any],
  is_target: bool = False,
) -> str | graders.Grade:
  """The gold answer of a target; the grade of a prediction."""
  gold, question = (
    tf.compat.as_text(example[key]) for key in ('gold', 'question')
  )
  if is_target:
    return gold
  return verify.grade(
    info.name, gold=gold, text=info.cut(text), question=question
  )


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
