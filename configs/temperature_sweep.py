"""SE at higher temperatures: does WC's advantage survive?

What the paper's reviewers asked for (arXiv 2408.16737): SE's samples are less
diverse at one temperature; here SE is sampled at 0.7, 1.0 and 1.3.

Section:   none; its reviewers asked for it
Command:   python launch/main.py --config=configs/temperature_sweep.py
Time:      at the scale `nano` as it was, about 7 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           at the high budget, coverage 62%, 59%, 54% of SE at 0.7, 1.0, 1.3,
           and 68% of WC; WC's students against SE's, 3 seeds: -0.4 [-2.1,
           +1.2], +0.6 [-1.2, +2.3], +0.4 [-5.1, +6.0] points.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'temperature_sweep',
  {'arms': (SE, SE.at(1.0), SE.at(1.3), WC)},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
