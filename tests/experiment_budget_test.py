"""Budgets follow the paper's rule exactly, and say when they cannot."""

import dataclasses
import json

import pytest

from wcse_jax.experiment import budget, config
from wcse_jax.experiment import plan as plan_lib
from wcse_jax.experiment.config import ConfigError
from wcse_jax.records import FinishReason, Sample
from wcse_jax.results import types

GEMMA2 = {'wc': 9e9, 'se': 27e9}
BUDGETS = {'low': 1, 'high': 10}
ARMS = ('se', 'wc_compute_matched', 'wc_number_matched', 'reference')


def make_plan(arms=ARMS, budgets=None, params=None, **kwargs):
  params = params or GEMMA2
  arms = [config.arm(str(arm)) for arm in arms]
  return plan_lib.make(arms, budgets or BUDGETS, params, params, **kwargs)


def cells(plan):
  """The allotments by arm and budget, as texts."""
  found: dict = {}
  for mix, allotment in plan.allotments.items():
    found.setdefault(str(mix.arm), {})[mix.budget] = allotment
  return found


def texts(samples):
  return {str(pool): n for pool, n in samples.items()}


def sample(generator, index, num_tokens, finish_reason: FinishReason = 'eos'):
  return Sample(
    generator=generator,
    problem_id='p0',
    sample_index=index,
    text=' x',
    num_tokens=num_tokens,
    num_prompt_tokens=7,
    finish_reason=finish_reason,
    logprob=-1.0,
  )


def test_flops_per_token_is_two_per_parameter():
  assert budget.flops_per_token(9e9) == 18e9


def test_paper_budgets_of_gemma2():
  plan = make_plan()
  samples = {
    arm: {name: sum(a.samples.values()) for name, a in row.items()}
    for arm, row in cells(plan).items()
  }
  assert samples == {
    'se': {'low': 1, 'high': 10},
    'wc_compute_matched': {'low': 3, 'high': 30},
    'wc_number_matched': {'low': 1, 'high': 10},
    'reference': {'high': 0},  # as many at each budget
  }
  assert texts(plan.pools) == {'se': 10, 'wc': 30}
  saved = plan.to_dict(100)
  assert saved['ratio'] == saved['ratio_active'] == 3
  assert plan.notes == () and not saved['rounded']


def test_whole_ratio_of_awkward_floats_is_not_rounded():
  """0.3 / 0.1 is 2.999... in floats; sizes of models are whole numbers."""
  params = {'wc': 100_003, 'se': 300_009}
  assert plan_lib.samples_per_problem(config.WC, 7, params) == 21


def test_cost_is_not_invented_without_a_length():
  arms = make_plan().to_dict(100)['arms']
  assert arms['se']['low']['cost_flops'] is None
  assert arms['reference']['high']['cost_flops'] == 0


def test_cost_is_by_the_papers_rule():
  """The cost of every arm was null, though the README promises it."""
  saved = make_plan().to_dict(100, 50.0)
  arms, params = saved['arms'], make_plan().params
  assert (saved['mean_tokens'], saved['mean_tokens_of']) == (50, 'limit')
  assert arms['se']['low']['cost_flops'] == 100 * 50 * 2 * params['se']
  assert arms['wc_compute_matched']['high']['cost_flops'] == (
    100 * 30 * 50 * 2 * params['wc']
  )
  assert arms['reference']['high']['cost_flops'] == 0
  assert make_plan().to_dict(1, 2.0, sampled=True)['mean_tokens_of'] == (
    'samples'
  )


def test_cost_of_a_model_of_unknown_size_is_not_known():
  plan = plan_lib.make(
    [config.SE, config.WC_NUMBER_MATCHED], {'low': 1}, {}, {}
  )
  arms = plan.to_dict(100, 50.0)['arms']
  assert arms['wc_number_matched']['low']['cost_flops'] is None


def test_fractional_ratio_rounds_the_product_down_and_says_so():
  plan = make_plan(params={'wc': 2.0, 'se': 5.0})
  row = cells(plan)['wc_compute_matched']
  assert texts(row['low'].samples) == {'wc': 2} and row['low'].rounded
  assert texts(row['high'].samples) == {'wc': 25} and not row['high'].rounded
  assert plan.to_dict(100)['rounded']
  assert plan.notes == (
    'WC compute-matched at the low budget: 2.5 samples per problem of wc would'
    ' match, rounded down to 2',
  )


def test_plan_is_json():
  saved = json.loads(json.dumps(make_plan().to_dict(100)))
  assert saved['arms']['wc_compute_matched']['high']['samples'] == {'wc': 30}
  assert saved['pools'] == {'se': 10, 'wc': 30}


