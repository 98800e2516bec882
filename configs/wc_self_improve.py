"""Self-improvement: the weak model, finetuned on its own samples, or on SE's.

The paper's row WC-SI (arXiv 2408.16737): the student is WC itself. Gemma2-9B,
finetuned on its own compute-matched samples, gains 1.5% (low) and about 0%
(high) on GSM8K, 3.8% and 2% on MATH, relative, over Gemma2-27B's samples.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/wc_self_improve.py
Time:      at `nano`, within configs/paper.py, about 12 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC's samples against SE's:
           students -0.9 [-2.1, +0.4] (low) and -0.7 [-2.0, +0.5] points (high);
           neither teaches WC more than it knew (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales

SCALES = scales.variants(
  'wc_self_improve',
  roles={'student': 'wc'},
  gemma2=scales.LARGE_STUDENT,
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
