"""The closing summary of a run, for the terminal."""

import textwrap

from wcse_jax.report import numbers, outcomes, wording
from wcse_jax.report.numbers import NONE, Interval
from wcse_jax.report.table import Table, listed
from wcse_jax.results.types import Results

WIDTH = 80


def render(results: Results) -> str:
  """Plain text, at most 80 columns wide, without a final newline."""
  run, source = results.run, results.fpr_source
  title = f'{run.name} ({run.scale}): {run.task}'
  blocks = (
    '\n'.join(map(_wrapped, [title, *outcomes.headlines(results)])),
    table(_data(results)),
    '' if not source or source.exact else f'FPR by {wording.checker(results)}.',
    table(_students(results)),
    table(_sampling(results)),
    '\n'.join(map(_wrapped, outcomes.main(results))),
    '\n'.join(map(_wrapped, outcomes.left_out(results))),
  )
  return '\n\n'.join(filter(None, blocks))


def _data(results: Results) -> Table:
  return Table(
    ('Data', 'budget', 'S', 'coverage %', 'diversity', 'FPR %'),
    [
      (
        cell.label,
        budget,
        wording.drawn(cell).partition(' ')[0],
        numbers.interval(numbers.last(cell.coverage)),
        numbers.interval(
          numbers.last(cell.diversity_per_solved), numbers.decimal
        ),
        numbers.interval(cell.fpr),
      )
      for _, budget, cell in results.cells
    ],
  )


def _students(results: Results) -> Table:
  students = results.students.values()
  ks = {k for student in students for k in student.maj_at_k}
  last = sorted(ks)[-1:]
  return Table(
    (
      *('Student', 'budget', 'examples', 'pass@1 %'),
      *(f'maj@{k} %' for k in last),
    ),
    [
      (
        wording.arm_label(results, student.arm),
        student.budget or NONE,
        numbers.count(student.examples),
        numbers.interval(student.pass_at_1),
        *(numbers.interval(student.maj_at_k[k]) for k in last),
      )
      for student in students
    ],
  )


def _sampling(results: Results) -> Table:
  return listed(
    ['Sampling'],
    [((pool,), row) for pool, row in results.ledger.items()],
    {
      'samples': lambda row: numbers.count(row.samples),
      'tokens': lambda row: numbers.count(row.tokens),
      'tokens/s': lambda row: numbers.decimal(row.tokens_per_s, places=1),
      'seconds': lambda row: numbers.decimal(row.seconds, places=0),
    },
  )


def table(table: Table) -> str:
  """Aligned columns; the first one gives way where the table is too wide."""
  if not table.rows:
    return ''
  lines = [
    [_short(cell) for cell in row] for row in (table.header, *table.rows)
  ]
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  gaps = len(widths) - 1
  gap = 2 if sum(widths) + 2 * gaps <= WIDTH else 1
  widths[0] = max(min(widths[0], WIDTH - sum(widths[1:]) - gap * gaps), 1)
  return '\n'.join(
    (' ' * gap)
    .join(
      cell[:width].ljust(width) if i == 0 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(line, widths, strict=True))
    )[:WIDTH]
    .rstrip()
    for line in lines
  )


def _short(cell: object) -> str:
  """An interval of at most 16 columns: '61.3 [55.7,66.7]'."""
  if isinstance(cell, Interval):
    return f'{cell.value} [{cell.low},{cell.high}]'
  return str(cell)


def _wrapped(sentence: str) -> str:
  lines = textwrap.wrap(sentence, WIDTH, break_on_hyphens=False)
  return '\n'.join(lines)
