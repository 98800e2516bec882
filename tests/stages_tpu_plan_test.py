"""A plan for a TPU beside what the run's chips did."""

import json

import golden_results as golden
import pytest

from wcse_jax.experiment import scales
from wcse_jax.experiment.arms import Pool
from wcse_jax.experiment.config import ConfigError
from wcse_jax.report import costs, table
from wcse_jax.results import rooflines
from wcse_jax.stages import tpu_plan

LEDGER = golden.RESULTS.ledger['se']
# Two devices share a chip, and two chips the model: 8 slots, 4 GB a step.
PLAN = {
  'topology': 'v5e:2x2',
  'slots': {'se': 8},
  'programs': {'se/decode': {'hbm_bytes_per_step': 4e9}},
  'generators': {
    'se': {
      'tensor': 4,
      'tokens_per_s_per_chip': 100.0,
      'devices_per_chip': 2,
      'hbm_bytes_per_s': 800e9,
    }
  },
}
SPENT = {'tokens': 3000, 'steps': 500, 'seconds': 50, 'device_seconds': 200}


def row(slots='8', **spent):
  fields = {**vars_of(LEDGER), 'slots': slots, 'spent': SPENT | spent}
  return type(LEDGER)(**fields)


def vars_of(struct):
  return {name: getattr(struct, name) for name in struct.__struct_fields__}


def config(path):
  return scales.replace(golden.config(), {'report.tpu_plan': str(path)})


def test_rates_are_those_of_a_chip():
  made = rooflines.of_pool(PLAN, 'se', row())
  assert made.topology == 'v5e:2x2'
  assert made.tokens_per_s == 3000 / 100  # two chips for 50 s
  # 100 tokens/s of each of two chips: 25 steps of 4 GB from both.
  assert made.planned_hbm_share == pytest.approx(25 * 4 / 800)
  assert made.hbm_share == pytest.approx(500 * 4 / (50 * 800))


def test_another_number_of_slots_moves_nobody_knows_what():
  assert rooflines.of_pool(PLAN, 'se', row('16')).hbm_share is None
  # A process with two copies of the model has twice the slots.
  twice = row('16', device_seconds=400)
  assert rooflines.of_pool(PLAN, 'se', twice).hbm_share is not None


def test_pools_that_nobody_planned_have_none():
  se, wc = Pool('se', None), Pool('wc', None)
  assert [*rooflines.of_pools(PLAN, {se: row(), wc: row()})] == ['se']
  assert rooflines.of_pools({}, {se: row()}) == {}


def test_the_report_has_a_table_of_it_and_without_a_plan_none(tmp_path):
  titles = lambda results: [t.header[1] for t in costs.ledger(results)]
  assert 'planned for' not in titles(golden.RESULTS)
  made = {'se': rooflines.of_pool(PLAN, 'se', row())}
  fields = vars_of(golden.RESULTS) | {'rooflines': made}
  tables = costs.ledger(type(golden.RESULTS)(**fields))
  (found,) = (t for t in tables if t.header[1] == 'planned for')
  assert isinstance(found, table.Table)
  assert [str(cell) for cell in found.rows[0][:5]] == [
    *('se', 'v5e:2x2', '30.0', '100.0', '30.0%')
  ]


def test_a_file_of_a_plan_is_read(tmp_path):
  path = tmp_path / 'plan.json'
  path.write_text(json.dumps(PLAN))
  assert tpu_plan.read(config(path)) == PLAN
  assert tpu_plan.read(golden.config()) == {}


@pytest.mark.parametrize(
  ('text', 'why'),
  [
    (None, 'No such file'),
    ('{', 'not JSON'),
    ('[]', 'it lacks'),
    ('{"generators": {"se": {}}}', "it lacks 'tensor'"),
    (json.dumps(PLAN).replace('800000000000.0', '0'), 'se has a number'),
    (json.dumps(PLAN).replace('"slots"', '"slot"'), "it lacks 'slots'"),
  ],
)
def test_another_file_is_refused(tmp_path, text, why):
  path = tmp_path / 'plan.json'
  if text is not None:
    path.write_text(text)
  with pytest.raises(ConfigError, match=r'report\.tpu_plan.*') as error:
    tpu_plan.read(config(path))
  assert why in str(error.value) and 'wcse plan' in str(error.value)
