"""Weak-to-strong improvement: the strong model, finetuned on WC's samples.

The paper's row W2S-I (arXiv 2408.16737): the student is SE itself. Gemma2-27B,
finetuned on Gemma2-9B's compute-matched samples, gains 1.2% (low) and 1.5%
(high) on GSM8K, 5.8% and 4.3% on MATH, relative, over its own samples.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/weak_to_strong.py
Time:      at the scale `nano` as it was, about 10 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           students, 3 seeds, WC's samples against SE's own: -0.6 [-5.7, +4.6]
           (low) and +0.6 [-1.4, +2.5] (high) points; against themselves before:
           -0.4 [-3.1, +2.2] and -0.6 [-3.3, +2.2].
"""

import ml_collections

from wcse_jax.experiment import config, scales

SCALES = scales.variants(
  'weak_to_strong',
  nano={'student': 'nano_se'},
  nano_full={'student': 'nano_se'},
  gemma2={'student': 'gemma2_27b', **scales.LARGE_STUDENT},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
