"""Tables of the students: accuracy, seeds, training."""

from collections.abc import Sequence

import msgspec

from wcse_jax.report import numbers, table, texts, wording
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results, Student


def tables(results: Results) -> list[Table]:
  """Every table of the students; none without students."""
  students = [
    (wording.side(results, student.arm, student.budget), student)
    for student in results.students.values()
  ]
  own = results.run.config.get('budget', {}).get('pool_per_seed')
  return [
    _accuracy(students),
    table.listed(
      ['trained on'],
      [((name,), of.by_seed) for name, of in students if len(of.by_seed) > 1],
      {
        'pass@1 of each seed, %': lambda seeds: ', '.join(
          numbers.percent(of.pass_at_1) for of in seeds
        ),
        'best step': lambda seeds: ', '.join(
          numbers.count(of.best_step) for of in seeds
        ),
      },
      text=(1, 2),
      caption=texts.of('tables.seeds_with_pools' if own else 'tables.seeds'),
    ),
    table.listed(
      ['trained on'],
      [((name,), of) for name, of in students if of.best_step is not None],
      {
        'examples': lambda of: numbers.count(of.examples),
        'epochs': lambda of: numbers.known(of.epochs, places=1),
        'steps': lambda of: numbers.count(of.steps),
        'examples a step': lambda of: numbers.known(
          of.examples_per_step, places=1
        ),
        'asked for': _asked,
        'best step': lambda of: numbers.count(of.best_step),
        'validation accuracy': lambda of: numbers.share(
          dict(of.validation).get(of.best_step or 0)
        ),
      },
      caption=texts.of('tables.finetuning'),
    ),
    *table.by_level(
      'pass@1 by level',
      {
        name: {level: row.pass_at_1 for level, row in of.by_level.items()}
        for name, of in students
      },
    ),
  ]


def _asked(student: Student) -> str:
  """Steps and their examples by the config: '15 of 8'."""
  steps, each = student.asked_steps, student.asked_examples_per_step
  if steps is msgspec.UNSET or each is msgspec.UNSET:
    return numbers.NONE
  return f'{numbers.count(steps)} of {numbers.count(each)}'


def _accuracy(students: Sequence[tuple[str, Student]]) -> Table:
  scores = [
    (
      name,
      {'pass@1': of.pass_at_1}
      | {f'maj@{k}': value for k, value in of.maj_at_k.items()}
      | {f'coverage@{k}': value for k, value in of.coverage_at_k.items()},
    )
    for name, of in students
  ]
  for (_, scored), (_, of) in zip(scores, students, strict=True):
    if of.fpr is not msgspec.UNSET:
      scored['false positives'] = of.fpr
  columns = {column: column for _, of in scores for column in of}
  caption = texts.of('tables.solved')
  return table.crossed('trained on', scores, columns, caption)
