"""An arm's data for other trainers, and the card that says what they are.

They need pools and their verdicts, neither a student nor the stage `curate`.
"""

from collections.abc import Callable, Mapping
import dataclasses
import io
import json
import pathlib
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from wcse_jax import results as results_lib
from wcse_jax import store
from wcse_jax.errors import Error
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.plan import Mix
from wcse_jax.records import Example, Problem
from wcse_jax.report import card
from wcse_jax.stages import committed, curate, selection, sizes
from wcse_jax.stages.layout import Run

# What a row has, by format: as TRL, axolotl, tunix and MaxText call it.
FORMATS: dict[str, Callable[[Problem, Example], dict[str, Any]]] = {
  'messages': lambda problem, example: {
    'messages': [
      {'role': 'user', 'content': problem.question},
      {'role': 'assistant', 'content': example.completion.strip()},
    ]
  },
  'prompt_completion': lambda problem, example: {
    'prompt': example.prompt,
    'completion': example.completion,
  },
  'text': lambda problem, example: {
    'text': example.prompt + example.completion
  },
}
SUFFIXES = '.jsonl', '.parquet'


class ExportError(Error):
  """Data that cannot be written as asked; names what to give instead."""


class Data(NamedTuple):
  """An arm's examples at a budget.

  Attributes:
    rows: In the order of the problems.
    card: What they are, how they were made and what they cost, in Markdown.
  """

  rows: list[dict[str, Any]]
  card: str


def data(run: Run, arm: str, budget: str, form: str, seed: int = 0) -> Data:
  """Returns the examples of an arm, and their card.

  Args:
    run: The experiment.
    arm: As `wcse_jax.experiment.arms` writes it; not only one of the config's:
      any that the pools have enough samples for.
    budget: A budget's name, e.g. 'high'.
    form: One of FORMATS.
    seed: The finetuning seed, where each has samples of its own.

  Raises:
    ConfigError: There is no such arm.
    ExportError: There is no such budget, or seed, for it.
    SelectionError: Samples or verdicts are missing, or none is right.
    StoreError: A stage is not there yet, or is damaged.
  """
  run = _alone(run, arm)
  mixes = {(mix.budget, mix.seed): mix for mix in run.plan.mixes}
  if (budget, seed) not in mixes:
    of = f', seed {seed}' if seed else ''
    known = ', '.join(sorted({budget for budget, _ in mixes}))
    raise ExportError(
      f'{arm} has no data at budget {budget!r}{of}: its budgets are {known}'
      + (f', its seeds 0 to {max(s for _, s in mixes)}' if seed else '')
    )
  mix = mixes[budget, seed]
  examples, why = curate.examples(run, mix)
  if why:
    raise selection.NoExamples(why)
  problems = run.train_by_id
  row = FORMATS[form]
  return Data(
    [row(problems[e.problem_id], e) for e in examples],
    _card(run, mix, form, examples),
  )


def _alone(run: Run, arm: str) -> Run:
  """The run with one arm and no student, so that it needs no stage beyond."""
  try:
    only = config_lib.arm(arm, run.config.names, run.config.budget.anchor)
  except ValueError as e:
    raise config_lib.ConfigError('arms', arm, str(e)) from e
  keep = only.keep or run.config.curate.keep
  for role in only.generators:
    if only.matched_by('compute') and not sizes.params(run.config, role):
      raise ExportError(
        f'the size of {run.config.model(role)[0]} is not known: no samples of'
        f' {arm} follow from it; run with --config.teachers.{role}.params=8e9,'
        f' or take an arm that matches otherwise ({role}_number_matched)'
      )
  config = dataclasses.replace(
    run.config,
    arms=(dataclasses.replace(only, epochs=None),),
    curate=dataclasses.replace(run.config.curate, keep=keep),
    student='',
    judge=run.config.judge if keep == 'judge' else '',
  )
  return Run(config, run.data)


def _card(run: Run, mix: Mix, form: str, examples: list[Example]) -> str:
  found = results_lib.make(committed.read(run))
  return card.render(
    found,
    mix,
    form=form,
    examples=len(examples),
    solved=len({e.problem_id for e in examples}),
    keep=run.keep(mix),
    reported=_reported(run, mix),
  )


def _reported(run: Run, mix: Mix) -> Mapping[str, Any]:
  """The false positive rates that the run's own report has, people's too."""
  path = run.data.workdir / 'report' / 'results.json'
  try:
    cell = json.loads(path.read_bytes())['arms'][str(mix.arm)][mix.budget]
    return cell['fpr_by']
  except (OSError, ValueError, LookupError, TypeError):
    return {}  # no report, or one without the arm


def write(made: Data, path: pathlib.Path) -> pathlib.Path:
  """Writes rows, and their card beside them; returns the card's path.

  Args:
    made: What `data` returned.
    path: A file whose suffix is one of SUFFIXES; if it exists, it has the same
      rows.

  Raises:
    ExportError: It has another suffix, or is there with other rows.
    StoreError: It cannot be written.
  """
  check(path)
  if path.suffix == '.jsonl':
    lines = (json.dumps(row, ensure_ascii=False) + '\n' for row in made.rows)
    content = ''.join(lines).encode()
  else:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(made.rows), sink)
    content = sink.getvalue()
  if path.exists() and path.read_bytes() != content:
    raise ExportError(
      f'{path} exists, with other rows: remove it, or name another --output'
    )
  store.commit(path, content)
  return store.commit(path.with_suffix('.card.md'), made.card.encode())


def check(path: pathlib.Path) -> None:
  """Raises ExportError unless a file of such a name can be written."""
  if path.suffix not in SUFFIXES or path.is_dir():
    raise ExportError(
      f'--output={path}: name a file that ends in {" or ".join(SUFFIXES)}'
    )


def best(run: Run, name: str) -> pathlib.Path:
  """Returns the folder of the checkpoint that validation chose of a student.

  Args:
    run: The experiment.
    name: What it is finetuned on, e.g. 'se-high', as its folder says.

  Raises:
    ExportError: There is no such student.
    StoreError: It is not finetuned, or not evaluated; names the stage to run.
  """
  students = {str(student): student for student in run.students}
  if name not in students:
    known = ', '.join(students) or 'none, as config.student is empty'
    raise ExportError(f'--student={name}: known are {known}')
  found = committed.trained(run, students[name])
  rates = dict(run.runs(run.finetune_stage(students[name])))
  folder = (
    rates[found.best_rate] if found.best_rate else next(iter(rates.values()))
  )
  return folder / 'checkpoints' / str(found.best_step)
