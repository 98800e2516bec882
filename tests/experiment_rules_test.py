"""Each rule of the config, by name: what breaks it, and what it says then."""

import typing

from ml_collections import config_dict
import pytest

from wcse_jax.experiment import across, rules
from wcse_jax.experiment import config as config_lib
from wcse_jax.experiment.config import Config, ConfigError

WORKDIR = (
  'use letters, digits, "_", "-" and, but not first, "." (it names the'
  ' workdir), 100 at most'
)
FILES = "name config files beside this one, each once, e.g. ('wc_distill',)"
OFF = 'or None to turn it off'
RATES = 'give at least one, each more than 0 and given once'
FRACTION = 'give 0 or more, and less than 1'
# By field and name: a value that the rule refuses, and the remedy.
OF_ONE_FIELD = {
  'name: not empty': ('', WORKDIR),
  'name: file name': ('a/b', WORKDIR),
  'scale: file name': ('../x', WORKDIR),
  'experiments: config files': (('report',), FILES),
  'seed: 32 bits': (2**32, 'give 0 to 2**32 - 1'),
  'arms: not empty': ((), "name at least one, e.g. ('se', 'reference')"),
  'teachers.NAME.temperature: at least 0': (-0.1, 'give 0 (greedy) or more'),
  'teachers.NAME.temperature: warm': (
    1e-5,
    'give 0 (greedy), or 0.0001 to 100',
  ),
  'teachers.NAME.params: above 0': (0.0, 'give a number, or None'),
  'teachers.NAME.tokens: above 0': (0.0, 'give tokens, or None'),
  'teachers.NAME.seconds: above 0': (0.0, 'give seconds, or None'),
  'arms: each once': (('se', 'se'), 'name each arm once'),
  'task.name: not empty': ('', 'name a task of wcse_jax.tasks'),
  'budget.low: at least 1': (0, 'a budget buys at least 1 sample'),
  'budget.params: one of': (
    'total',
    'give nominal, non_embedding, active',
  ),
  'budget.right: at least 1': (0, 'give at least 1, or None'),
  'budget.rows: at least 1': (0, 'give at least 1, or None'),
  'sampling.temperature: at least 0': (-0.1, 'give 0 (greedy) or more'),
  'sampling.temperature: warm': (1e-5, 'give 0 (greedy), or 0.0001 to 100'),
  'finetune.learning_rates: at most': ((1001.0,), 'give at most 1,000'),
  'verify.timeout_s: at most': (
    86401.0,
    'give at most 86,400 seconds, which are a day',
  ),
  'sampling.top_k: at least 1': (0, f'give at least 1, {OFF}'),
  'sampling.top_p: a share': (1.1, f'give more than 0 and at most 1, {OFF}'),
  'sampling.dtype: one of': ('float16', 'give float32, bfloat16 or int8'),
  'verify.timeout_s: above 0': (0.0, 'give more than 0 seconds'),
  'curate.keep: one of': (
    'best',
    'known: correct, judge, majority, all, random',
  ),
  'finetune.learning_rates: rates': ((0.1, 0.1), RATES),
  'finetune.warmup_fraction: a part': (1.0, FRACTION),
  'finetune.optimizer: one of': ('sgd', 'give adamw, adafactor'),
  'finetune.weight_decay: at least 0': (-1.0, 'give 0 or more'),
  'finetune.clip_norm: above 0': (0.0, 'give more than 0'),
  'finetune.keep: one of': ('none', 'give all, best'),
  'finetune.dtype: one of': ('', 'give float32 or bfloat16'),
  'finetune.lora_rank: at least 0': (-1, 'give 0 or more'),
  'finetune.lora_alpha: above 0': (0.0, 'give more than 0'),
  'finetune.layout.fsdp: at least 0': (-1, 'give 0 or more'),
  'finetune.layout.remat: one of': ('all', 'give none, dots, full'),
  'evaluate.ks: increasing': (
    (4, 1),
    'give increasing numbers of samples, from 1 on',
  ),
  'task.grader: one of': ('exact', 'give math, gsm8k, numeric, string, code'),
  'task.split: one of': ('dev', 'give train, validation, test'),
  'endpoint.timeout_s: above 0': (0.0, 'give more than 0'),
  'endpoint.timeout_s: at most': (86401.0, 'give at most 86,400'),
  'limit.usd: above 0': (0.0, 'give dollars, or None'),
  'limit.tokens: at least 1': (0, 'give at least 1, or None'),
  'limit.hours: above 0': (0.0, 'give hours, or None'),
  'task.skip_test: at least 0': (-1, 'give 0 or more'),
  'evaluate.num_sampled: at least 1': (
    0,
    'give at least 1 problem, or None for all',
  ),
  'evaluate.num_transfer: at least 1': (
    0,
    'give at least 1 problem, or None for all',
  ),
  'report.confidence: between': (1.0, 'give between 0 and 1'),
  'report.usd_per_device_hour: above 0': (
    0.0,
    'give dollars, more than 0, or None',
  ),
  'mesh.data: at least 0': (-1, 'give at least 1, or 0 for all devices'),
} | {
  f'{field}: at least 1': (0, 'give at least 1')
  for field in (
    'sampling.max_new_tokens',
    'sampling.slots',
    'sampling.shard_rows',
    'endpoint.samples',
    'endpoint.requests',
    'endpoint.judge_tokens',
    'verify.workers',
    'verify.num_judged',
    'finetune.batch_size',
    'finetune.num_checkpoints',
    'finetune.num_seeds',
    'finetune.layout.data',
    'finetune.layout.tensor',
    'finetune.layout.accumulation',
    'evaluate.num_samples',
    'report.bootstrap_samples',
    'mesh.tensor',
    'mesh.cpu_threads',
  )
}
# What a run would work at without end: the most that there can be of it.
LIMITS = {
  'budget.low': 100_000,
  'budget.high': 100_000,
  'budget.more': 100_000,
  'budget.right': 100_000,
  'budget.rows': 1_000_000_000,
  'sampling.max_new_tokens': 1_000_000,
  'sampling.slots': 100_000,
  'sampling.shard_rows': 1_000_000,
  'endpoint.samples': 1000,
  'endpoint.requests': 1000,
  'endpoint.judge_tokens': 1_000_000,
  'verify.workers': 1000,
  'finetune.batch_size': 100_000,
  'finetune.steps_low': 10_000_000,
  'finetune.steps_high': 10_000_000,
  'finetune.row_tokens': 1_000_000,
  'finetune.num_checkpoints': 1000,
  'finetune.num_seeds': 1000,
  'mesh.cpu_threads': 1024,
  'finetune.lora_rank': 10_000,
  'finetune.layout.accumulation': 10_000,
  'evaluate.num_samples': 100_000,
  'report.bootstrap_samples': 100_000,
}
OF_ONE_FIELD |= {
  f'{field}: at most': (
    (most + 1,) if field == 'budget.more' else most + 1,
    f'give at most {most:,}',
  )
  for field, most in LIMITS.items()
}
# By name: what breaks the rule, the field that is blamed, and the remedy.
ACROSS_FIELDS = {
  '_arms_have_models': (
    {'se': '', 'arms': ('wc_compute_matched',)},
    'se',
    "arm 'wc_compute_matched' needs a model",
  ),
  '_servers_have_addresses': (
    {'external.wc': 'http://host/v1?key=x'},
    'external.wc',
    'give the address of an API, e.g. http://localhost:8000/v1, and its key in'
    ' the environment (WCSE_WC_API_KEY, or OPENAI_API_KEY)',
  ),
  '_external_samples_have_their_temperature': (
    {'external.se': 'x', 'arms': ('se@1.0',)},
    'external.se',
    "its samples are drawn already, so arm 'se@1.0' cannot choose their"
    " temperature: name it without '@', or give '' to draw them here",
  ),
  '_enough_problems': (
    {'task.num_test': 0},
    'task.num_test',
    'give at least 1 problems, or None for all',
  ),
  '_a_file_has_a_grader': (
    {'task.file': 'rows.jsonl'},
    'task.grader',
    'say how task.file is graded: math, gsm8k, numeric, string, code',
  ),
  '_students_learn_from_train': (
    {'task.split': 'test'},
    'task.split',
    "a student would learn from what it is tested on: give 'train', or"
    ' --config.student= for none',
  ),
  '_high_is_not_below_low': (
    {'budget.high': 0},
    'budget.high',
    'give at least budget.low = 1',
  ),
  '_more_budgets_are_others': (
    {'budget.more': (10,)},
    'budget.more',
    'give other numbers of samples than budget.low and budget.high, above'
    ' budget.low = 1, each once',
  ),
  '_epochs_are_of_arms': (
    {'arms': ('se', 'se%wc_compute_matched')},
    'arms',
    "arm 'se%wc_compute_matched' needs 'wc_compute_matched': name it, too",
  ),
  '_judged_by_a_model': ({'curate.keep': 'judge'}, 'judge', 'name a model'),
  '_steps_reach_all_checkpoints': (
    {'finetune.steps_high': 9},
    'finetune.steps_high',
    'give at least finetune.num_checkpoints = 10',
  ),
  '_rows_hold_a_solution': (
    {'finetune.row_tokens': 80},
    'finetune.row_tokens',
    'a row holds a prompt and a whole solution: give more than'
    ' sampling.max_new_tokens = 80',
  ),
  '_samples_reach_the_largest_k': (
    {'evaluate.ks': (1, 9)},
    'evaluate.ks',
    'no k can exceed evaluate.num_samples = 8',
  ),
  '_sampled_are_tested': (
    {'evaluate.num_sampled': 301},
    'evaluate.num_sampled',
    'give at most task.num_test = 300, or None for all',
  ),
  '_transfer_is_to_other_tasks': (
    {'evaluate.transfer': ('nano_arithmetic',)},
    'evaluate.transfer',
    'name other tasks than nano_arithmetic, each once',
  ),
  '_enough_is_of_plain_arms': (
    {'budget.right': 2, 'arms': ('se', 'se=all')},
    'budget.right',
    "it counts right solutions: give None, or keep 'correct' ones alone",
  ),
}
RULES = {
  f'{path}: {rule.name}': rule
  for path, _, of_field in rules.leaves(Config)
  for rule in of_field
}


