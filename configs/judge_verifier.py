"""No labels, but a judge: a language model says which solutions are right.

The paper's ablation (arXiv 2408.16737) for problems without gold answers. The
judge is SE's own model; its weights, `checkpoints.judge`, may be others. Each
arm is compared with itself, verified by gold answers.

There is no nano scale, for want of a judge: asked about 96 solutions by
`nano_se`, Gemma 3 270M said Yes to 15 of the 39 right and to 53 of the 57 wrong
ones, and the nano models say neither Yes nor No.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/judge_verifier.py
Time:      `launch/plan.py` tells it for a TPU slice.
Result:    not run to its end yet.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'judge_verifier',
  {
    'arms': (
      SE,
      WC,
      SE.judged(),
      WC.judged(),
    ),
  },
  at=scales.LARGE,
  roles={'judge': 'se'},
)


def get_config(scale: str = 'gemma2') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
