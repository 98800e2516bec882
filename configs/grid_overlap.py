"""SE 1, 3, 9 against WC 3, 9, 27: number- and compute-matching in one grid.

What the paper's reviewers asked for (arXiv 2408.16737): 3 and 9 samples are
drawn from both models, so each is compared with as many from the other and with
what costs as much; of the data all nine pairs are compared.

Section:   none; its reviewers asked for it
Command:   python launch/main.py --config=configs/grid_overlap.py
Time:      at `nano`, within configs/paper.py, about 22 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests: coverage 36%, 48%, 60% of SE's 1,
           3, 9 samples and 41%, 52%, 64% of WC's 3, 9, 27; students at equal
           cost -1.4 [-2.7, -0.1], -1.3 [-2.5, +0.0], -1.4 [-2.6, -0.1]
           points (docs/RESULTS.md).
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
