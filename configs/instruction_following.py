"""Instructions that can be checked: does WC's advantage go beyond reasoning?

The paper's extension (arXiv 2408.16737) to IFEval (Zhou et al. 2023, arXiv
2311.07911) [u: not verified, nor is its recipe]. A response is kept if it
follows all of its prompt's instructions. IFEval has 541 prompts and no split;
ours takes 300 to train on. Responses are long, so rows are, too.

There is no nano scale, as its models know arithmetic alone.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/instruction_following.py
Time:      `launch/plan.py --prompt_tokens=512` tells it for a TPU slice.
Result:    not run to its end yet.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'instruction_following',
  {
    'arms': (SE, WC),
    'task.name': 'ifeval',
    'sampling.max_new_tokens': 1_280,
    'finetune.row_tokens': 2_048,
  },
  at=['gemma2', *scales.LATER],
)


def get_config(scale: str = 'gemma2') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
