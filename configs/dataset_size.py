"""Fewer problems to train on: does WC's advantage grow?

The paper's ablation (arXiv 2408.16737) with 500 problems instead of 7,500:
relative gains of WC over SE of 12.9% (Gemma-7B), 11.4% (9B) and 5.1% (27B). At
nano scale: 375 problems, a quarter.

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/dataset_size.py
Time:      about 4 minutes on two CPU cores.
Result:    coverage +4.0 [-8.0, +16.1] (low) and +9.3 [-1.3, +21.2] (high)
           points; students, 3 seeds: +0.4 [-3.0, +3.9] and +1.7 [-0.3, +3.7].
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'dataset_size',
  {'arms': (SE, WC)},
  tiny={'task.num_train': 15},
  nano={'task.num_train': 375},
  nano_full={'task.num_train': 500},
  gemma2={'task.num_train': 500},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
