"""The sizes at which experiments run: bases, and what a config file changes.

tiny         The shipped ladder on 60 arithmetic problems, within a minute or
             two on two CPU cores: shows that all works. It decides nothing: its
             students see a handful of examples, at a rate at which they learn
             nothing, and 60 test problems show no difference.
nano         The same ladder, with a recipe that teaches, and enough test
             problems to tell students apart: ten minutes on two CPU cores.
nano_full    The same, with the paper's budgets, longer, k up to 16, and four
             seeds that learn from samples of their own: 1 h 45 min. Its size
             is that of the confirmatory run (wcse_jax/models/nano/CARD.md).
gemma2       The paper's models and steps on GSM8K: TPU slices.
gemma2_math  The same on MATH.
gemma2_9b    The same with Gemma2-9B, or
gemma2_27b   Gemma2-27B as the student: of experiments that say so.
gemma3       Gemma 3 4B against 12B, the ratio of the paper, on MATH; 4B is the
             student, too.
gemma3_large Gemma 3 12B against 27B, so 2.25 to 1.
gemma4       Gemma 4 E4B against 31B, E4B the student, P counted as active
             parameters (`budget.params`): 6 to 1. In wc_distill the mixture
             26B-A4B is a third teacher, 8 to 1.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import REFERENCE, SE, WC, Config

_ALL = {f'task.num_{split}': None for split in ('train', 'validation', 'test')}
_UP_TO_16 = {'evaluate.num_samples': 16, 'evaluate.ks': (1, 4, 8, 16)}

# The paper's recipe for students as large as Gemma2-9B and 27B; that for
# Gemma-7B, the base below, shows them as many examples.
LARGE_STUDENT = {
  'finetune.batch_size': 32,
  'finetune.steps_low': 600,
  'finetune.steps_high': 6_000,
}

BASES: dict[str, dict[str, Any]] = {
  'tiny': {
    'scale': 'tiny',
    'task.num_train': 60,
    'task.num_validation': 20,
    'task.num_test': 60,
    'budget.high': 3,
    'finetune.steps_low': 6,
    'finetune.steps_high': 18,
    'finetune.num_checkpoints': 3,
    'evaluate.num_samples': 4,
    'evaluate.ks': (1, 4),
  },
  # Tuned by launch/calibrate_nano.py, which sees human-written data alone; its
  # numbers are in wcse_jax/models/nano/CARD.md.
  'nano': {
    'scale': 'nano',
    'arms': (SE, WC, REFERENCE),
    'task.num_train': 1_500,
    'task.num_validation': 500,
    'task.num_test': 4_500,
    'budget.high': 4,
    'finetune.batch_size': 22,
    'finetune.steps_low': 100,
    'finetune.steps_high': 300,
    'finetune.learning_rates': (1e-3,),
    'finetune.num_checkpoints': 5,
    'evaluate.num_samples': 4,
    'evaluate.num_sampled': 300,
    'evaluate.ks': (1, 4),
  },
  'nano_full': {
    'scale': 'nano_full',
    **_UP_TO_16,
    'arms': (SE, WC, REFERENCE),
    'task.num_train': 2_000,
    'task.num_validation': 2_000,
    'task.num_test': 10_000,
    'budget.pool_per_seed': True,
    'finetune.batch_size': 22,
    'finetune.steps_low': 200,
    'finetune.steps_high': 600,
    'finetune.learning_rates': (1e-3,),
    'finetune.num_checkpoints': 5,
    'finetune.num_seeds': 4,
    'evaluate.num_sampled': 500,
  },
  'gemma2': {
    'scale': 'gemma2',
    'wc': 'gemma2_9b',
    'se': 'gemma2_27b',
    'student': 'gemma_7b',
    'task.name': 'gsm8k',
    **_ALL,
    **_UP_TO_16,
    'sampling.max_new_tokens': 512,
    'sampling.slots': 128,
    'sampling.dtype': 'bfloat16',
    'sampling.exact': False,
    'finetune.batch_size': 8,
    'finetune.steps_low': 2_400,
    'finetune.steps_high': 24_000,
    'finetune.learning_rates': (1e-7, 5e-7, 1e-6),
    'finetune.layout.remat': 'dots',
    'finetune.row_tokens': 1_024,
    'finetune.dtype': 'bfloat16',
  },
}
BASES['gemma2_math'] = {
  **BASES['gemma2'],
  'scale': 'gemma2_math',
  'task.name': 'math',
}


# Later models behind the paper's question. Where the paper's recipe depends on
# the student's size, they have that of Gemma-7B.
BASES['gemma3'] = {
  **BASES['gemma2_math'],
  'scale': 'gemma3',
  'wc': 'gemma3_4b',
  'se': 'gemma3_12b',
  'student': 'gemma3_4b',
}
BASES['gemma3_large'] = {
  **BASES['gemma3'],
  'scale': 'gemma3_large',
  'wc': 'gemma3_12b',
  'se': 'gemma3_27b',
}

BASES['gemma4'] = {
  **BASES['gemma3'],
  'scale': 'gemma4',
  'wc': 'gemma4_e4b',
  'se': 'gemma4_31b',
  'student': 'gemma4_e4b',
  'budget.params': 'active',
}

# Those that need accelerators, and those of models later than the paper's.
LARGE = tuple(scale for scale in BASES if scale.startswith('gemma'))
LATER = tuple(scale for scale in LARGE if not scale.startswith('gemma2'))

# Other students of the paper, on MATH.
STUDENTS: dict[str, dict[str, Any]] = {
  scale: {
    **BASES['gemma2_math'],
    **LARGE_STUDENT,
    'scale': scale,
    'student': scale,
  }
  for scale in ('gemma2_9b', 'gemma2_27b')
}


def variants(
  name: str,
  changes: Mapping[str, Any] | None = None,
  at: Iterable[str] = tuple(BASES),
  roles: Mapping[str, str] | None = None,
  **by_scale: Mapping[str, Any],
) -> dict[str, Config]:
  """Returns an experiment at each scale that it has.

  Args:
    name: Of the experiment.
    changes: Fields that it sets at all scales, by dotted path.
    at: The scales at which it makes sense.
    roles: Fields that have the model of another field, e.g. {'student': 'se'},
      at all scales.
    **by_scale: Fields that it sets at one scale; those of gemma2 hold for
      all later and larger models, too, if these have none, and those of nano
      for tiny.

  Raises:
    ConfigError: A field is unknown, or a value impossible.
  """
  if 'gemma2' in by_scale:
    for scale in (*LARGE, *STUDENTS):
      by_scale.setdefault(scale, by_scale['gemma2'])
  if 'nano' in by_scale:
    by_scale.setdefault('tiny', by_scale['nano'])
  bases = BASES | STUDENTS
  made = {}
  for scale in at:
    base = replace(Config(name=name), bases[scale])
    models = {field: getattr(base, of) for field, of in (roles or {}).items()}
    made[scale] = replace(
      base, {**models, **(changes or {}), **by_scale.get(scale, {})}
    )
  return made


def replace(config: Config, fields: Mapping[str, Any]) -> Config:
  """Returns `config` with other values of fields, given by dotted path.

  Raises:
    ConfigError: A field is unknown, or a value impossible.
  """
  values = config_lib.to_config_dict(config)
  for field in fields:
    config_lib.check_field(field, fields[field])
  config_lib.name_sections(values, fields)
  values.update_from_flattened_dict(fields)
  return config_lib.freeze(values)


def changes(config: Config) -> dict[str, Any]:
  """Returns the fields in which `config` differs from its scale's base.

  Its name and experiments aside; of a scale that is not in BASES, from tiny.
  """
  bases = BASES | STUDENTS
  before = config_lib.flatten(replace(Config(), bases.get(config.scale, {})))
  return {
    field: value
    for field, value in config_lib.flatten(config).items()
    if field not in ('name', 'experiments')
    and (field not in before or value != before[field])
  }
