"""Self-improvement: the weak model, finetuned on its own samples, or on SE's.

The paper's row WC-SI (arXiv 2408.16737): the student is WC itself. Gemma2-9B,
finetuned on its own compute-matched samples, gains 1.5% (low) and about 0%
(high) on GSM8K, 3.8% and 2% on MATH, relative, over Gemma2-27B's samples.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/wc_self_improve.py
Time:      at the scale `nano` as it was, about 6 minutes on two CPU cores.
Result:    at the scale `nano` as it was (300 problems, rate 1e-4):
           students, 3 seeds, WC's samples against SE's: -0.1 [-3.2, +3.0] (low)
           and -0.1 [-2.6, +2.4] (high) points; against themselves before, with
           their own samples: +2.4 [+0.1, +4.8] and +2.3 [-0.7, +5.3].
"""

import ml_collections

from wcse_jax.experiment import config, scales

SCALES = scales.variants(
  'wc_self_improve',
  nano={'student': 'nano_wc'},
  nano_full={'student': 'nano_wc'},
  gemma2={'student': 'gemma2_9b', **scales.LARGE_STUDENT},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
