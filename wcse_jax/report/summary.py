"""The closing summary of a run, for the terminal."""

from collections.abc import Mapping, Sequence
import textwrap

from wcse_jax.report import wording
from wcse_jax.results.schema import Results, jsonable

WIDTH = 80


def text(results: Results) -> str:
  """Plain text, at most 80 columns wide, without a final newline."""
  results = jsonable(results)
  run = results['run']
  blocks = [
    '\n'.join(
      _wrapped(f'{run["name"]} ({run["scale"]}): {run["task"]}')
      + _wrapped(wording.headline(results))
    ),
    _table(
      ('Data', 'budget', 'S', 'coverage %', 'diversity', 'FPR %'),
      [
        (
          wording.arm_label(results, arm),
          budget,
          str(cell['samples_per_problem']),
          _percent(wording.last(cell.get('coverage'))),
          _count(wording.last(cell.get('diversity'))),
          _percent(cell.get('fpr')),
        )
        for arm, budget, cell in wording.cells(results)
        if cell.get('coverage')
      ],
    ),
    _checker(results),
    _students(results),
    _table(
      ('Sampling', 'samples', 'tokens', 'tokens/s', 'seconds'),
      [
        (
          generator,
          f'{row["samples"]:,}',
          f'{row["tokens"]:,}',
          wording.decimal(row.get('tokens_per_s'), places=1),
          wording.decimal(row.get('seconds'), places=0),
        )
        for generator, row in (results.get('ledger') or {}).items()
      ],
    ),
    '\n'.join(
      line
      for outcome in wording.outcomes(results)
      for line in _wrapped(outcome)
    ),
  ]
  return '\n\n'.join(block for block in blocks if block)


def _checker(results: Results) -> str:
  """By whose word false positives count, where it can be mistaken."""
  source = results.get('fpr_source')
  if not source or source['exact']:
    return ''
  return f'FPR by {wording.checker(results)}.'


def _students(results: Results) -> str:
  students = results.get('students') or {}
  ks = sorted({int(k) for s in students.values() for k in s['maj_at_k']})[-1:]
  return _table(
    ('Student', 'budget', 'examples', 'pass@1 %', *(f'maj@{k} %' for k in ks)),
    [
      (
        wording.arm_label(results, student['arm']),
        student['budget'] or wording.NONE,
        f'{student["examples"] or 0:,}',
        _percent(student['pass_at_1']),
        *(_percent(student['maj_at_k'].get(str(k))) for k in ks),
      )
      for student in students.values()
    ],
  )


def _percent(estimate: Mapping | None) -> str:
  """At most 16 columns: '61.3 [55.7,66.7]'."""
  return _estimate(estimate, 100, 1)


def _count(estimate: Mapping | None) -> str:
  """'1.23 [1.10,1.36]'."""
  return _estimate(estimate, 1, 2)


def _estimate(estimate: Mapping | None, scale: float, places: int) -> str:
  if not estimate or estimate.get('value') is None:
    return wording.NONE
  value, low, high = (
    wording.NONE
    if estimate.get(key) is None
    else f'{scale * estimate[key]:.{places}f}'
    for key in ('value', 'low', 'high')
  )
  return f'{value} [{low},{high}]'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Aligned columns; the first one gives way where the table is too wide."""
  if not rows:
    return ''
  lines = [header, *rows]
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


def _wrapped(sentence: str) -> list[str]:
  return textwrap.wrap(sentence, WIDTH)
