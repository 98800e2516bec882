"""Is it repetition? SE and WC data that are shown as often as each other.

At equal cost there are more WC examples than SE ones, and the paper (arXiv
2408.16737) shows its students as many of both: so SE data are repeated more
often (MATH, high budget: 7.8 times, WC data 3.2). It does not control that.
Here SE also stops at WC's number of epochs (`se%wc_compute_matched`), and WC
also goes on for SE's (`wc_compute_matched%se`).

Section:   none: nobody has asked it there
Command:   python launch/main.py --config=configs/repetition.py
Time:      at `nano`, within configs/paper.py, about 15 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC against SE at the high
           budget: -1.5 [-2.8, -0.3] points as it is, +2.5 [+1.2, +3.8] both at
           WC's epochs, +0.2 [-1.0, +1.5] both at SE's (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'repetition',
  {'arms': (SE, WC, SE.in_epochs_of(WC), WC.in_epochs_of(SE))},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
