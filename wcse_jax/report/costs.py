"""What the arms cost, and who wins by which cost: a section of the page."""

from collections.abc import Iterator, Mapping
from typing import Any

from wcse_jax.report import markup, wording
from wcse_jax.results.schema import Results

# The ways to match costs, for people.
MATCHINGS = {
  'number': 'number of samples',
  'flops': 'FLOPs, by the rule 2PW',
  'measured': 'FLOPs, measured',
  'price': 'dollars',
  'seconds': 'device time',
}
NOTE = (
  'WC against SE, matched in each way, within 5%. "-": not matched, for want of'
  ' a cost, of samples, or of a student of that budget; "on less": with fewer'
  ' samples than the budget pays for.'
)
_WINNERS = {'wc': 'WC', 'se': 'SE', 'undecided': 'undecided'}


def section(results: Results) -> str:
  """Tables of costs, winners, and the ledger; '' if there are none."""
  ledger = markup.table(
    (
      *('pool', 'samples planned', 'tokens planned', 'of them duplicates'),
      *('samples', 'tokens', 'prompt tokens', 'seconds', 'tokens/s'),
    ),
    [
      (
        generator,
        markup.count(row.get('planned_samples')),
        markup.count(row.get('planned_tokens')),
        markup.percent(row.get('duplicates_rate')),
        markup.count(row.get('samples')),
        markup.count(row.get('tokens')),
        markup.count(row.get('prompt_tokens')),
        wording.decimal(row.get('seconds'), places=1),
        wording.decimal(row.get('tokens_per_s'), places=1),
      )
      for generator, row in (results.get('ledger') or {}).items()
    ],
    caption='The ledger: planned against spent. Planned is what the arms take;'
    ' all else is of the whole pool, which may hold more.',
  )
  spent_on = {
    'tokens': 'decoded tokens',
    'truncated_tokens': 'of them truncated',
    'refill_idle': 'idle before refill',
    'tail_idle': 'idle at the end',
    'prefill_tokens': 'prefilled tokens',
    'prefill_padding': 'prefill padding',
    'device_seconds': 'device seconds',
  }
  slots = markup.table(
    ('pool', *spent_on.values(), 'slots busy'),
    [
      (
        generator,
        *(markup.count(round(row['spent'].get(name, 0))) for name in spent_on),
        markup.percent(row.get('slots_busy')),
      )
      for generator, row in (results.get('ledger') or {}).items()
      if row.get('spent')
    ],
    caption='What the slots did: decoding counts slots times steps, prefill'
    ' tokens. Busy is the share of them that decoded while samples waited.',
  )
  models = markup.table(
    ('model', 'name', 'nominal P', 'exact', 'non-embedding'),
    [
      (
        role,
        model['name'],
        *(
          markup.count(model.get(key))
          for key in ('nominal_params', 'exact_params', 'non_embedding_params')
        ),
      )
      for role, model in (results.get('models') or {}).items()
    ],
    text=(1,),
    caption='Parameters. The rule 2PW takes the nominal ones.',
  )
  tables = (
    _spent(results)
    + _prices(results)
    + _per_true(results)
    + _break_even(results)
    + _winners(results)
    + ledger
    + slots
    + models
  )
  return '<h2>Cost and ledger</h2>' + tables if tables else ''


def winners(results: Results) -> Iterator[tuple[str, str, list[str], bool]]:
  """Yields (metric, budget, a winner for each of MATCHINGS, does it flip)."""
  for found in results.get('winners') or ():
    rows = {row['matching']: row for row in found['rows']}
    yield (
      wording.metric_name(found['metric']),
      found['budget'],
      [_winner(found['metric'], rows.get(name)) for name in MATCHINGS],
      found['flips'],
    )


def _winner(metric: str, row: Mapping[str, Any] | None) -> str:
  """Who won; '-' where it is not matched.

  An unmatched WC has fewer samples than are paid for. If its data win all the
  same they would with more, too.
  """
  if not row or not row['winner']:
    return wording.NONE
  if not row['note']:
    return _WINNERS[row['winner']]
  grows = metric in ('coverage', 'diversity')
  return 'WC, on less' if grows and row['winner'] == 'wc' else wording.NONE


SPENT = (
  *('arm', 'budget', 'cost', 'samples', 'rule 2PW', 'measured'),
  *('decoding', 'of it truncated', 'prefill', 'its padding', 'idle slots'),
  *('device seconds', 'verifier seconds', 'finetuning', 'dollars'),
)


