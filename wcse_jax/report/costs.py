"""Tables of what the arms cost, and of who wins by which cost."""

from collections.abc import Iterator

import msgspec

from wcse_jax.report import numbers, wording
from wcse_jax.report.numbers import NONE
from wcse_jax.report.table import Table
from wcse_jax.results.types import Results
from wcse_jax.results.types.comparisons import Matched

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
_WINNERS = {'wc': 'WC', 'se': 'SE', 'undecided': 'undecided', None: NONE}
_UNITS = {'number': '', 'flops': 'FLOP', 'measured': 'FLOP', 'price': '$'}
_FLOPS = (
  *('rule', 'sampling', 'decode', 'truncated', 'prefill', 'padding', 'idle'),
)
_SPENT_ON = {
  'tokens': 'decoded tokens',
  'truncated_tokens': 'of them truncated',
  'refill_idle': 'idle before refill',
  'tail_idle': 'idle at the end',
  'prefill_tokens': 'prefilled tokens',
  'prefill_padding': 'prefill padding',
  'device_seconds': 'device seconds',
}
_PARAMS = ('nominal_params', 'exact_params', 'non_embedding_params')


def spent(results: Results) -> Table:
  """What each arm costs at each budget."""
  return Table(
    (
      *('arm', 'budget', 'cost', 'samples', 'rule 2PW', 'measured'),
      *('decoding', 'of it truncated', 'prefill', 'its padding', 'idle slots'),
      *('device seconds', 'verifier seconds', 'finetuning', 'dollars'),
    ),
    [
      (
        cell.label,
        budget,
        'matched' if cell.matched else 'UNMATCHED',
        numbers.count(cell.samples),
        *(
          numbers.si(getattr(cost, f'{name}_flops'), 'FLOP') for name in _FLOPS
        ),
        numbers.decimal(cost.device_seconds, places=1),
        numbers.decimal(cost.verify_seconds, places=1),
        numbers.si(cost.training_flops, 'FLOP'),
        numbers.decimal(cost.usd, places=4),
      )
      for _, budget, cell in results.cells
      if cell.generator
      for cost in (cell.cost,)
    ],
    text=(1, 2),
    caption='What each arm costs, by the rule and as measured. Prefill is of'
    ' its problems, once each; of device time, idle slots and verification it'
    ' bears its share of the pools below.',
  )


def prices(results: Results) -> Table:
  """What the models' tokens cost."""
  return Table(
    ('price of', 'dollars per million tokens', 'of prompts', 'from', 'source'),
    [
      (
        results.models[role].name,
        f'{of.usd_per_million_output_tokens:g}',
        NONE
        if of.usd_per_million_input_tokens is None
        else f'{of.usd_per_million_input_tokens:g}',
        of.date,
        of.source,
      )
      for role, of in results.prices.items()
    ],
    text=(3, 4),
    caption='Prices of samples; without a price there are no dollars.',
  )


def per_true_sample(results: Results) -> Table:
  """What a sample of right answer and right reasoning costs."""
  return Table(
    ('a truly correct sample of', *MATCHINGS.values()),
    [
      (
        wording.side(results, arm, budget),
        *(
          numbers.si_interval(
            cell.cost_per_true.get(matching), _UNITS.get(matching, 's')
          )
          for matching in MATCHINGS
        ),
      )
      for arm, budget, cell in results.cells
      if any(of.value is not None for of in cell.cost_per_true.values())
    ],
    caption='What a sample of right answer and right reasoning costs.',
  )


def break_even(results: Results) -> Table:
  """Up to which false positive rate an arm is the cheaper source."""
  sides = {
    f'{arm}-{budget}': (wording.side(results, arm, budget), cell.fpr)
    for arm, budget, cell in results.cells
  }
  return Table(
    ('FPR of', 'as it is', *MATCHINGS.values()),
    [
      (
        sides[row.a][0],
        *(
          numbers.interval(rate, unit='%')
          for rate in (sides[row.a][1], *map(row.fpr.get, MATCHINGS))
        ),
      )
      for row in results.break_even
    ],
    caption='The break-even false positive rate: above it a truly correct'
    ' sample of SE is the cheaper one, by each cost. Below 0, SE is cheaper at'
    ' any rate.',
  )


