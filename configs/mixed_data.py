"""Half of the budget on SE, half on WC, against all of it on one.

The paper's ablation (arXiv 2408.16737) of mixing data under one budget. The low
budget is 2 SE samples here: half of 1 is none.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/mixed_data.py
Time:      at `nano`, within configs/paper.py, about 9 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, half of each against SE:
           coverage +4.0 [+2.5, +5.6] (low) and +2.7 [+1.1, +4.4] points (high),
           students +0.8 [-0.4, +2.0] and -1.0 [-2.2, +0.1] (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.arms import mix
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'mixed_data',
  {
    'arms': (SE, WC, mix(SE, WC)),
    'budget.low': 2,
  },
  tiny={'finetune.steps_low': 12},
  nano={'finetune.steps_low': 200},
  nano_full={'finetune.steps_low': 300},
  gemma2={'finetune.steps_low': 4_800},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
