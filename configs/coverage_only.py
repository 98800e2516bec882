"""coverage@k of two models, with intervals: samples alone, no student.

At `gemma2_math` on the 500 problems of MATH-500, which are MATH's test split
here: nobody learns from them. Name other models in --config.wc and --config.se,
other problems in --config.task.

Section:   none: its measures of data, without the students
Command:   python launch/main.py --config=configs/coverage_only.py
Time:      at the scale `tiny`, half a minute on two CPU cores.
Result:    the report's first table; there is one of `tiny` in
           docs/howto/own_problems.md.
"""

import ml_collections

from wcse_jax.experiment import config, scales
from wcse_jax.experiment.config import SE, WC_NUMBER_MATCHED

_NONE = {'task.num_validation': 0, 'task.num_test': 0}  # nobody is tested
_TEST = {'task.split': 'test', 'task.num_train': None}
SCALES = scales.variants(
  'coverage_only',
  {'arms': (SE, WC_NUMBER_MATCHED), 'student': '', **_NONE},
  gemma2=_TEST,
)


def get_config(scale: str = 'nano') -> ml_collections.ConfigDict:
  """Returns the experiment at one of SCALES."""
  return config.to_config_dict(config.at_scale(SCALES, scale))
