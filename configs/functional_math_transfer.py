"""Students trained on MATH, tested on the same problems with other numbers.

The paper's test of transfer (arXiv 2408.16737) on Functional MATH (Srivastava
et al. 2024, arXiv 2402.19450), where a problem counts only if it is solved in
every snapshot. Gemma-7B, trained on WC's data, gains 5.8% to 6.5% over SE's,
relative; Gemma2-9B 2.5% to 4.5%; Gemma2-27B about nothing. The other students:
--config.student=gemma2_9b or gemma2_27b, --config.finetune.batch_size=32,
--config.finetune.steps_low=600 and steps_high=6000.

There is no nano scale, as its models know arithmetic alone.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/functional_math_transfer.py
Time:      `launch/plan.py` tells it for a TPU slice.
Result:    not run to its end yet.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'functional_math_transfer',
  {
    'arms': (SE, WC),
    'task.name': 'math',
    'evaluate.transfer': ('functional_math',),
  },
  at=['gemma2', *scales.STUDENTS, *scales.LATER],
)


def get_config(scale: str = 'gemma2') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
