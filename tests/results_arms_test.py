"""What is said of arms follows what curation keeps of them."""

import dataclasses

import made_data as made
import pytest

from wcse_jax import tasks
from wcse_jax.analysis import costs as costs_lib
from wcse_jax.results import arms, comparisons, winners
from wcse_jax.stages import selection

NUM_PROBLEMS = 20
ONE = 'wc_compute_matched~1'
TWO_OF_MIX = 'se+wc_compute_matched~2'
ARMS = ('se', 'wc_compute_matched', ONE, TWO_OF_MIX)
SAID = {
  made.WC: [None, True, False, False, None, None],
  made.SE: [False, True],
}
POOLS = {
  pool: made.sampled(str(pool), [said] * NUM_PROBLEMS)
  for pool, said in SAID.items()
}


def costs(data):
  return {
    mix: costs_lib.Cost(
      samples=NUM_PROBLEMS * sum(data.samples(mix).values()),
      rule_flops=1.0,
      decode_flops=2.0,
      truncated_flops=0.0,
    )
    for mix in data.mixes
  }


def number(data, arm):
  """Samples for each truly right one."""
  cell = arms.cells(data, costs(data))[arm]['high']
  return cell.cost_per_true['number'].value


def rates(data):
  return {
    (row.a, row.b): row.absolute.value
    for row in comparisons.rows(data, {})
    if row.metric == 'fpr'
  }


@pytest.mark.parametrize('arm', ['wc_compute_matched', ONE, TWO_OF_MIX])
def test_curation_keeps_the_samples_that_are_measured(arm):
  data = made.read(POOLS, ARMS)
  mix = made.mix(data, arm)
  drawn = data.of(mix)
  assert drawn.max_kept == mix.arm.max_kept
  rows = [pair for pool in data.pools.values() for pair in pool.all]
  examples = selection.select(
    mix,
    {pool: range(n) for pool, n in data.samples(mix).items()},
    [sample for sample, _ in rows],
    [verdict for _, verdict in rows],
    made.problems(NUM_PROBLEMS),
  )
  assert [e.completion for e in examples] == [
    sample.text for pairs in drawn.right for sample, _ in pairs
  ]


def test_rates_and_costs_are_of_the_samples_kept():
  """They were of all that is right: 2 of 3 unsound, not none."""
  data = made.read(POOLS, ARMS)
  cells = arms.cells(data, costs(data))
  every, one = (cells[arm]['high'] for arm in ('wc_compute_matched', ONE))
  assert every.fpr.value == pytest.approx(2 / 3)
  assert one.fpr.value == one.fpr_by['steps'].value == 0
  for cell in (every, one):  # 1 of 6 samples is kept, and sound
    assert cell.cost_per_true['number'].value == pytest.approx(6)

  # SE's first, unsound, and WC's first, sound.
  assert cells[TWO_OF_MIX]['high'].fpr.value == pytest.approx(1 / 2)
  compared = rates(data)
  assert compared[f'{ONE}-high', 'se-high'] == pytest.approx(-1 / 2)
  assert compared['wc_compute_matched-high', 'se-high'] == pytest.approx(1 / 6)
  even = {
    row.a: row.fpr['number'].value
    for row in winners.break_even(data, costs(data))
  }
  # SE's 2 of 2 samples are right, 1 sound; of WC's 6 these are 3, and 1.
  assert even['wc_compute_matched-high'] == pytest.approx(1 - (1 / 2) / (3 / 6))
  assert even[f'{ONE}-high'] == pytest.approx(1 - (1 / 2) / (1 / 6))


def judged(pools):
  """The judge says the opposite of the steps' check."""
  return {
    pool: dataclasses.replace(
      of,
      judgements=made.judged(
        str(pool),
        {
          (v.problem_id, v.sample_index): not v.sound
          for v in of.verdicts
          if v.sound is not None
        },
      ),
    )
    for pool, of in pools.items()
  }


def test_every_rate_is_by_the_source_that_is_chosen():
  """The judge's costs stood beside the step checker's rates."""
  data = dataclasses.replace(made.read(judged(POOLS), ARMS), source='judge')
  cell = arms.cells(data, costs(data))['wc_compute_matched']['high']
  assert cell.fpr == cell.fpr_by['judge'] != cell.fpr_by['steps']
  assert cell.fpr.value == pytest.approx(1 / 3)
  assert number(data, 'wc_compute_matched') == pytest.approx(6 / 2)
  assert number(data, ONE) is None
  assert rates(data)[f'{ONE}-high', 'se-high'] == pytest.approx(1 - 1 / 2)
  unjudged = judged(POOLS) | {made.SE: POOLS[made.SE]}
  data = dataclasses.replace(made.read(unjudged, ARMS), source='judge')
  assert not [*winners.break_even(data, costs(data))]


def test_procedural_tasks_alone_have_an_exact_check_of_the_steps():
  exact = [name for name in tasks.TASKS if tasks.find(name).exact_steps]
  assert exact == ['nano_arithmetic', 'nano_one_step']