def winners(results: Results) -> Iterator[tuple[str, str, list[str], str]]:
  """Yields (metric, budget, a winner for each of MATCHINGS, does it flip)."""
  for found in results.winners:
    rows = {row.matching: row for row in found.rows}
    yield (
      wording.metric_name(found.metric),
      found.budget,
      [_winner(found.metric, rows[name]) for name in MATCHINGS],
      'yes' if found.flips else 'no',
    )


def _winner(metric: str, row: Matched) -> str:
  """Who won; '-' where it is not matched.

  An unmatched WC has fewer samples than are paid for. If its data win all the
  same they would with more, too.
  """
  if not row.note:
    return _WINNERS[row.winner]
  grows = metric in ('coverage', 'diversity')
  return 'WC, on less' if grows and row.winner == 'wc' else NONE


def does_it_flip(results: Results) -> Table:
  """Who wins, matched in each way."""
  return Table(
    ('compared', 'budget', *MATCHINGS.values(), 'does it flip?'),
    [
      (metric, budget, *by, flips)
      for metric, budget, by, flips in winners(results)
    ],
    text=tuple(range(1, 3 + len(MATCHINGS))),
    caption=f'Does the winner flip? {NOTE}',
  )


def gains_by_matching(results: Results) -> Table:
  """The gains, matched in each way."""
  return Table(
    (
      *('compared', 'budget', 'matched by', 'SE', 'WC', 'absolute gain'),
      *('relative gain', 'winner', 'note'),
    ),
    [
      (
        wording.metric_name(found.metric),
        found.budget,
        MATCHINGS[row.matching],
        numbers.count(row.se_samples),
        numbers.count(row.wc_samples),
        wording.effect(found.metric, row.absolute),
        wording.relative(row.relative),
        _WINNERS[row.winner],
        row.note,
      )
      for found in results.winners
      for row in found.rows
    ],
    text=(1, 2, 7, 8),
    caption='The same with gains; SE and WC are samples per problem.',
  )


def ledger(results: Results) -> list[Table]:
  """What the pools took, what the slots did, and how large the models are."""
  pools = results.ledger.items()
  return [
    Table(
      (
        *('pool', 'samples planned', 'tokens planned', 'of them duplicates'),
        *('samples', 'tokens', 'prompt tokens', 'seconds', 'tokens/s'),
      ),
      [
        (
          pool,
          numbers.count(row.planned_samples),
          numbers.count(row.planned_tokens),
          numbers.share(row.duplicates_rate),
          numbers.count(row.samples),
          numbers.count(row.tokens),
          numbers.count(row.prompt_tokens),
          numbers.decimal(row.seconds, places=1),
          numbers.decimal(row.tokens_per_s, places=1),
        )
        for pool, row in pools
      ],
      caption='The ledger: planned against spent. Planned is what the arms'
      ' take; all else is of the whole pool, which may hold more.',
    ),
    Table(
      ('pool', *_SPENT_ON.values(), 'slots busy'),
      [
        (
          pool,
          *(numbers.count(round(row.spent[name])) for name in _SPENT_ON),
          numbers.share(row.slots_busy),
        )
        for pool, row in pools
        if row.spent and row.slots_busy is not msgspec.UNSET
      ],
      caption='What the slots did: decoding counts slots times steps, prefill'
      ' tokens. Busy is the share of them that decoded while samples waited.',
    ),
    Table(
      ('model', 'name', 'nominal P', 'exact', 'non-embedding'),
      [
        (
          role,
          model.name,
          *(numbers.count(getattr(model, name)) for name in _PARAMS),
        )
        for role, model in results.models.items()
      ],
      text=(1,),
      caption='Parameters. The rule 2PW takes the nominal ones.',
    ),
  ]
