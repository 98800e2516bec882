"""What of WC's data helps: its coverage, or its diversity?

The paper's ablation (arXiv 2408.16737): 30 samples per problem (high coverage,
high diversity) are better than 1 correct one kept of the 30 (high coverage, low
diversity), and that than 1 sample (low, low), which is the number-matched data
of the low budget, as its students see them: on MATH 32.8, 29.0 and 25.4%
(Gemma-7B), 40.0, 37.0, 35.6 (9B) and 47.6, 44.6, 40.4 (27B).

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/coverage_diversity.py
Time:      at the scale `nano` as it was, about 6 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           at the high budget, students of 30 samples against those of 1 right
           one of 30: +0.8 [-1.1, +2.6] points, and these against those of 1
           sample: -0.1 [-1.8, +1.5]; 3 seeds.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC, WC_NUMBER_MATCHED

SCALES = scales.variants(
  'coverage_diversity',
  {
    'arms': (
      SE,
      WC,
      WC.kept(1),
      WC_NUMBER_MATCHED,
    )
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
