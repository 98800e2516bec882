"""P of all models counts the same, as `budget.params` says."""

import dataclasses
import types

import pytest

from wcse_jax.experiment import counts
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import BudgetSpec, Config, TeacherSpec
from wcse_jax.models import presets
from wcse_jax.stages import plan as plan_stage
from wcse_jax.stages import sizes

ARMS = 'se', 'wc_compute_matched'


class Mixture(presets.GemmaConfig):
  """A token goes to an eighth of the experts, and half of the rest is none."""

  looked_up = property(lambda self: 10_000)
  active = property(lambda self: 150_000)
  routed = property(lambda self: 1 / 8)


@pytest.fixture(name='mixture', autouse=True)
def _mixture(monkeypatch):
  dense = presets.PRESETS['nano_wc'].config
  fields = {
    of.name: getattr(dense, of.name) for of in dataclasses.fields(dense)
  }
  preset = presets.Preset(Mixture(**fields), nominal_params=900_000)
  monkeypatch.setitem(presets.PRESETS, 'mixture', preset)
  return preset.config


def config(params='nominal', **fields):
  budget = BudgetSpec(low=1, high=2, params=params)
  return Config(wc='mixture', arms=ARMS, budget=budget, student='', **fields)


def pools(config):
  return sizes.plan(config).pools


def test_the_rule_is_one_for_all_models():
  se = presets.PRESETS['nano_se'].config
  assert presets.PRESETS['nano_se'].params['active'] == se.num_params
  assert pools(config()) == {Pool('se'): 2, Pool('wc'): 3}
  active = config('active')
  assert pools(active)[Pool('wc')] == 2 * se.num_params // 150_000
  plan = sizes.plan(active).to_dict(1)
  assert plan['params'] == {'wc': 150_000, 'se': se.num_params}


def test_measured_flops_are_of_active_parameters_by_any_rule(mixture):
  assert mixture.num_params > 600_000
  assert sizes.plan(config()).params_active['wc'] == 150_000


def test_what_the_config_gives_is_counted_as_it_says():
  given = config('active', teachers={'wc': TeacherSpec(params=300_000.0)})
  by = sizes.by_count(given)
  assert by['active']['wc'] == 300_000 and by['nominal']['wc'] == 900_000
  file = config(teachers={'wc': TeacherSpec(params=3e5, external='rows.jsonl')})
  by = sizes.by_count(dataclasses.replace(file, wc='theirs'))
  assert by['nominal']['wc'] == 3e5 and 'wc' not in by['active']


def test_the_plan_tells_whether_the_number_of_samples_changes(mixture):
  run = types.SimpleNamespace(config=config('active'))
  lines = list(plan_stage._counted(run))
  assert lines[:2] == [
    'wc_compute_matched, low: P counts active parameters (budget.params);'
    ' samples by count: 1 nominal, 3 non_embedding, 12 active',
    'wc_compute_matched, low: 2 for as much reading of weights, which bounds'
    ' decoding, in steps of 64 rows',
  ]
  idle = mixture.num_params - 160_000
  read = counts.read_params(150_000, idle, 1 / 8, 64)
  assert sizes.params(run.config, 'wc', counts.READ) == read
  same = dataclasses.replace(run.config, wc='nano_wc', se='nano_wc')
  run = types.SimpleNamespace(config=same)
  assert list(plan_stage._counted(run)) == [
    'P counts active parameters (budget.params); arms get as many samples by'
    ' other counts'
  ]
