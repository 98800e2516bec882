"""Training on everything sampled: what does the verifier add?

The paper's ablation (arXiv 2408.16737) without a verifier: all are kept,
right or wrong. Each arm is compared with itself, verified; and with as many
samples as are right, chosen at random (`=random`): that is what the verifier's
choice adds, without the number of examples.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/no_verifier.py
Time:      at `nano`, within configs/paper.py, about 18 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests: students of all samples against
           those of the right ones, at the high budget: WC -0.9 [-2.2, +0.4],
           SE -0.9 [-2.1, +0.3] points; unverified, WC against SE: -1.5
           [-2.8, -0.2] (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'no_verifier',
  {
    'arms': (
      SE,
      WC,
      SE.unverified(),
      WC.unverified(),
      SE.as_many_random(),
      WC.as_many_random(),
    )
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
