"""SE at higher temperatures: does WC's advantage survive?

What the paper's reviewers asked for (arXiv 2408.16737): SE's samples are less
diverse at one temperature; here SE is sampled at 0.7, 1.0 and 1.3.

Section:   none; its reviewers asked for it
Command:   python launch/main.py --config=configs/temperature_sweep.py
Time:      at `nano`, within configs/paper.py, about 9 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, at the high budget: SE at 1.0 and
           1.3 covers 3.8 and 9.9 points less than at 0.7; WC's students against
           SE's: -1.5 [-2.8, -0.3], -1.3 [-2.6, -0.1], -1.1 [-2.4, +0.2]
           points (docs/RESULTS.md).
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
