"""Training on everything sampled: what does the verifier add?

The paper's ablation (arXiv 2408.16737) without a verifier: all are kept,
right or wrong. Each arm is compared with itself, verified.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/no_verifier.py
Result:    not run to its end yet.
"""

import ml_collections

from wcse_jax import config, scales

SCALES = scales.variants(
  'no_verifier',
  {'arms': ('se', 'wc_compute_matched', 'se=all', 'wc_compute_matched=all')},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
