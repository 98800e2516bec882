"""Tables of what the arms cost, and of who wins by which cost."""

from collections.abc import Iterator
import functools

import msgspec

from wcse_jax.experiment.arms import called
from wcse_jax.experiment.counts import READ
from wcse_jax.report import numbers, table, texts, wording
from wcse_jax.report.numbers import NONE, Interval
from wcse_jax.report.table import Table
from wcse_jax.results.types import Estimate, Ledger, Results
from wcse_jax.results.types.comparisons import ROWS_PER_COST, Matched, Winners

# What P may count, and what is read, for people.
_COUNTS = {
  'nominal': 'nominal',
  'non_embedding': 'non-embedding',
  'active': 'active',
  READ: 'weights read',
}
# The ways to match costs, for people.
MATCHINGS = {
  'number': 'number of samples',
  'flops': 'FLOPs, by the rule 2PW',
  'measured': 'FLOPs, measured',
  'price': 'dollars',
  'seconds': 'device time',
}
_UNITS = {'number': '', 'flops': 'FLOP', 'measured': 'FLOP'}
_SPENT_ON = {
  'tokens': 'decoded tokens',
  'prefill_tokens': 'prefilled tokens',
  'prefill_padding': 'padding',
  'refill_idle': 'idle before refill',
  'tail_idle': 'idle at the end',
  'truncated_tokens': 'truncated',
  'device_seconds': 'device seconds',
}


def spent(results: Results) -> Table:
  """What each arm costs at each budget."""
  flop = functools.partial(numbers.si, unit='FLOP')
  part = lambda of, name: numbers.si(
    getattr(of, f'{name}_flops'), 'FLOP', like=of.sampling_flops
  )
  seconds = functools.partial(numbers.decimal, places=1)
  return table.listed(
    ('arm', 'budget', 'cost', 'samples'),
    [
      (
        (
          *(cell.label, budget, 'matched' if cell.matched else 'UNMATCHED'),
          numbers.count(cell.samples),
        ),
        cell.cost,
      )
      for _, budget, cell in results.cells
      if cell.generator
    ],
    {
      'rule 2PW': lambda of: flop(of.rule_flops),
      'measured': lambda of: flop(of.sampling_flops),
      '= decoding': lambda of: part(of, 'decode'),
      '+ prefill': lambda of: part(of, 'prefill'),
      '+ padding': lambda of: part(of, 'padding'),
      '+ idle slots': lambda of: part(of, 'idle'),
      'truncated': lambda of: part(of, 'truncated'),
      'device seconds': lambda of: seconds(of.device_seconds),
      'verifier seconds': lambda of: seconds(of.verify_seconds),
      'finetuning': lambda of: flop(of.training_flops),
      'dollars': lambda of: numbers.dollars(of.usd),
    },
    text=(1, 2),
    caption=texts.of('tables.spent', results),
  )


def prices(results: Results) -> Table:
  """What the models' tokens cost."""
  return table.listed(
    ['price of'],
    [((results.models[role].name,), of) for role, of in results.prices.items()],
    {
      'dollars per million tokens': lambda of: numbers.dollars(
        of.usd_per_million_output_tokens
      ),
      'of prompts': lambda of: numbers.dollars(of.usd_per_million_input_tokens),
      'from': lambda of: of.date,
      'source': lambda of: of.source,
    },
    text=(3, 4),
    caption=texts.of('tables.prices', results),
  )


def per_true_sample(results: Results) -> Table:
  """What a sample of right answer and right reasoning costs."""
  return Table(
    ('a truly correct sample of', *MATCHINGS.values()),
    [
      (
        wording.side(results, arm, budget),
        *(
          _amount(cell.cost_per_true.get(matching), matching)
          for matching in MATCHINGS
        ),
      )
      for arm, budget, cell in results.cells
      if any(of.value is not None for of in cell.cost_per_true.values())
    ],
    caption=texts.of('tables.per_true_sample', results),
  )


def _amount(of: Estimate | None, matching: str) -> Interval | str:
  """A cost, in the unit of its kind."""
  if matching == 'price':
    return numbers.interval(of, lambda bound, sign: numbers.dollars(bound))
  return numbers.si_interval(of, _UNITS.get(matching, 's'))


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
    caption=texts.of('tables.break_even', results),
  )


def winners(results: Results) -> Iterator[tuple[str, str, list[str], str]]:
  """Yields (metric, budget, a winner for each of MATCHINGS, does it flip)."""
  for found in results.winners:
    rows = {row.matching: row for row in found.rows}
    yield (
      _compared(found),
      found.budget,
      [_winner(results, found.metric, rows[name]) for name in MATCHINGS],
      'yes' if found.flips else 'no',
    )


def _compared(found: Winners) -> str:
  """What is compared: 'coverage', or 'mid: coverage' where mid is not alone."""
  name = wording.metric_name(found.metric)
  of = '' if found.other is msgspec.UNSET else f'{called(found.other)}: '
  return f'{of}{name}'


def _winner(results: Results, metric: str, row: Matched) -> str:
  """Who won; '-' where it is not matched.

  What is not matched to the anchor has fewer samples than are paid for. If its
  data win all the same they would with more, too.
  """
  if not row.note:
    return _name(row.winner)
  grows = metric in ('coverage', 'diversity')
  wins = row.winner not in (None, 'undecided', results.anchor)
  return f'{_name(row.winner)}, on less' if grows and wins else NONE


