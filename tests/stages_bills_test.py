"""What a run has cost, told in a line."""

import json

import pytest

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.sampling.purchases import Cost, Limit, Purchases
from wcse_jax.stages import bills
from wcse_jax.stages.layout import Run

SECONDS = {'prepare': 60.0, 'sample': 120.0, 'report': 180.0}


@pytest.fixture
def run(tmp_path):
  """A run whose SE is priced and whose WC is not, each with a purchase."""
  prices = tmp_path / 'prices.json'
  price = {'usd_per_million_output_tokens': 9, 'date': '2026-01-01'}
  prices.write_text(json.dumps([{'model': 'large', **price}]))
  for pool, cost in (('se@1.0', Cost(40, 0.13)), ('wc', Cost(200))):
    log = Purchases(tmp_path / 'sample' / pool / '_purchases.jsonl')
    log.begin(Limit())
    log.receive(log.reserve([('p', 0)], cost, 1), {}, cost)
  fields = {'se': 'large', 'wc': 'small', 'prices': str(prices)}
  config = scales.replace(config_lib.Config(arms=('se',)), fields)
  return Run(config, store.Store(tmp_path))


def test_dollars_are_of_models_with_a_price(run):
  assert bills.closing(run, SECONDS) == (
    'this run: 6.0 min, $0.13 at large (prices of 2026-01-01), 200 tokens of'
    ' small; ten times as much: 60 min, $1.30, 2,000 tokens'
  )


def test_without_a_server_time_is_all_that_is_known(tmp_path):
  run = Run(config_lib.Config(), store.Store(tmp_path))
  assert bills.closing(run, SECONDS) == (
    'this run: 6.0 min; ten times as much: 60 min'
  )
