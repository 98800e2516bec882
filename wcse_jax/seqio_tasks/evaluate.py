"""`python -m wcse_jax.seqio_tasks.evaluate`: seqio's Evaluator over a pool.

It answers requests (`children.serve`): {workdir, generator, split}. The answer
has `metrics`, those of `seqio.Evaluator`; `committed`, the same metrics of the
verdicts that the stage `verify` committed; `samples`, how many there are; and
`differing`, of samples that got another grade: [problem_id, sample_index, what
was committed, what the Evaluator's is]. Nothing is written.
"""

import pathlib
from typing import Any, TypedDict

import numpy as np
import seqio
import tensorflow as tf

from wcse_jax import store
from wcse_jax.records import Grade, Problem, Sample, Verdict
from wcse_jax.runtime import children
from wcse_jax.seqio_tasks import builders


class _Task(TypedDict):
  name: str


class _Config(TypedDict):
  task: _Task


class _Written(TypedDict):
  """What is read of config.json."""

  config: _Config


def evaluate(request: dict[str, Any]) -> dict[str, Any]:
  """Grades a pool with seqio's Evaluator; see the module."""
  workdir, generator = pathlib.Path(request['workdir']), request['generator']
  about = store.read_json(workdir / 'config.json', _Written)
  task = about['config']['task']['name']
  problems = {
    problem.problem_id: problem
    for problem in _rows(workdir, f'problems/{task}', Problem)
    if problem.split == request['split']
  }
  samples = [
    sample
    for sample in _rows(workdir, f'sample/{generator}', Sample)
    if sample.problem_id in problems
  ]
  if not samples:
    raise store.StoreError(
      f'{workdir}/sample/{generator} has no samples of the split'
      f' {request["split"]}'
    )
  name = f'verify/{generator}'
  verdicts = {v.key: v.grade for v in _rows(workdir, name, Verdict)}
  keys = [sample.key for sample in samples]
  if missing := len(set(keys) - verdicts.keys()):
    raise store.StoreError(
      f'{workdir / name} lacks the verdicts of {missing} samples; run the stage'
      ' verify first'
    )
  committed = [verdicts[key] for key in keys]
  spec = _stage(workdir, name).spec
  metrics, grades = grade(
    spec['task'],
    [problems[sample.problem_id] for sample in samples],
    [sample.text for sample in samples],
    spec['timeout_s'],
  )
  golds = [problems[sample.problem_id].gold for sample in samples]
  return {
    'metrics': metrics,
    'committed': builders.metrics(golds, committed),
    'samples': len(samples),
    'differing': [
      [*key, old, new]
      for key, old, new in zip(keys, committed, grades, strict=True)
      if old != new
    ],
  }


def grade(
  task: str, problems: list[Problem], texts: list[str], timeout_s: float = 5.0
) -> tuple[dict[str, float], list[Grade]]:
  """Has a `seqio.Evaluator` grade solutions with a task's seqio Task.

  Args:
    task: One of `wcse_jax.tasks.TASKS`, or the module of an own task.
    problems: The problem of each solution.
    texts: The solutions.
    timeout_s: Seconds that one solution may take before it is 'unknown'.

  Returns:
    The Task's metrics, and the grade of each solution.
  """
  fields = vars(problems[0])
  columns: Any = {name: [vars(p)[name] for p in problems] for name in fields}
  make = tf.data.Dataset.from_tensor_slices
  source = seqio.FunctionDataSource(
    lambda split, shuffle_files, seed=None: make(columns), splits=['pool']
  )
  grades: list[Grade] = []

  def keep(targets: list[str], predictions: list[Grade]) -> dict[str, float]:
    del targets
    grades.extend(predictions)
    return {}

  made = builders.add(
    'wcse_pool', task, source, timeout_s=timeout_s, metric_fns=[keep]
  )
  vocabulary = made.output_features['targets'].vocabulary
  tokens = [np.array(vocabulary.encode(text), np.uint16) for text in texts]
  width = max(map(len, tokens))
  predictions: Any = [
    (i, np.pad(row, (0, width - len(row)))) for i, row in enumerate(tokens)
  ]
  evaluator = seqio.Evaluator(
    made.name,
    feature_converter=seqio.PrefixLMFeatureConverter(pack=False),
    eval_split='pool',
    use_memory_cache=False,
    async_compute_metrics=False,
  )
  future, _ = evaluator.evaluate(
    compute_metrics=True, predict_fn=lambda *_, **__: predictions
  )
  return dict(future.result()[made.name]), grades


def _stage(workdir: pathlib.Path, name: str) -> store.Stage:
  """A finished stage as its own manifest describes it."""
  data = store.Store(workdir)
  manifest = data.stage(name, {}).manifest()
  if manifest is None:
    raise store.StoreError(
      f'{workdir / name} is not complete; finish the run first'
    )
  identity = (manifest[key] for key in ('spec', 'upstream', 'version'))
  return data.stage(name, *identity)


def _rows[T](workdir: pathlib.Path, name: str, record: type[T]) -> list[T]:
  return store.from_table(_stage(workdir, name).read_parts(), record)


if __name__ == '__main__':
  children.serve(evaluate)
