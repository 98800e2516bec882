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

NANO = pathlib.Path(__file__).parents[1] / 'wcse_jax' / 'models' / 'nano'
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