def refusal(changes):
  values = config_lib.to_config_dict(Config())
  config_lib.name_sections(values, changes)
  values.update_from_flattened_dict(changes)
  with pytest.raises(ConfigError) as caught:
    config_lib.freeze(values)
  return caught.value


@pytest.mark.parametrize('name', RULES)
def test_each_rule_of_a_field_refuses_and_says_what_to_do(name):
  value, remedy = OF_ONE_FIELD[name]
  path = name.partition(':')[0]
  assert not RULES[name].holds(value)
  error = refusal({path: value})
  assert (error.field, error.value, error.remedy) == (path, value, remedy)
  assert str(error) == f'config.{path} = {value!r}\n{remedy}'


@pytest.mark.parametrize('rule', across.RULES)
def test_each_rule_across_fields_refuses_and_says_what_to_do(rule):
  changes, field, remedy = ACROSS_FIELDS[rule.__name__]
  assert list(rule(Config())) == []
  error = refusal(changes)
  assert (error.field, error.remedy) == (field, remedy)


def test_no_rule_is_listed_here_alone():
  assert OF_ONE_FIELD.keys() == RULES.keys()
  assert [*ACROSS_FIELDS] == [rule.__name__ for rule in across.RULES]


FIELDS = {path: hint for path, hint, _ in rules.leaves(Config)}


