"""Matched by price: 35 samples from a cheap API for one from a dear one.

The paper's experiment behind APIs (arXiv 2408.16737): Gemini 1.5 Pro is SE,
Gemini 1.5 Flash WC; in August 2024 a token of Pro cost 35 times as much. On
MATH, at the one budget of 1 Pro sample, students solve 27.2% with it, 32.4 with
5 Flash samples (0.15 of the price: the arm `wc_price_matched^5`) and 35.8 with
35 (Gemma-7B); 38.8, 42.6, 44.4 (9B); 45.8, 48.4, 50.8 (27B: the scales
gemma2_9b and gemma2_27b). Unverified (`=all`), 35 are worse than 5 for the two
smaller ones.

At the scale gemma2 the samples come from files (docs/howto/own_samples.md):
175 of Flash and 5 of Pro for each problem. At nano scale the ladder stands in,
at made-up prices in the paper's ratio (`wcse_jax.experiment.prices.NANO`).

Section:   6 [u]
Command:   python launch/main.py --config=configs/price_matched.py
Time:      at `nano`, within configs/paper.py, about 41 minutes, two busy cores.
Result:    at `nano`, one seed, 3,000 tests, WC against SE: coverage +31.9 (low)
           and +32.6 (high) points, students -3.9 [-5.2, -2.6] and -3.4 [-4.7,
           -2.2], with 5 samples -3.9 and -1.4 (docs/RESULTS.md).
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC_PRICE_MATCHED

_ARMS = WC_PRICE_MATCHED, WC_PRICE_MATCHED.first(5)
SCALES = scales.variants(
  'price_matched',
  {
    'arms': (SE, *_ARMS, *(arm.unverified() for arm in _ARMS)),
    'budget.high': 5,
  },
  at=[*scales.BASES, *scales.STUDENTS],
  tiny={'finetune.steps_high': 30},
  gemma2={
    'task.name': 'math',
    'wc': 'gemini-1.5-flash',
    'se': 'gemini-1.5-pro',
    'external.wc': 'gemini-1.5-flash.jsonl',
    'external.se': 'gemini-1.5-pro.jsonl',
    'finetune.steps_high': 12_000,
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
