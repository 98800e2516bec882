"""Knowledge distillation: a student finetuned on WC data, and on SE data.

The paper's row (arXiv 2408.16737, student-LM distillation, GSM8K): WC is
Gemma2-9B, SE is Gemma2-27B, so 3 WC samples cost what 1 SE sample costs; at
the low budget SE gives 1 sample per problem, at the high one 10. Gemma-7B,
finetuned on each, gains 4.2% (low) and 1.3% (high) in pass@1, relative, from
the compute-matched WC data over the SE data.

Scales, chosen by `--config=configs/wc_distill.py:SCALE`:

  tiny       The shipped ladder on a few problems: shows that all works, and
             decides nothing.
  nano       The same ladder, with a recipe that teaches: two CPU cores.
  nano_full  The same with the paper's budgets, more steps, problems and seeds.
  gemma2     The paper's models and steps on GSM8K: TPU slices;
             gemma2_math on MATH.
  gemma3     Gemma 3 4B against 12B on MATH, 4B the student; gemma3_large 12B
             against 27B.
  gemma4     Gemma 4 E4B, and the mixture of experts 26B-A4B, against 31B.

Section:   5.2 [u]
Command:   python launch/main.py --config=configs/wc_distill.py
Time:      8 minutes on two CPU cores, with --replicas=auto.
Result:    coverage 41% against 36% (low), 55% against 51% (high), WC against
           SE; students, one seed: -1.5 [-2.6, -0.5] and -1.4 [-2.4, -0.4]
           points, human-written data +7.0 against the base student. nano_full
           (1 h 45 min), four seeds with samples of their own: -0.8
           [-1.7, +0.1] and -2.3 [-3.1, -1.4], human-written data +12.1.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import REFERENCE, SE, WC

SCALES = scales.variants(
  'wc_distill',
  gemma4={
    'teachers.a4b.model': 'gemma4_26b_a4b',
    'arms': (SE, WC, 'a4b_compute_matched', REFERENCE),
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