@pytest.mark.parametrize(
  'path', [p for p, hint in FIELDS.items() if hint not in (str, bool)]
)
def test_every_number_has_a_limit(path):
  several = typing.get_origin(FIELDS[path]) is tuple
  if path in ('arms', 'experiments', 'evaluate.transfer'):
    return
  for value in (10**400, -(10**400), 1e300, float('nan'), float('inf')):
    values = config_lib.to_config_dict(Config())
    config_lib.name_sections(values, [path])
    values = values.to_dict()
    section, _, name = path.rpartition('.')
    at = values
    for part in filter(None, section.split('.')):
      at = at[part]
    at[name] = (value,) if several else value
    with pytest.raises(ConfigError) as caught:
      config_lib.freeze(config_dict.ConfigDict(values))
    assert caught.value.field.split('.')[0] == path.split('.')[0]


@pytest.mark.parametrize(
  ('changes', 'remedy'),
  [
    ({'arms': ('se+wc_compute_matched',)}, 'draws from several models'),
    ({'budget.pool_per_seed': True}, 'budget.pool_per_seed=False'),
    ({'curate.keep': 'majority'}, "keep 'correct' ones alone"),
  ],
)
@pytest.mark.parametrize('name', ['right', 'rows'])
def test_enough_right_solutions_are_of_one_model_and_verified(
  name, changes, remedy
):
  one = {'budget.low': 10, 'budget.high': 10}
  error = refusal({f'budget.{name}': 50, **one, **changes})
  assert error.field == f'budget.{name}' and remedy in error.remedy


