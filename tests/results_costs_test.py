"""What pools and arms cost, of pools made by hand."""

import dataclasses

import made_data as made
import pytest

from wcse_jax.results import arms, costs

PROBLEMS = 8
ARMS = ('se', 'wc_compute_matched')
SAID = made.THIRD_WRONG


def read(parts, problems=PROBLEMS, tokens=None):
  """SE of 1 and 3 samples per problem, WC of 3 and 9."""
  pools = {
    pool: made.sampled(
      *(str(pool), SAID[:problems], tokens),
      parts=parts,
      num_prefix_tokens=100,
    )
    for pool in (made.WC, made.SE)
  }
  return made.read(pools, ARMS, 1, 3)


def pool_costs(data):
  ledgers = {
    pool: costs.ledger(data.committed.pools[pool], drawn)
    for pool, drawn in data.pools.items()
  }
  return costs.of_pools(data, ledgers)


def test_prefill_is_of_an_arms_problems_whoever_drew_from_its_pool():
  data = read([made.part()])
  each = 2 * data.committed.plan.params_active['wc']
  cost = pool_costs(data)(made.WC, 3)
  assert cost.prefill_flops == each * (100 + 36)
  assert cost.padding_flops == cost.prefill_flops / 2
  assert cost.truncated_flops == cost.decode_flops / 3 == each * 10 * PROBLEMS
  # In two sessions, each of which prefilled anew.
  twice = [made.part(), made.part()]
  assert pool_costs(read(twice))(made.WC, 3) == cost
  less = pool_costs(read(twice, problems=4))(made.WC, 3)
  assert less.prefill_flops == each * (100 + 1 + 2 + 3 + 4)
  assert less.decode_flops == cost.decode_flops / 2


def test_the_ledger_has_what_is_planned_beside_what_the_pool_took():
  """A pool may be shared: it used to have our tokens in everybody's time."""
  spent = made.part(tokens=360, waiting_tokens=700, refill_idle=100)
  pool = made.sampled(
    *('wc', SAID),
    parts=[spent, spent],
    verified=[{'worker_seconds': 1.5}] * 2,
  )
  data = made.read({made.WC: pool, made.SE: pool}, ARMS, 1, 3)
  row = costs.ledger(pool, data.pools[made.WC].first(2))
  assert (row.samples, row.tokens, row.tokens_per_s) == (72, 720, 180)
  assert (row.seconds, row.verify_seconds) == (4, 3)
  assert (row.planned_samples, row.planned_tokens) == (16, 160)
  assert row.prompt_tokens == 9 * (8 * 100 + 36) and row.truncated == 8
  assert (row.device, row.slots, row.slots_busy) == ('cpu', '4', 700 / 800)
  few = dataclasses.replace(
    data.pools[made.WC], asked=made.problems(4), number=1
  )
  less = costs.ledger(pool, few)
  assert (less.planned_samples, less.planned_tokens) == (4, 40)
  assert less.tokens == row.tokens and less.spent == row.spent
  untimed = dataclasses.replace(pool, verified=[{}, {'worker_seconds': 1.5}])
  assert costs.ledger(untimed, few).verify_seconds is None


def test_repeated_solutions_are_duplicates():
  pool = made.sampled('wc', SAID, parts=[{'external': 'file.jsonl'}])
  twins = [dataclasses.replace(s, text='same') for s in pool.samples]
  pool = dataclasses.replace(pool, samples=twins)
  data = made.read({made.WC: pool, made.SE: pool}, ARMS, 1, 3)
  row = costs.ledger(pool, data.pools[made.WC].first(4))
  assert row.duplicates_rate == 3 / 4
  assert (row.device, row.spent, row.seconds) == ('file.jsonl', None, None)


def test_a_truly_correct_sample_costs_what_the_ledger_says():
  """Of 40 problems 30 are solved by one of two samples, 12 unsoundly."""
  said = [[None if i >= 30 else i >= 12, None] for i in range(40)]
  tokens = lambda i: 10 * (3 if i % 2 else 1)
  pools = {
    pool: made.sampled(str(pool), said, tokens, parts=[made.part()])
    for pool in (made.WC, made.SE)
  }
  data = made.read(pools, ('wc_number_matched', 'se'))
  of_pool = pool_costs(data)
  mix = made.mix(data, 'wc_number_matched')
  of_mix = {mix: costs.of_mix(data, of_pool, mix) for mix in data.mixes}
  cell = arms.cells(data, of_mix)['wc_number_matched']['high']
  assert set(cell.cost_per_true) == {'number', 'flops', 'measured', 'seconds'}
  assert cell.cost_per_true['number'].value == pytest.approx(80 / 18)
  assert cell.cost_per_true['measured'].value == pytest.approx(
    of_mix[mix].measured_flops / 18
  )
  assert cell.cost.tokens == 1600 and cell.cost.usd is None
  assert cell.cost_flops == of_mix[mix].rule_flops
