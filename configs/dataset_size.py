"""Fewer problems to train on: does WC's advantage grow?

The paper's ablation (arXiv 2408.16737) with 500 problems instead of 7,500:
26.2 against 23.2% solved (Gemma-7B, +12.9%), 37.4 against 35.6% (9B, +5.1%)
and 44.8 against 40.2% (27B, +11.4%) on MATH at the high budget, WC against SE.
The scales gemma2_9b and gemma2_27b have those students. At nano scale: 375
problems, a quarter.

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/dataset_size.py
Time:      at `nano`, within configs/paper.py, about 6 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC against SE: coverage +7.7
           [+3.2, +12.3] (low) and +7.2 [+2.4, +12.0] points (high), students
           +2.8 [+1.5, +4.1] and +1.8 [+0.4, +3.1]; but all of them fall below
           the base student: the steps are not calibrated for so few problems
           (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'dataset_size',
  {'arms': (SE, WC)},
  at=[*scales.BASES, *scales.STUDENTS],
  tiny={'task.num_train': 15},
  nano={'task.num_train': 375},
  nano_full={'task.num_train': 500},
  gemma2={'task.num_train': 500},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
