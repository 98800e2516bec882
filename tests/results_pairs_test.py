"""Which arms are compared with which."""

from wcse_jax import store
from wcse_jax.experiment.config import BudgetSpec, Config, ReportSpec
from wcse_jax.results import comparisons
from wcse_jax.stages.layout import Run


def _pairs(tmp_path, *names, **options):
  config = Config(arms=names, **options)
  run = Run(config, store.Store(tmp_path))
  across = config.report.across_budgets
  found = comparisons.pairs(
    run.plan.mixes, run.config.anchor, across_budgets=across
  )
  return [(str(a), str(b)) for a, b in found]


def test_what_is_compared(tmp_path):
  names = (
    *('se', 'se@1.0', 'wc_compute_matched', 'se=all', 'wc_compute_matched=all'),
    *('wc_compute_matched~1', 'wc_compute_matched^1', 'reference'),
    *('wc_compute_matched=random', 'se%wc_compute_matched'),
    'wc_compute_matched%se',
  )
  every = _pairs(tmp_path, *names, budget=BudgetSpec(low=1, high=2))
  found = {
    (a.removesuffix('-low'), b.removesuffix('-low'))
    for a, b in every
    if a.endswith('-low')
  }
  wc = 'wc_compute_matched'
  assert found == {
    # Each against SE; human-written ones are not of this budget.
    *((name, 'se') for name in names[1:] if name != 'reference'),
    *((f'{wc}{of}', 'se@1.0') for of in ('', '~1', '^1')),  # WC against SEs
    *((f'{wc}{of}', f'se%{wc}') for of in ('', '~1', '^1')),
    (f'{wc}%se', 'se@1.0'),
    (f'{wc}%se', f'se%{wc}'),
    (f'{wc}%se', wc),
    (f'se%{wc}', wc),
    (f'{wc}=all', 'se=all'),
    (f'{wc}=all', wc),  # what verifying adds
    (f'{wc}=all', f'{wc}=random'),  # what more of them do
    (f'{wc}=random', wc),  # what choosing does
  }
  # Of which the paper says which is better.
  assert (f'{wc}-high', f'{wc}~1-high') in every
  assert (f'{wc}-low', f'{wc}~1-low') not in every


def test_one_pair_of_the_paper_is_of_two_budgets(tmp_path):
  names = 'wc_compute_matched~1', 'wc_number_matched'
  assert _pairs(tmp_path, *names) == [
    ('wc_compute_matched~1-high', 'wc_number_matched-low')
  ]


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
  run = Run(Config(arms=('se', 'se=all')), store.Store(tmp_path))
  mixes = {str(mix): mix for mix in run.plan.mixes}
  assert run.keep(mixes['se-low']) == 'correct'
  assert run.keep(mixes['se=all-low']) == 'all'
