"""Half of the budget on SE, half on WC, against all of it on one.

The paper's ablation (arXiv 2408.16737) of mixing data under one budget. The low
budget is 2 SE samples here: half of 1 is none.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/mixed_data.py
Time:      at the scale `nano` as it was, about 5 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           coverage 48% (SE + WC), 47% (WC), 41% (SE) at the low budget, 68%,
           68%, 62% at the high one; students of the mix against SE's, 3 seeds:
           -0.7 [-4.5, +3.1] and -1.0 [-3.5, +1.5] points.
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
