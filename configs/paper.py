"""The whole paper: every setting, on pools and students that are shared.

Each experiment runs in a folder of its own; what two of them share (a pool, a
student) is computed once. One page shows all of them. What is set here is set
in each, e.g. --config.finetune.num_seeds=3.

Command:   python launch/main.py --config=configs/paper.py
Time:      3.3 hours with --config.finetune.num_seeds=3 on two CPU cores that
           were busy with other things, too; about 1.3 with one seed.
Result:    docs/RESULTS.md
"""

import ml_collections

from wcse_jax.experiment import config, scales

_EVERYWHERE = (
  'wc_distill',
  'number_matched',
  'price_matched',
  'coverage_diversity',
  'mixed_data',
  'dataset_size',
  'no_verifier',
  'repetition',
  'grid_overlap',
  'temperature_sweep',
  'very_high_budget',
  'wc_self_improve',
  'weak_to_strong',
)
SCALES = scales.variants(
  'paper',
  {'experiments': _EVERYWHERE},
  gemma2={
    'experiments': (
      *_EVERYWHERE,
      'functional_math_transfer',
      'judge_verifier',
      'code_mbpp',
      'instruction_following',
    )
  },
  gemma2_math={'experiments': (*_EVERYWHERE, 'judge_verifier')},
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiments at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
