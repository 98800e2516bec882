"""Tables of the data: coverage, diversity, false positives, overlap."""

from wcse_jax.report import numbers, table, wording
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results

_SOURCES = {
  'steps': 'step checker',
  'judge': 'language model',
  'people': 'people',
}


def tables(results: Results) -> list[Table]:
  """Every table of the arms' data."""
  return [
    _quality(results),
    *_false_positives(results),
    _by_k(results, 'coverage', 'coverage@k, %', numbers.percent),
    _by_k(
      results,
      'diversity',
      'diversity@k, unique correct solutions',
      numbers.decimal,
    ),
    *table.by_level(
      'Coverage by level',
      {
        wording.side(results, arm, budget): {
          level: row.coverage for level, row in cell.by_level.items()
        }
        for arm, budget, cell in results.cells
      },
    ),
  ]


def _quality(results: Results) -> Table:
  checker = wording.checker(results)
  return Table(
    (
      *('arm', 'budget', 'samples per problem', 'correct samples', 'coverage'),
      *('diversity', 'FPR', 'unknown', 'coverage at most', 'examples'),
    ),
    [
      (
        cell.label,
        budget,
        numbers.count(cell.samples_per_problem),
        numbers.interval(cell.accuracy, unit='%'),
        numbers.interval(numbers.last(cell.coverage), unit='%'),
        numbers.interval(numbers.last(cell.diversity), numbers.decimal),
        numbers.interval(cell.fpr, unit='%'),
        numbers.count(cell.unknown),
        numbers.share(numbers.last(cell.coverage_upper)),
        numbers.count(cell.examples),
      )
      for _, budget, cell in results.cells
    ],
    text=(1,),
    caption='Coverage and diversity at all samples per problem of the arm.'
    + (f' False positives are by {checker}.' if checker else ''),
  )


def _by_k(results: Results, metric: str, caption: str, show) -> Table:
  ks = sorted({k for *_, cell in results.cells for k in cell.coverage})
  return Table(
    ('arm', *(f'k = {k}' for k in ks)),
    [
      (
        wording.side(results, arm, budget),
        *(numbers.interval(getattr(cell, metric).get(k), show) for k in ks),
      )
      for arm, budget, cell in results.cells
    ],
    caption=caption,
  )


def _false_positives(results: Results) -> list[Table]:
  """By source, where there is more than the step checker, and agreement."""
  used = [
    source
    for source in _SOURCES
    if any(source in cell.fpr_by for *_, cell in results.cells)
  ]
  rates = Table(
    ('arm', *(_SOURCES[source] for source in used)),
    [
      (
        wording.side(results, arm, budget),
        *(numbers.interval(cell.fpr_by.get(source)) for source in used),
      )
      for arm, budget, cell in results.cells
    ],
    caption='False positive rate by who looked at the reasoning, %',
  )
  agreement = Table(
    (
      *('source', 'labelled', 'agrees with people, %', 'both: right'),
      *('both: wrong', 'people: wrong, it: right', 'people: right, it: wrong'),
    ),
    [
      (
        _SOURCES[source],
        numbers.count(row.n),
        numbers.interval(row.estimate),
        *map(
          numbers.count,
          (row.right_right, row.wrong_wrong, row.wrong_right, row.right_wrong),
        ),
      )
      for source, row in results.agreement.items()
    ],
    caption='How far the automatic sources agree with people.',
  )
  return [rates, agreement] if set(used) - {'steps'} else [agreement]


def overlap(results: Results) -> Table:
  """Test problems that were trained on in part."""
  found = results.overlap
  return Table(
    ('test', 'problems', 'overlapping', 'more than half', 'whole', 'worst'),
    [
      (
        test,
        of.test,
        of.test_overlapping,
        of.test_more_than_half,
        of.test_whole,
        ', '.join(
          f'{o.test_id}, {numbers.share(o.share)} in {o.train_id}'
          for o in of.worst[:1]
        ),
      )
      for test, of in found.items()
      if of.train and of.test
    ],
    text=(5,),
    caption='Test problems that share a run of'
    f' {"/".join({str(of.n) for of in found.values()})} words with a'
    ' training problem',
  )
