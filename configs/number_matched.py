"""As many samples from WC as from SE: the usual, unfair comparison.

The paper's baseline (arXiv 2408.16737): matched by number instead of cost, SE
data wins: at the low budget, 1 sample each, by 0.8 to 1.2 points on MATH and 0
to 1.1 on GSM8K.

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/number_matched.py
Time:      at the scale `nano` as it was, about 4 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           coverage 28% against 33% (low), 55% against 62% (high), WC against
           SE; students, 3 seeds: +0.2 [-4.8, +5.3] and -0.4 [-2.4, +1.5]
           points.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC_NUMBER_MATCHED

SCALES = scales.variants('number_matched', {'arms': (SE, WC_NUMBER_MATCHED)})


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