def test_one_model_alone():
  plan = make_plan(arms=('se',), params={'se': 268e6})
  assert texts(plan.pools) == {'se': 10}
  assert plan.to_dict(100)['ratio'] is None


@pytest.mark.parametrize(
  'change, field, value, remedy',
  [
    ({'budgets': {'low': 0, 'high': 1}}, 'budget.low', 0, 'at least 1'),
    (
      {'params': {'wc': 27e9, 'se': 9e9}},
      'budget.low',
      1,
      'pays for 0.333 samples of wc in wc_compute_matched: give at least 3',
    ),
  ],
)
def test_impossible_budgets_name_field_value_and_remedy(
  change, field, value, remedy
):
  with pytest.raises(ConfigError, match=remedy) as error:
    make_plan(**change)
  assert (error.value.field, error.value.value) == (field, value)
  assert len(str(error.value).splitlines()) <= 3


def test_pools_share_a_budget_equally():
  mix = 'se+wc_compute_matched'
  plan = make_plan(arms=('se', mix), budgets={'low': 2, 'high': 10})
  assert texts(cells(plan)[mix]['low'].samples) == {'se': 1, 'wc': 3}
  assert texts(cells(plan)[mix]['high'].samples) == {'se': 5, 'wc': 15}
  assert texts(plan.pools) == {'se': 10, 'wc': 15}
  with pytest.raises(ConfigError, match='pays for 0.5 samples of se in'):
    make_plan(arms=(mix,))


def test_a_temperature_has_a_pool_of_its_own():
  plan = make_plan(arms=('se', 'se@1.0', 'wc_compute_matched~1'))
  assert texts(plan.pools) == {'se': 10, 'se@1.0': 10, 'wc': 30}


def test_matching_by_price():
  prices = {'se': 10.5, 'wc': 0.3}
  plan = make_plan(arms=('se', 'wc_price_matched'), costs={'price': prices})
  assert texts(cells(plan)['wc_price_matched']['low'].samples) == {'wc': 35}
  plan = make_plan(arms=('se', 'wc_price_matched^5'), costs={'price': prices})
  drawn = cells(plan)['wc_price_matched^5']
  assert [texts(of.samples) for of in drawn.values()] == [{'wc': 5}, {'wc': 5}]
  assert not plan.notes, 'nothing is rounded'
  with pytest.raises(ConfigError, match='needs the price of se'):
    make_plan(arms=('wc_price_matched',))


def test_each_seed_has_samples_of_its_own():
  """Independent pools, one after another: a spread of such data, not of one."""
  shared, own = make_plan(), make_plan(copies=3)
  assert texts(own.pools) == {'se': 30, 'wc': 90}
  low = plan_lib.Mix(config.WC, 'low')
  assert shared.mix_of(low, 2) == low
  third = own.mix_of(low, 2)
  assert str(third) == 'wc_compute_matched-low-seed2'
  assert str(plan_lib.Student(third, 2)) == 'wc_compute_matched-low-seed2'
  drawn = [texts(own.drawn(own.mix_of(low, seed))) for seed in range(3)]
  assert drawn == [{'wc': range(i, i + 3)} for i in (0, 30, 60)]
  # Human-written solutions are the same for all.
  human = plan_lib.Mix(config.REFERENCE, 'high')
  assert own.mix_of(human, 2) == human
  assert str(plan_lib.Student(human, 2)) == 'reference-high-seed2'
  assert len(own.mixes) == 3 * len(shared.mixes) - 2


def test_epochs_are_those_of_the_same_seeds_samples():
  arm = config.SE.in_epochs_of(config.WC)
  assert plan_lib.Mix(arm, 'low', 2).like == plan_lib.Mix(config.WC, 'low', 2)
  human = config.SE.in_epochs_of(config.REFERENCE)
  assert plan_lib.Mix(human, 'low', 2).like == plan_lib.Mix(
    config.REFERENCE, 'low'
  )


def test_human_written_ones_are_there_where_an_arm_asks_for_their_epochs():
  human = config.SE.in_epochs_of(config.REFERENCE)
  plan = make_plan(arms=[config.REFERENCE, human])
  assert set(cells(plan)['reference']) == {'low', 'high'}


def test_two_budgets_that_are_the_same_are_one():
  """Its rows once stood twice in every table, of two students."""
  one = config.BudgetSpec(low=4, high=4)
  assert one.by_name == {'high': 4}
  assert dataclasses.replace(one, more=(9,)).by_name == {'high': 4, '9': 9}
  assert config.BudgetSpec(low=3, high=4).by_name == {'low': 3, 'high': 4}
  spec = {'budget': dataclasses.asdict(one)}
  run = types.Run(name='x', scale='nano', task='nano_arithmetic', config=spec)
  assert run.budgets == one.by_name
