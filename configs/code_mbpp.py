"""Code: students trained on solutions of MBPP, tested on HumanEval.

The paper's appendix (arXiv 2408.16737), where what comes out depends on the
context; its numbers could not be read here. Solutions are kept if they pass
their problem's three tests, in a sandbox. Students are tested on MBPP's own
test problems, too. MBPP has 374 training problems, so they see each more often
than one of GSM8K, at as many steps [u: not verified]; validation chooses when
to stop. The paper is thought to use the sanitized 427 instead [u: not
verified], 324 to sample, 100 to validate: --config.task.name=mbpp_sanitized.

There is no nano scale, as its models know arithmetic alone.

Section:   appendix [u]
Command:   python launch/main.py --config=configs/code_mbpp.py
Time:      `launch/plan.py` tells it for a TPU slice.
Result:    not run to its end yet.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'code_mbpp',
  {
    'arms': (SE, WC),
    'task.name': 'mbpp',
    'evaluate.transfer': ('humaneval',),
  },
  at=['gemma2', *scales.LATER],
)


def get_config(scale: str = 'gemma2') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