@pytest.mark.parametrize(
  ('changes', 'remedy'),
  [
    ({'budget.high': 11}, 'give budget.low = budget.high'),
    ({'arms': ('se~2',)}, 'give budget.right instead'),
  ],
)
def test_rows_end_one_budget_of_arms_that_keep_all(changes, remedy):
  one = {'budget.low': 10, 'budget.high': 10, 'budget.rows': 50}
  error = refusal(one | changes)
  assert error.field == 'budget.rows' and remedy in error.remedy
  assert refusal(one | {'seed': -1}).field == 'seed', 'else it is fine'


@pytest.mark.parametrize('path', [p for p, h in FIELDS.items() if h is str])
def test_half_a_character_is_refused(path):
  assert refusal({path: 'x\udcff'}).field == path


@pytest.mark.parametrize(
  ('changes', 'field'),
  [
    ({'name': '..'}, 'name'),
    ({'name': '.'}, 'name'),
    ({'name': '.hidden'}, 'name'),
    ({'name': 'x' * 101}, 'name'),
    ({'scale': '..'}, 'scale'),
    ({'arms': (f'se@{"9" * 400}',)}, 'arms'),
    ({'arms': ('se@101',)}, 'arms'),
    ({'arms': ('se@0.00001',)}, 'arms'),
    ({'arms': (f'se^{"1" * 200}',)}, 'arms'),
    ({'arms': (f'se^{"1" * 5000}',)}, 'arms'),
  ],
)
def test_names_and_arms_that_cannot_be_are_refused(changes, field):
  assert refusal(changes).field == field


@pytest.mark.parametrize(
  'changes',
  [
    {'name': 'a.b-c_1'},
    {'scale': ''},
    {'budget.high': 10_000},
    {'arms': ('se@0', 'se@1.0', 'wc_compute_matched~1')},
    {'sampling.temperature': 0.0},
    {'verify.timeout_s': 3600.0},
    {'finetune.clip_norm': 1e9},
    {'seed': 2**32 - 1},
  ],
)
def test_what_can_be_is_taken(changes):
  values = config_lib.to_config_dict(Config())
  values.update_from_flattened_dict(changes)
  assert config_lib.freeze(values)