def spent(results: Results) -> list[tuple[str, ...]]:
  """What each arm costs at each budget, under the titles of SPENT."""
  return [
    (
      wording.arm_label(results, arm),
      budget,
      'matched' if cell['matched'] else 'UNMATCHED',
      markup.count(cell['samples']),
      *(
        wording.si(cost.get(f'{name}_flops'), 'FLOP')
        for name in (
          *('rule', 'sampling', 'decode', 'truncated', 'prefill', 'padding'),
          'idle',
        )
      ),
      wording.decimal(cost.get('device_seconds'), places=1),
      wording.decimal(cost.get('verify_seconds'), places=1),
      wording.si(cost.get('training_flops'), 'FLOP'),
      wording.decimal(cost.get('usd'), places=4),
    )
    for arm, budget, cell in wording.cells(results)
    if cell['generator']
    for cost in (cell.get('cost') or {'rule_flops': cell['cost_flops']},)
  ]


def _spent(results: Results) -> str:
  return markup.table(
    SPENT,
    spent(results),
    text=(1, 2),
    caption='What each arm costs, by the rule and as measured. Prefill is of'
    ' its problems, once each; of device time, idle slots and verification it'
    ' bears its share of the pools below.',
  )


def _prices(results: Results) -> str:
  return markup.table(
    ('price of', 'dollars per million tokens', 'of prompts', 'from', 'source'),
    [
      (
        results['models'][role]['name'],
        f'{of["usd_per_million_output_tokens"]:g}',
        wording.NONE
        if of.get('usd_per_million_input_tokens') is None
        else f'{of["usd_per_million_input_tokens"]:g}',
        of['date'],
        of['source'],
      )
      for role, of in (results.get('prices') or {}).items()
    ],
    text=(3, 4),
    caption='Prices of samples; without a price there are no dollars.',
  )


def _per_true(results: Results) -> str:
  units = {'number': '', 'flops': 'FLOP', 'measured': 'FLOP', 'price': '$'}
  return markup.table(
    ('a truly correct sample of', *MATCHINGS.values()),
    [
      (
        wording.side(results, arm, budget),
        *(
          _cost(cell['cost_per_true'].get(matching), units.get(matching, 's'))
          for matching in MATCHINGS
        ),
      )
      for arm, budget, cell in wording.cells(results)
      if any(
        of['value'] is not None
        for of in (cell.get('cost_per_true') or {}).values()
      )
    ],
    caption='What a sample of right answer and right reasoning costs.',
  )


def _cost(estimate: Mapping[str, float | None] | None, unit: str) -> str:
  """'2.1 MFLOP [1.9, 2.4]', the bounds in the unit of the value."""
  if not estimate or estimate.get('value') is None:
    return wording.NONE
  shown = wording.si(estimate['value'], unit)
  prefix = 1.0
  while abs(estimate['value'] or 0) / prefix >= 999.5:
    prefix *= 1000
  low, high = (
    wording.NONE if bound is None else f'{bound / prefix:.3g}'
    for bound in (estimate['low'], estimate['high'])
  )
  return f'{shown} [{low}, {high}]'


def _break_even(results: Results) -> str:
  cells = {
    f'{arm}-{budget}': (wording.side(results, arm, budget), cell.get('fpr'))
    for arm, budget, cell in wording.cells(results)
  }
  return markup.table(
    ('FPR of', 'as it is', *MATCHINGS.values()),
    [
      (
        cells[row['a']][0],
        wording.interval(cells[row['a']][1], unit='%'),
        *(
          wording.interval(row['fpr'].get(matching), unit='%')
          for matching in MATCHINGS
        ),
      )
      for row in results.get('break_even') or ()
    ],
    caption='The break-even false positive rate: above it a truly correct'
    ' sample of SE is the cheaper one, by each cost. Below 0, SE is cheaper at'
    ' any rate.',
  )


def _winners(results: Results) -> str:
  summary = markup.table(
    ('compared', 'budget', *MATCHINGS.values(), 'does it flip?'),
    [
      (metric, budget, *by, 'yes' if flips else 'no')
      for metric, budget, by, flips in winners(results)
    ],
    text=tuple(range(1, 3 + len(MATCHINGS))),
    caption=f'Does the winner flip? {NOTE}',
  )
  details = markup.table(
    (
      *('compared', 'budget', 'matched by', 'SE', 'WC', 'absolute gain'),
      *('relative gain', 'winner', 'note'),
    ),
    [
      (
        wording.metric_name(found['metric']),
        found['budget'],
        MATCHINGS.get(row['matching'], row['matching']),
        markup.count(row['se_samples']),
        markup.count(row['wc_samples']),
        wording.effect({**row, 'metric': found['metric']}),
        wording.interval(row['relative'], unit='%', sign=True),
        _WINNERS.get(row['winner'], wording.NONE),
        row['note'],
      )
      for found in results.get('winners') or ()
      for row in found['rows']
    ],
    text=(1, 2, 7, 8),
    caption='The same with gains; SE and WC are samples per problem.',
  )
  if not summary:
    return ''
  return (
    f'{summary}<details><summary>Gains by each matching</summary>{details}'
    '</details>'
  )
