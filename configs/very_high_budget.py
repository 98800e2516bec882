"""Five times the paper's high budget: does WC still lead?

What the paper's reviewers asked for (arXiv 2408.16737): up to 50 samples per
problem from SE, 150 from WC. Students see as many more examples.

Section:   none; its reviewers asked for it
Command:   python launch/main.py --config=configs/very_high_budget.py
Time:      at `nano`, within configs/paper.py, 37 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC against SE: coverage +4.3 (low)
           and +4.9 (high) points, students +0.3 [-1.0, +1.6] and -3.0 [-4.2,
           -1.8] points (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'very_high_budget',
  {
    'arms': (SE, WC),
    'budget.low': 10,
    'budget.high': 50,
  },
  tiny={'finetune.steps_low': 18, 'finetune.steps_high': 90},
  nano={'finetune.steps_low': 300, 'finetune.steps_high': 600},
  nano_full={'finetune.steps_low': 600, 'finetune.steps_high': 1_200},
  gemma2={'finetune.steps_low': 24_000, 'finetune.steps_high': 120_000},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
