"""What P counts decides how much a mixture of experts samples."""

import pytest

from wcse_jax.experiment import arguments, config, counts

# 26B-A4B against 31B, in billions.
ACTIVE, TOTAL, DENSE = 3.8, 25.2, 30.7
SIZES = {
  'nominal': {'wc': 26.0, 'se': 31.0},
  'non_embedding': {'wc': 24.5, 'se': 29.3},
  'active': {'wc': ACTIVE, 'se': DENSE},
}


def read(rows, routed=8 / 128):
  return counts.read_params(ACTIVE, TOTAL - ACTIVE, routed, rows)


def test_a_step_reads_each_expert_that_any_row_is_sent_to():
  assert read(1) == ACTIVE
  assert read(2) == pytest.approx(ACTIVE + (TOTAL - ACTIVE) * 8 / 128)
  assert read(64) / TOTAL == pytest.approx(0.9854, abs=1e-3)
  assert read(4096) == pytest.approx(TOTAL)
  assert counts.read_params(DENSE, 0, 1, 64) == DENSE


@pytest.mark.parametrize(
  ('given', 'name'),
  [
    ((-1.0, 0, 1, 1), 'active'),
    ((1.0, -1.0, 1, 1), 'idle'),
    ((1.0, 0, 0.0, 1), 'routed'),
    ((1.0, 0, 1.5, 1), 'routed'),
    ((1.0, 0, 1, 0), 'rows'),
  ],
)
def test_numbers_that_make_no_sense_are_named(given, name):
  with pytest.raises(arguments.ArgumentError, match=f'{name} = '):
    counts.read_params(*given)


def rows(*arms, sizes=SIZES, **options):
  budgets = {'low': 1, 'high': 10}
  return counts.rows(
    [config.arm(arm) for arm in arms], budgets, sizes, **options
  )


def test_a_mixture_gets_many_samples_by_its_active_parameters():
  low, high = rows('se', 'wc_compute_matched', 'wc_number_matched')
  assert low.arm == high.arm == 'wc_compute_matched'
  assert low.samples == {'nominal': 1, 'non_embedding': 1, 'active': 8}
  assert high.samples == {'nominal': 11, 'non_embedding': 11, 'active': 80}
  assert low.changes and high.changes


def test_reading_does_not_make_the_rule_change():
  sizes = {'nominal': SIZES['nominal'], counts.READ: {'wc': 9.0, 'se': 31.0}}
  low, _ = rows('wc_compute_matched', sizes=sizes)
  assert low.samples == {'nominal': 1, 'read': 3} and not low.changes


def test_a_size_that_is_not_known_so_has_no_number():
  sizes = {'nominal': SIZES['nominal'], 'active': {'wc': 3.8}}
  low, _ = rows('wc_compute_matched', sizes=sizes)
  assert low.samples == {'nominal': 1}


def test_a_budget_that_pays_for_no_sample_is_none_by_that_count():
  sizes = {'nominal': {'wc': 9, 'se': 27}, 'active': {'wc': 9, 'se': 5}}
  low, high = rows('wc_compute_matched', sizes=sizes)
  assert low.samples == {'nominal': 3, 'active': None} and low.changes
  assert high.samples == {'nominal': 30, 'active': 5}


def test_any_model_may_be_the_anchor():
  arm = config.arm('mid_compute_matched', ('mid', 'big'), 'big')
  sizes = {'active': {'mid': 4.0, 'big': 31.0}}
  (row,) = counts.rows([arm], {'high': 2}, sizes, anchor='big')
  assert row.samples == {'active': 15}
