"""Weak-to-strong improvement: the strong model, finetuned on WC's samples.

The paper's row W2S-I (arXiv 2408.16737): the student is SE itself. Gemma2-27B,
finetuned on Gemma2-9B's compute-matched samples, gains 1.2% (low) and 1.5%
(high) on GSM8K, 5.8% and 4.3% on MATH, relative, over its own samples.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/weak_to_strong.py
Time:      at `nano`, within configs/paper.py, about 27 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests: SE solves 41.8% before; of its own
           samples 36.6% (low) and 39.3% (high), of WC's 34.6% and 35.2%
           (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales

SCALES = scales.variants(
  'weak_to_strong',
  roles={'student': 'se'},
  gemma2=scales.LARGE_STUDENT,
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
