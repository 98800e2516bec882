"""Tables of the data: coverage, diversity, false positives, overlap."""

from collections.abc import Iterator
import functools

from wcse_jax.report import numbers, table, texts, wording
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results

_SOURCES = {
  'steps': 'step checker',
  'judge': 'language model',
  'people': 'people',
}


def tables(results: Results) -> list[Table]:
  """Every table of the arms' data."""
  cells = wording.cells(results)
  ks = sorted({k for _, cell in cells for k in cell.coverage})
  by_k = {k: f'k = {k}' for k in ks}
  return [
    _quality(results),
    *_false_positives(results),
    table.crossed(
      'arm', [(name, of.coverage) for name, of in cells], by_k, 'coverage@k, %'
    ),
    table.crossed(
      'arm',
      [(name, of.diversity_per_solved) for name, of in cells],
      by_k,
      'diversity@k, unique correct solutions of a solved problem',
      numbers.decimal,
    ),
    table.crossed(
      'arm',
      [(name, of.diversity) for name, of in cells],
      by_k,
      'diversity@k per problem, solved or not',
      numbers.decimal,
    ),
    *table.by_level(
      'Coverage by level',
      {
        name: {level: row.coverage for level, row in of.by_level.items()}
        for name, of in cells
      },
    ),
  ]


def _quality(results: Results) -> Table:
  checker = wording.checker(results)
  share = functools.partial(numbers.interval, unit='%')
  return table.listed(
    ('arm', 'budget'),
    [((cell.label, budget), cell) for _, budget, cell in results.cells],
    {
      'samples per problem': wording.drawn,
      'correct samples': lambda of: share(of.accuracy),
      'coverage': lambda of: share(numbers.last(of.coverage)),
      'diversity': lambda of: numbers.interval(
        numbers.last(of.diversity_per_solved), numbers.decimal
      ),
      'per problem': lambda of: numbers.interval(
        numbers.last(of.diversity), numbers.decimal
      ),
      'FPR': lambda of: share(of.fpr),
      'unknown': lambda of: numbers.count(of.unknown),
      'coverage at most': lambda of: numbers.share(
        numbers.last(of.coverage_upper)
      ),
      'examples': lambda of: numbers.count(of.examples),
    },
    text=(1,),
    caption=' '.join(
      [
        texts.of(
          'tables.quality_checked' if checker else 'tables.quality',
          checker=checker,
        ),
        *_ended(results),
      ]
    ),
  )


def _ended(results: Results) -> Iterator[str]:
  """How sampling ended, where that was with enough right solutions."""
  for name in ('right', 'rows'):
    if number := results.run.config.get('budget', {}).get(name):
      yield texts.of(f'tables.ended_with_{name}', number=f'{number:,}')


def _false_positives(results: Results) -> list[Table]:
  """By source, where there is more than the step checker, and agreement."""
  cells = wording.cells(results)
  used = {
    source: title
    for source, title in _SOURCES.items()
    if any(source in cell.fpr_by for _, cell in cells)
  }
  rates = table.crossed(
    'arm',
    [(name, cell.fpr_by) for name, cell in cells],
    used,
    texts.of('tables.fpr_by'),
  )
  agreement = table.listed(
    ['source'],
    [((_SOURCES[name],), row) for name, row in results.agreement.items()],
    {
      'labelled': lambda row: numbers.count(row.n),
      'agrees with people, %': lambda row: numbers.interval(row),
      'both: right': lambda row: numbers.count(row.right_right),
      'both: wrong': lambda row: numbers.count(row.wrong_wrong),
      'people: wrong, it: right': lambda row: numbers.count(row.wrong_right),
      'people: right, it: wrong': lambda row: numbers.count(row.right_wrong),
    },
    caption=texts.of('tables.agreement'),
  )
  return [rates, agreement] if set(used) - {'steps'} else [agreement]


def overlap(results: Results) -> Table:
  """Test problems that were trained on in part."""
  found = results.overlap
  return table.listed(
    ['test'],
    [((test,), of) for test, of in found.items() if of.train and of.test],
    {
      'problems': lambda of: of.test,
      'overlapping': lambda of: of.test_overlapping,
      'more than half': lambda of: of.test_more_than_half,
      'whole': lambda of: of.test_whole,
      'worst': lambda of: ', '.join(
        f'{o.test_id}, {numbers.share(o.share)} in {o.train_id}'
        for o in of.worst[:1]
      ),
    },
    text=(5,),
    caption=texts.of(
      'tables.overlap', n='/'.join({str(of.n) for of in found.values()})
    ),
  )
