"""Is it repetition? SE and WC data that are shown as often as each other.

At equal cost there are more WC examples than SE ones, and the paper (arXiv
2408.16737) shows its students as many of both: so SE data are repeated more
often (MATH, high budget: 7.8 times, WC data 3.2). It does not control that.
Here SE also stops at WC's number of epochs (`se%wc_compute_matched`), and WC
also goes on for SE's (`wc_compute_matched%se`).

Section:   none: nobody has asked it there
Command:   python launch/main.py --config=configs/repetition.py
Time:      about 6 minutes on two CPU cores.
Result:    not run to its end yet.
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
