"""What the confirmatory run was made with is what is here.

Whoever changes it says so in the card, and lists the runs made before: a recipe
that follows from its results would confirm nothing.
"""

import hashlib
import pathlib
import re

from wcse_jax import store
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment import scales
from wcse_jax.report import numbers
from wcse_jax.results import types

ROOT = pathlib.Path(__file__).parents[1]
NANO = ROOT / 'wcse_jax' / 'models' / 'nano'
ROWS = dict(
  re.findall(
    r'\| (.+) \| ([0-9a-f]{64}) \|', (NANO / 'CARD.md').read_text('utf-8')
  )
)


def test_the_ladder_is_the_frozen_one():
  files = {path.name for path in NANO.iterdir()} - {'CARD.md', 'LICENSE'}
  assert {name.strip('`') for name in ROWS if name.startswith('`')} == files
  for name in files:
    digest = hashlib.sha256((NANO / name).read_bytes()).hexdigest()
    assert ROWS[f'`{name}`'] == digest, name


def test_the_config_is_the_frozen_one():
  (own,) = (of for name, of in ROWS.items() if name.startswith('the config'))
  config = scales.replace(
    scales.variants('wc_distill')['nano_full'],
    {'seed': 1, 'task.skip_test': 10_000},
  )
  assert store.fingerprint(config_lib.saved(config)) == own


def test_its_results_are_of_the_frozen_config_and_the_card_says_them():
  results = types.read(ROOT / 'docs/results/confirmatory/report/results.json')
  (made,) = results.values()
  (own,) = (of for name, of in ROWS.items() if name.startswith('the config'))
  config = config_lib.restore(made.run.config)
  assert store.fingerprint(config_lib.saved(config)) == own
  primary = made.comparison('pass_at_1', 'wc_compute_matched-high', 'se-high')
  assert primary and primary.primary
  gain = numbers.interval(primary.absolute, sign=True)
  value, low, high = gain
  said = f'{value.strip("+-")} points\n[{low}, {high}]'
  assert 'worse, by ' + said in (NANO / 'CARD.md').read_text()
  assert str(gain) in (ROOT / 'docs/RESULTS.md').read_text()
  taught = made.comparison('pass_at_1', 'reference-high', 'base')
  assert taught and taught.absolute.value >= 0.08
  assert primary.mde_of_data <= 0.015
  base = made.students['base'].pass_at_1.value
  assert 0.15 <= base <= 0.35
  for student in made.students.values():
    for seed in student.by_seed:
      assert all(right > base / 2 for _, right in seed.validation)
