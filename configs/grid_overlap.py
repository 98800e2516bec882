"""SE 1, 3, 9 against WC 3, 9, 27: number- and compute-matching in one grid.

What the paper's reviewers asked for (arXiv 2408.16737): 3 and 9 samples are
drawn from both models, so each is compared with as many from the other and with
what costs as much; of the data all nine pairs are compared.

Section:   none; its reviewers asked for it
Command:   python launch/main.py --config=configs/grid_overlap.py
Time:      at the scale `nano` as it was, about 7 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           coverage 33%, 46%, 61% of SE's 1, 3, 9 samples and 41%, 54%, 66% of
           WC's 3, 9, 27; students at equal cost, 3 seeds: -0.4 [-1.9, +1.0],
           +0.7 [-0.6, +1.9], +0.9 [-0.9, +2.7] points.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC, WC_NUMBER_MATCHED

SCALES = scales.variants(
  'grid_overlap',
  {
    'arms': (SE, WC, WC_NUMBER_MATCHED),
    'budget.high': 9,
    'budget.more': (3,),
    'report.across_budgets': True,
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
