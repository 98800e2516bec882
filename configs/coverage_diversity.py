"""What of WC's data helps: its coverage, or its diversity?

The paper's ablation (arXiv 2408.16737): 30 samples per problem (high coverage,
high diversity) are better than 1 correct one kept of the 30 (high coverage, low
diversity), and that than 1 sample (low, low; the arm `wc_compute_matched^1`).
Each arm here shows its students as many examples, whatever its data.

Section:   5.3 [u]
Command:   python launch/main.py --config=configs/coverage_diversity.py
Result:    students of all right samples against those of one of them: -0.7
           [-2.7, +1.3] (low) and +2.0 [-1.0, +5.3] (high) points.
"""

import ml_collections

from wcse_jax import config, scales

SCALES = scales.variants(
  'coverage_diversity',
  {
    'arms': (
      'se',
      'wc_compute_matched',
      'wc_compute_matched~1',
      'wc_compute_matched^1',
    )
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
