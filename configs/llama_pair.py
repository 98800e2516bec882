"""Llama 8B against 70B: models from elsewhere, whose size is known.

The last version of the paper (arXiv 2408.16737) has such a pair, beside Gemma2:
8.75 samples of the small one cost what one of the large one does. Neither runs
here: at `gemma2` and `gemma2_math` their samples are files
(docs/howto/own_samples.md), or come from servers
(`--config.external.wc=http://localhost:8000/v1`, docs/howto/own_server.md), and
`teachers.*.params` says how large they are, by which budgets match. At the nano
scales the shipped ladder stands in. At the low budget, 1 sample of the large
model pays for 8 of the small one, which cost 8.6% less: reports call that
unmatched.

Section:   of the last version [u]
Command:   python launch/main.py --config=configs/llama_pair.py:gemma2_math
Time:      that of the student, as for configs/wc_distill.py.
Result:    none yet; nothing is claimed of Llama.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC

SCALES = scales.variants(
  'llama_pair',
  {'arms': (SE, WC)},
  at=('tiny', 'nano', 'gemma2', 'gemma2_math'),
  gemma2={
    'wc': 'llama-3-8b',
    'se': 'llama-3-70b',
    'external.wc': 'llama-3-8b.jsonl',
    'external.se': 'llama-3-70b.jsonl',
    'teachers.wc.params': 8e9,
    'teachers.se.params': 70e9,
  },
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
