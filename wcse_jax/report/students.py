"""Tables of the students: accuracy, seeds, training."""

from wcse_jax.report import numbers, table, wording
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results, Student


def tables(results: Results) -> list[Table]:
  """Every table of the students; none without students."""
  return [
    _accuracy(results),
    _seeds(results),
    _training(results),
    *table.by_level(
      'pass@1 by level',
      {
        _name(results, student): {
          level: row.pass_at_1 for level, row in student.by_level.items()
        }
        for student in results.students.values()
      },
    ),
  ]


def _name(results: Results, student: Student) -> str:
  return wording.side(results, student.arm, student.budget)


def _accuracy(results: Results) -> Table:
  students = results.students.values()
  columns = [
    (f'{name}@{k}', field, k)
    for name, field in (('maj', 'maj_at_k'), ('coverage', 'coverage_at_k'))
    for k in sorted(
      {k for student in students for k in getattr(student, field)}
    )
  ]
  return Table(
    ('trained on', 'pass@1', *(title for title, _, _ in columns)),
    [
      (
        _name(results, student),
        numbers.interval(student.pass_at_1),
        *(
          numbers.interval(getattr(student, field).get(k))
          for _, field, k in columns
        ),
      )
      for student in students
    ],
    caption='Test problems solved, %',
  )


def _seeds(results: Results) -> Table:
  return Table(
    ('trained on', 'pass@1 of each seed, %', 'best step'),
    [
      (
        _name(results, student),
        ', '.join(numbers.percent(of.pass_at_1) for of in student.by_seed),
        ', '.join(numbers.count(of.best_step) for of in student.by_seed),
      )
      for student in results.students.values()
      if len(student.by_seed) > 1
    ],
    text=(1, 2),
    caption='Each finetuning seed by itself.',
  )


def _training(results: Results) -> Table:
  return Table(
    ('trained on', 'examples', 'steps', 'best step', 'validation accuracy'),
    [
      (
        _name(results, student),
        numbers.count(student.examples),
        numbers.count(student.steps),
        numbers.count(student.best_step),
        numbers.share(dict(student.validation).get(student.best_step)),
      )
      for student in results.students.values()
      if student.best_step is not None
    ],
    caption='Finetuning. The kept checkpoint is the one with the best'
    ' validation accuracy.',
  )
