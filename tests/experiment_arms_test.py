"""How arms are written."""

import pytest

from wcse_jax import store
from wcse_jax.experiment import arms
from wcse_jax.experiment.config import BudgetSpec, Config, ReportSpec
from wcse_jax.stages import layout as stages
from wcse_jax.stages import outcome


def test_what_may_follow_an_arm():
  arm = arms.parse('wc_price_matched^5~1=all')
  assert (arm.first, arm.most, arm.keep) == (5, 1, 'all')
  assert arm.label == 'WC, first 5, 1 kept, unverified'
  assert arms.parse('se=judge').label == 'SE, by the judge'
  assert arms.parse('se@1.0+wc_compute_matched').roles == {'se', 'wc'}


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('se^0', "after '^' give how many solutions to draw"),
    ('se~', "after '~' give how many solutions to keep"),
    ('se=some', "after '=' give one of correct, judge, majority, all"),
    ('se~1^5', 'in this order'),
    ('se=all~1', "after '=' give one of"),
    ('reference^1', 'nothing is sampled'),
    ('reference=all', 'nothing is sampled'),
    ('wc_price_match^1', 'did you mean wc_price_matched?'),
  ],
)
def test_what_may_not_follow_is_named(text, said):
  with pytest.raises(ValueError, match='.') as error:
    arms.parse(text)
  assert said in str(error.value)


def _pairs(tmp_path, *names, **options):
  config = Config(arms=names, **options)
  run = stages.Stages(config, store.Store(tmp_path))
  return [(str(a), str(b)) for a, b in outcome._pairs(run)]


def test_what_is_compared(tmp_path):
  names = (
    *('se', 'se@1.0', 'wc_compute_matched', 'se=all', 'wc_compute_matched=all'),
    *('wc_compute_matched~1', 'wc_compute_matched^1', 'reference'),
  )
  found = {
    (a.removesuffix('-low'), b.removesuffix('-low'))
    for a, b in _pairs(tmp_path, *names, budget=BudgetSpec(low=1, high=1))
    if a.endswith('-low')
  }
  wc = 'wc_compute_matched'
  assert found == {
    *((name, 'se') for name in names[1:]),  # each against SE
    *((f'{wc}{of}', 'se@1.0') for of in ('', '~1', '^1')),  # WC against SEs
    (f'{wc}=all', 'se=all'),
    (f'{wc}=all', wc),  # what verifying adds
    (wc, f'{wc}~1'),  # of which the paper says which is better
    (f'{wc}~1', f'{wc}^1'),
  }


def test_data_may_be_compared_across_budgets(tmp_path):
  """The nine of the grid; students only where they saw as many examples."""
  names = 'se', 'wc_compute_matched', 'wc_number_matched'
  spec = BudgetSpec(low=1, high=9, more=(3,))
  assert len(_pairs(tmp_path, *names, budget=spec)) == 2 * 3
  across = ReportSpec(across_budgets=True)
  found = _pairs(tmp_path, *names, budget=spec, report=across)
  assert len(found) == 9 + 3
  assert ('wc_compute_matched-high', 'se-low') in found


def test_an_arm_may_keep_what_others_do_not(tmp_path):
  run = stages.Stages(Config(arms=('se', 'se=all')), store.Store(tmp_path))
  mixes = {str(mix): mix for mix in run.mixes()}
  assert run.keep(mixes['se-low']) == 'correct'
  assert run.keep(mixes['se=all-low']) == 'all'
