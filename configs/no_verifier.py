"""Training on everything sampled: what does the verifier add?

The paper's ablation (arXiv 2408.16737) without a verifier: all are kept,
right or wrong. Each arm is compared with itself, verified; and with as many
samples as are right, chosen at random (`=random`): that is what the verifier's
choice adds, without the number of examples.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/no_verifier.py
Time:      at the scale `nano` as it was, about 6 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           students of all samples against those of the right ones, at the high
           budget, 3 seeds: WC -0.1 [-2.0, +1.8], SE -0.4 [-5.5, +4.6] points;
           unverified, WC against SE: -0.1 [-1.5, +1.3].
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
