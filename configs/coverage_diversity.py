"""What of WC's data helps: its coverage, or its diversity?

The paper's ablation (arXiv 2408.16737): 30 samples per problem (high coverage,
high diversity) are better than 1 correct one kept of the 30 (high coverage, low
diversity), and that than 1 sample (low, low), which is the number-matched data
of the low budget, as its students see them: on MATH 32.8, 29.0 and 25.4%
(Gemma-7B), 40.0, 37.0, 35.6 (9B) and 47.6, 44.6, 40.4 (27B).

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/coverage_diversity.py
Time:      at `nano`, within configs/paper.py, about 8 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, at the high budget: students
           of all of WC's right solutions against those of 1 of each problem:
           -1.6 [-2.9, -0.2] points, and these against SE's: +0.0 [-1.4, +1.3]
           (docs/RESULTS.md).
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
