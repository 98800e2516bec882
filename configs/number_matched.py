"""As many samples from WC as from SE: the usual, unfair comparison.

The paper's baseline (arXiv 2408.16737): matched by number instead of cost, SE
data wins: at the low budget, 1 sample each, by 0.8 to 1.2 points on MATH and 0
to 1.1 on GSM8K.

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/number_matched.py
Time:      at `nano`, within configs/paper.py, about 9 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC against SE: coverage -6.3
           [-8.5, -4.2] (low) and -7.4 [-9.5, -5.3] points (high), students -1.2
           [-2.5, +0.1] and -1.7 [-2.9, -0.5] (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC_NUMBER_MATCHED

SCALES = scales.variants('number_matched', {'arms': (SE, WC_NUMBER_MATCHED)})


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