def _name(winner: str | None) -> str:
  if winner is None or winner == 'undecided':
    return winner or NONE
  return called(winner)


def by_count(results: Results) -> Table:
  """What arms that are matched by compute get, by what P counts."""
  return table.listed(
    ('arm', 'budget'),
    [
      ((wording.arm_label(results, of.arm), of.budget), of)
      for of in results.counted
      if of.arm in results.arms
    ],
    {
      **{
        title: lambda of, count=count: numbers.count(of.samples.get(count))
        for count, title in _COUNTS.items()
      },
      'does it change?': lambda of: 'yes' if of.changes else 'no',
    },
    text=(1, 6),
    caption=texts.of(
      'tables.by_count',
      results,
      count=_COUNTS[results.run.counts],
      slots=results.run.slots,
    ),
  )


def does_it_flip(results: Results) -> Table:
  """Who wins, matched in each way."""
  by_rows = any(of.metric == ROWS_PER_COST for of in results.winners)
  text = 'tables.rows_per_cost' if by_rows else 'tables.matched'
  return Table(
    ('compared', 'budget', *MATCHINGS.values(), 'does it flip?'),
    [
      (metric, budget, *by, flips)
      for metric, budget, by, flips in winners(results)
    ],
    text=tuple(range(1, 3 + len(MATCHINGS))),
    caption=f'Does the winner flip? {texts.of(text, results)}',
  )


def gains_by_matching(results: Results) -> Table:
  """The gains, matched in each way."""
  return table.listed(
    ('compared', 'budget'),
    [
      ((_compared(found), found.budget), (found.metric, row))
      for found in results.winners
      for row in found.rows
    ],
    {
      'matched by': lambda of: MATCHINGS[of[1].matching],
      texts.anchor(results): lambda of: numbers.count(of[1].anchor_samples),
      texts.others(results): lambda of: numbers.count(of[1].other_samples),
      'absolute gain': lambda of: wording.effect(of[0], of[1].absolute),
      'relative gain': lambda of: wording.relative(of[1].relative),
      'winner': lambda of: _name(of[1].winner),
      'note': lambda of: of[1].note,
    },
    text=(1, 2, 7, 8),
    caption=texts.of('tables.gains_by_matching', results),
  )


def _planned(row: Ledger) -> str:
  number = numbers.count(row.planned_samples)
  if row.most_samples is msgspec.UNSET:
    return number
  return f'{number} of at most {numbers.count(row.most_samples)}'


def _beside_plan(results: Results) -> Iterator[Table]:
  """What chips did beside what was planned, if it was."""
  share = lambda of: lambda row: numbers.share(getattr(row, of))
  rate = lambda of: lambda row: numbers.decimal(getattr(row, of), places=1)
  of_plan = lambda row: row.tokens_per_s / row.planned_tokens_per_s
  if not results.rooflines:
    return
  yield table.listed(
    ['pool'],
    [((pool,), row) for pool, row in results.rooflines.items()],
    {
      'planned for': lambda row: row.topology,
      'tokens/s of a chip': rate('tokens_per_s'),
      'planned': rate('planned_tokens_per_s'),
      'of it': lambda row: numbers.share(of_plan(row)),
      'HBM share': share('hbm_share'),
      'HBM share planned': share('planned_hbm_share'),
    },
    text=(1,),
    caption=texts.of('tables.rooflines', results),
  )


def ledger(results: Results) -> list[Table]:
  """What the pools took, what the slots did, and how large the models are."""
  pools = [((pool,), row) for pool, row in results.ledger.items()]
  return [
    table.listed(
      ['pool'],
      pools,
      {
        'samples planned': _planned,
        'tokens planned': lambda row: numbers.count(row.planned_tokens),
        'of them duplicates': lambda row: numbers.share(row.duplicates_rate),
        'samples': lambda row: numbers.count(row.samples),
        'tokens': lambda row: numbers.count(row.tokens),
        'prompt tokens': lambda row: numbers.count(row.prompt_tokens),
        'seconds': lambda row: numbers.decimal(row.seconds, places=1),
        'tokens/s': lambda row: numbers.decimal(row.tokens_per_s, places=1),
      },
      caption=texts.of('tables.ledger', results),
    ),
    Table(
      ('pool', *_SPENT_ON.values(), 'slots busy'),
      [
        (
          *pool,
          *(numbers.count(round(row.spent[name])) for name in _SPENT_ON),
          numbers.share(row.slots_busy),
        )
        for pool, row in pools
        if row.spent and row.slots_busy is not msgspec.UNSET
      ],
      caption=texts.of('tables.slots', results),
    ),
    *_beside_plan(results),
    table.listed(
      ('model', 'name'),
      [((role, model.name), model) for role, model in results.models.items()],
      {
        'exact': lambda model: numbers.count(model.exact_params),
        'looked up': lambda model: numbers.count(model.looked_up_params),
        **{
          title: lambda model, of=of: numbers.count(
            getattr(model, f'{of}_params')
          )
          for of, title in _COUNTS.items()
          if of != READ
        },
      },
      text=(1,),
      caption=texts.of(
        'tables.parameters', results, count=_COUNTS[results.run.counts]
      ),
    ),
  ]
